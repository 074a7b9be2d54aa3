package imageinfo_test

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"claimcheck.example/internal/imageinfo"
	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	_ "golang.org/x/image/webp"
)

const limit = 50_000_000

// scan returns what a scanner says of data, written n bytes at a time.
func scan(data []byte, maxPixels int64, n int) (imageinfo.Info, error) {
	s := imageinfo.NewScanner(maxPixels)
	var first error
	for len(data) > 0 && first == nil {
		m := min(n, len(data))
		_, first = s.Write(data[:m])
		data = data[m:]
	}
	if err := s.Close(); first == nil {
		first = err
	}
	return s.Info(), first
}

// encoded returns a picture of w x h in every format that can be written here.
func encoded(t testing.TB, w, h int) map[string][]byte {
	t.Helper()
	m := image.NewPaletted(image.Rect(0, 0, w, h), color.Palette{color.Black, color.White})
	files := map[string][]byte{}
	for name, write := range map[string]func(*bytes.Buffer) error{
		imageinfo.JPEG: func(b *bytes.Buffer) error { return jpeg.Encode(b, m, nil) },
		imageinfo.PNG:  func(b *bytes.Buffer) error { return png.Encode(b, m) },
		imageinfo.GIF:  func(b *bytes.Buffer) error { return gif.Encode(b, m, nil) },
		imageinfo.TIFF: func(b *bytes.Buffer) error { return tiff.Encode(b, m, nil) },
		imageinfo.BMP:  func(b *bytes.Buffer) error { return bmp.Encode(b, m) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		files[name] = b.Bytes()
	}
	return files
}

func TestScannerTellsTypeAndSize(t *testing.T) {
	t.Parallel()
	for contentType, data := range encoded(t, 301, 207) {
		for _, n := range []int{1, 7, 4096, 1 << 20} {
			got, err := scan(data, limit, n)
			want := imageinfo.Info{ContentType: contentType, Width: 301, Height: 207, Frames: 1, Pixels: 301 * 207, Complete: contentType != imageinfo.BMP}
			if err != nil || got != want {
				t.Errorf("%s, %d bytes at a time: got %+v, %v, want %+v", contentType, n, got, err, want)
			}
		}
		got, err := imageinfo.ReadInfo(bytes.NewReader(data), int64(len(data)), limit)
		if err != nil || got.Width != 301 || got.Height != 207 {
			t.Errorf("%s: ReadInfo: got %+v, %v", contentType, got, err)
		}
	}
}

// reads counts the reads of a file.
type reads struct {
	*bytes.Reader
	n int
}

func (r *reads) ReadAt(p []byte, at int64) (int, error) {
	r.n++
	return r.Reader.ReadAt(p, at)
}

func TestReadSizeReadsNoFurtherThanThePixels(t *testing.T) {
	t.Parallel()
	noise := image.NewGray(image.Rect(0, 0, 1000, 700))
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range noise.Pix {
		noise.Pix[i] = byte(rng.Uint32())
	}
	var asJPEG, asPNG bytes.Buffer
	if err := errors.Join(jpeg.Encode(&asJPEG, noise, nil), png.Encode(&asPNG, noise)); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"jpeg": asJPEG.Bytes(), "png": asPNG.Bytes()} {
		r := &reads{Reader: bytes.NewReader(data)}
		got, err := imageinfo.ReadSize(r, int64(len(data)), limit)
		if err != nil || got.Pixels != 700_000 || got.Complete || r.n != 1 {
			t.Errorf("%s of %d bytes: got %+v, %v by %d reads", name, len(data), got, err, r.n)
		}
		if _, err := imageinfo.ReadSize(r, int64(len(data)), 699_999); err == nil {
			t.Errorf("%s: over the limit, and not refused", name)
		}
	}
	two := join(pngHeader(1000, 700), pngChunk("acTL", make([]byte, 8)), pngChunk("IDAT", nil), pngChunk("fcTL", make([]byte, 26)), pngChunk("IEND", nil))
	if got, err := imageinfo.ReadSize(bytes.NewReader(two), int64(len(two)), limit); err != nil || got.Frames != 2 {
		t.Errorf("animation: got %+v, %v", got, err)
	}
}

func TestScannerStopsAtTheLimit(t *testing.T) {
	t.Parallel()
	for contentType, data := range encoded(t, 301, 207) {
		_, err := scan(data, 301*207-1, 100)
		e, ok := errors.AsType[*imageinfo.TooManyPixelsError](err)
		if !ok || e.Pixels != 301*207 || e.Max != 301*207-1 {
			t.Errorf("%s: got %v, want too many pixels", contentType, err)
		}
		if _, err := scan(data, 301*207, 100); err != nil {
			t.Errorf("%s at the limit: %v", contentType, err)
		}
	}
}

func TestDetectRefusesOtherFiles(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "x", "just text", "BM is how this text begins, and it goes on", "<!doctype html><p>hello",
		`<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>`, "<svg/>", "%PDF-1.7\n", "#!/bin/sh\n",
		"PK\x03\x04", strings.Repeat("\x00", 5000), "P6 100 100 255 ",
	} {
		if got := imageinfo.Detect([]byte(text)); got != "" {
			t.Errorf("Detect(%.20q) = %q, want none", text, got)
		}
		if _, err := scan([]byte(text), limit, 10); !errors.Is(err, imageinfo.ErrNotImage) {
			t.Errorf("scan(%.20q): got %v, want ErrNotImage", text, err)
		}
	}
}

func TestPhotograph(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/rainier.jpg")
	if err != nil {
		t.Fatal(err)
	}
	want := imageinfo.Info{ContentType: imageinfo.JPEG, Width: 1600, Height: 1200, Frames: 1, Pixels: 1600 * 1200, Orientation: 6, Complete: true}
	if got, err := scan(data, limit, 1000); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	want.Complete = false
	if got, err := scan(data[:len(data)-1], limit, 1000); err != nil || got != want {
		t.Errorf("cut off: got %+v, %v, want %+v", got, err, want)
	}
}
