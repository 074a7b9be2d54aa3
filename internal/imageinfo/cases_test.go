package imageinfo_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"claimcheck.example/internal/imageinfo"
)

// The sizes in these tables are those of libvips' vipsheader and ImageMagick's identify;
// the number of frames is that of the files' sources.
func TestSoundFiles(t *testing.T) {
	t.Parallel()
	type size struct{ width, height, frames, orientation int }
	scene := size{96, 64, 1, 0}
	tests := []struct {
		file, contentType string
		want              size
	}{
		{"cases/01-anim-lossy.webp", imageinfo.WebP, size{200, 120, 2, 0}},
		{"cases/04-alpha-bit-no-alph.webp", imageinfo.WebP, scene},
		{"cases/12-progressive-restart-420.jpg", imageinfo.JPEG, scene},
		{"cases/14-no-eoi.jpg", imageinfo.JPEG, scene},
		{"cases/17-sampling-2x2_1x1_1x2.jpg", imageinfo.JPEG, scene},
		{"cases/20-cmyk-no-adobe.jpg", imageinfo.JPEG, scene},
		{"cases/21-no-dht.jpg", imageinfo.JPEG, scene},
		{"cases/22-arithmetic.jpg", imageinfo.JPEG, scene},
		{"cases/24-orientation-long-le.jpg", imageinfo.JPEG, size{96, 64, 1, 6}},
		{"cases/27-exif-thumbnail.jpg", imageinfo.JPEG, size{96, 64, 1, 6}},
		{"cases/34-gama-1.png", imageinfo.PNG, scene},
		{"cases/35-surplus-pixels.png", imageinfo.PNG, scene},
		{"cases/39-rgba-trns.png", imageinfo.PNG, scene},
		{"cases/41-gray-plte.png", imageinfo.PNG, scene},
		{"cases/43-frame-larger-than-screen.gif", imageinfo.GIF, size{20, 12, 1, 0}}, // screen of 16 x 10
		{"cases/45-unknown-extension.gif", imageinfo.GIF, size{20, 12, 1, 0}},
		{"cases/47-code-size-1.gif", imageinfo.GIF, size{1, 1, 1, 0}},
		{"cases/54-bitfields-40.bmp", imageinfo.BMP, scene},
		{"cases/56-v5-rgb-fourth-byte-0.bmp", imageinfo.BMP, scene},
		{"cases/58-g4-black-is-zero.tif", imageinfo.TIFF, scene},
		{"cases/60-planar-strips.tif", imageinfo.TIFF, size{96, 64, 1, 1}},
		{"cases/62-rgba-extrasamples-0.tif", imageinfo.TIFF, scene},
		{"cases/62-rgba-no-extrasamples.tif", imageinfo.TIFF, scene},
		{"cases/66-group3-2d.tif", imageinfo.TIFF, size{96, 64, 1, 1}},
		{"cases/66-group3-eol-aligned.tif", imageinfo.TIFF, size{96, 64, 1, 1}},
		{"cases/scene.png", imageinfo.PNG, scene},
		{"cases/x-bigtiff.tif", imageinfo.TIFF, size{96, 64, 1, 1}},
		{"cases/x-os2.bmp", imageinfo.BMP, scene},
		{"cases/x-screen-0x0.gif", imageinfo.GIF, size{20, 12, 1, 0}},

		{"writers/odd-clap.heic", imageinfo.HEIC, size{101, 67, 1, 0}}, // coded as 102 x 68
		{"writers/alpha.heic", imageinfo.HEIC, scene},
		{"writers/exif-orientation-6.heic", imageinfo.HEIC, scene}, // EXIF does not count
		{"writers/two-pictures.heic", imageinfo.HEIC, scene},       // the other one has 101 x 67
		{"writers/grid.avif", imageinfo.AVIF, size{128, 128, 1, 0}},
		{"writers/turned-mirrored.avif", imageinfo.AVIF, size{64, 96, 1, 0}},
		{"writers/clap-turned.avif", imageinfo.AVIF, size{18, 32, 1, 0}},
		{"writers/sequence.avif", imageinfo.AVIF, size{96, 64, 3, 0}},
		{"writers/sequence-alpha.avif", imageinfo.AVIF, size{96, 64, 2, 0}},
		{"writers/10-bits.avif", imageinfo.AVIF, scene},
		{"writers/bare.jxl", imageinfo.JXL, size{101, 67, 1, 0}},
		{"writers/boxed.jxl", imageinfo.JXL, scene},
		{"writers/orientation-6.jxl", imageinfo.JXL, size{64, 96, 1, 0}},
		{"writers/jpeg-inside.jxl", imageinfo.JXL, scene},
		{"writers/1x1.jxl", imageinfo.JXL, size{1, 1, 1, 0}},
		{"writers/animated.jxl", imageinfo.JXL, size{96, 64, 0, 0}},
	}
	named := map[string]bool{}
	for _, tt := range tests {
		named[tt.file] = true
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(filepath.Join("testdata", filepath.FromSlash(tt.file)))
			if err != nil {
				t.Fatal(err)
			}
			got, err := scan(data, limit, 7)
			if err != nil {
				t.Fatal(err)
			}
			if s := (size{got.Width, got.Height, got.Frames, got.Orientation}); got.ContentType != tt.contentType || s != tt.want {
				t.Errorf("got %s of %+v, want %s of %+v", got.ContentType, s, tt.contentType, tt.want)
			}
			if n := int64(got.Width * got.Height * got.Frames); got.Pixels != n {
				t.Errorf("got %d pixels, want %d", got.Pixels, n)
			}
			if read, err := imageinfo.ReadInfo(bytes.NewReader(data), int64(len(data)), limit); err != nil || read != got {
				t.Errorf("ReadInfo: got %+v, %v; the scanner: %+v", read, err, got)
			}
			if read, err := imageinfo.ReadSize(bytes.NewReader(data), int64(len(data)), limit); err != nil || read.Width != got.Width || read.Pixels != got.Pixels {
				t.Errorf("ReadSize: got %+v, %v; the scanner: %+v", read, err, got)
			}
			if got.Pixels > 1 {
				if _, err := scan(data, got.Pixels-1, 7); verdictOf(t, err) != tooMany {
					t.Errorf("a pixel over the limit: got %v", err)
				}
			}
		})
	}
	for _, folder := range []string{"cases", "writers"} {
		entries, err := os.ReadDir(filepath.Join("testdata", folder))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if name := folder + "/" + e.Name(); !named[name] && e.Name() != "make.sh" {
				t.Errorf("%s is in no test", name)
			}
		}
	}
}
