package imagingtest

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"testing"

	"claimcheck.example/internal/imageinfo"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging"
	"claimcheck.example/internal/processor/processortest"
)

// newEngine returns the processor of an engine with these limits.
type newEngine func(limits imaging.Limits) *imaging.Processor

// Suite tests an engine for what all engines have in common: operations, sizes,
// orientation, colours, metadata, limits. New makes one.
func Suite(t *testing.T, new func(limits imaging.Limits) imaging.Engine) {
	engine := func(limits imaging.Limits) *imaging.Processor {
		return imaging.New(new(limits), imaging.Any(), limits)
	}
	for name, test := range map[string]func(*testing.T, newEngine){
		"references": references, "sizes": sizes, "orientation": orientation, "metadata are stripped": strips,
		"profiles are kept": profiles, "16 bits stay": depth, "limits": limits, "EXIF is rewritten": exif, "PNG colours": pngColours,
	} {
		t.Run(name, func(t *testing.T) { test(t, engine) })
	}
}

func sizes(t *testing.T, engine newEngine) {
	t.Parallel()
	p := engine(imaging.Limits{})
	wide, small := image.NewGray(image.Rect(0, 0, 2048, 1000)), image.NewNRGBA(image.Rect(0, 0, 20, 10))
	tests := []struct {
		name, params, format string
		data                 []byte
		w, h                 int
	}{
		{"a large JPEG", "", "jpeg", JPEG(t, wide), 1024, 500},
		{"a small PNG stays", "", "png", PNG(t, small), 20, 10},
		{"a box", `{"width": 100, "height": 10}`, "jpeg", JPEG(t, wide), 20, 10},
		{"a width", `{"width": 1024}`, "jpeg", JPEG(t, wide), 1024, 500},
		{"as it is", `{"ops": []}`, "jpeg", JPEG(t, wide), 2048, 1000},
		{"another format", `{"format": "webp"}`, "webp", PNG(t, small), 20, 10},
		{"all operations", `{"ops": [{"crop": {"x": 100, "width": 1000, "height": 900}}, {"fill": {"width": 300, "height": 200}},
			{"rotate": 90}, {"flip": "vertical"}, {"grayscale": true}, {"blur": 1.5}, {"sharpen": {"sigma": 2}}, {"resize": {"height": 150}}], "format": "tiff"}`,
			"tiff", JPEG(t, wide), 100, 150},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, body, err := processortest.Run(t, p, tt.data, tt.params)
			if err != nil {
				t.Fatal(err)
			}
			c, format, err := image.DecodeConfig(bytes.NewReader(body))
			if err != nil || format != tt.format || c.Width != tt.w || c.Height != tt.h {
				t.Errorf("got %s %d x %d, %v, want %s %d x %d", format, c.Width, c.Height, err, tt.format, tt.w, tt.h)
			}
			if r.ContentType != "image/"+tt.format || r.Width != tt.w || r.Height != tt.h {
				t.Errorf("result says %s %d x %d, want %s %d x %d", r.ContentType, r.Width, r.Height, tt.format, tt.w, tt.h)
			}
		})
	}
}

// Corners is a picture of four colours, 32 x 16, whose corners show its orientation.
func Corners() image.Image {
	m := image.NewRGBA(image.Rect(0, 0, 32, 16))
	for y := range 16 {
		for x := range 32 {
			m.Set(x, y, [4]color.Color{color.White, color.Gray{Y: 0xaa}, color.Gray{Y: 0x55}, color.Black}[x/16+y/8*2])
		}
	}
	return m
}

// Oriented adds an EXIF orientation, and a comment to be stripped, to a JPEG.
func Oriented(data []byte, orientation byte) []byte {
	exif := "Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00" + string(orientation) + "\x00\x00\x00\x00\x00\x00"
	segment := func(code byte, body string) []byte {
		return append(binary.BigEndian.AppendUint16([]byte{0xff, code}, uint16(len(body)+2)), body...)
	}
	return bytes.Join([][]byte{data[:2], segment(0xe1, exif), segment(0xfe, "a secret comment"), data[2:]}, nil)
}

func orientation(t *testing.T, engine newEngine) {
	t.Parallel()
	p := engine(imaging.Limits{})
	// The shades of the upper left, upper right, lower left and lower right corner.
	const a, b, c, d = 0xff, 0xaa, 0x55, 0x00
	tests := [9][4]int{1: {a, b, c, d}, 2: {b, a, d, c}, 3: {d, c, b, a}, 4: {c, d, a, b}, 5: {a, c, b, d}, 6: {c, a, d, b}, 7: {d, b, c, a}, 8: {b, d, a, c}}
	for o := 1; o <= 8; o++ {
		_, body, err := processortest.Run(t, p, Oriented(JPEG(t, Corners()), byte(o)), `{"keep": ["exif"]}`)
		if err != nil {
			t.Fatal(err)
		}
		m, err := jpeg.Decode(bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r := m.Bounds()
		for i, want := range tests[o] {
			got := color.GrayModel.Convert(m.At(2+i%2*(r.Dx()-5), 2+i/2*(r.Dy()-5))).(color.Gray).Y
			if diff := int(got) - want; diff < -8 || diff > 8 {
				t.Errorf("orientation %d, corner %d: got %#x, want %#x", o, i, got, want)
			}
		}
		// When EXIF is kept, it says upright.
		if info, err := imageinfo.ReadInfo(bytes.NewReader(body), int64(len(body)), 0); err != nil || info.Orientation != 1 {
			t.Errorf("orientation %d: the result says %d, %v", o, info.Orientation, err)
		}
	}
}

func strips(t *testing.T, engine newEngine) {
	t.Parallel()
	_, body, err := processortest.Run(t, engine(imaging.Limits{}), Oriented(JPEG(t, Corners()), 6), "")
	if err != nil || bytes.Contains(body, []byte("Exif")) || bytes.Contains(body, []byte("secret")) {
		t.Errorf("got %v, with metadata %q", err, body[:min(100, len(body))])
	}
}

func profiles(t *testing.T, engine newEngine) {
	t.Parallel()
	input := File(t, "reference/p3.jpg")
	for format, mark := range map[string]string{"jpeg": "ICC_PROFILE", "png": "iCCP", "webp": "ICCP"} {
		_, body, err := processortest.Run(t, engine(imaging.Limits{}), input, `{"keep": ["icc"], "format": "`+format+`"}`)
		if err != nil {
			t.Fatal(err)
		}
		if _, got, err := image.Decode(bytes.NewReader(body)); err != nil || got != format || !bytes.Contains(body, []byte(mark)) {
			t.Errorf("%s: got %s, %v, with profile: %t", format, got, err, bytes.Contains(body, []byte(mark)))
		}
		// A second pass finds the kept profile and converts it.
		_, again, err := processortest.Run(t, engine(imaging.Limits{}), body, `{"format": "png"}`)
		if err != nil {
			t.Fatal(err)
		}
		got, err := png.Decode(bytes.NewReader(again))
		if err != nil {
			t.Fatal(err)
		}
		want, err := png.Decode(bytes.NewReader(File(t, "reference/want-p3.png")))
		if err != nil {
			t.Fatal(err)
		}
		limit := 1.0
		if format == "jpeg" {
			limit = 3 // losses of JPEG
		}
		if mean, most := Distance(t, got, want); mean > limit {
			t.Errorf("%s: difference %.3f, 99th percentile %.3f", format, mean, most)
		}
	}
}

func depth(t *testing.T, engine newEngine) {
	t.Parallel()
	m := image.NewNRGBA64(image.Rect(0, 0, 64, 64))
	for i := range m.Pix {
		m.Pix[i] = byte(i * 7)
	}
	_, body, err := processortest.Run(t, engine(imaging.Limits{}), PNG(t, m), `{"width": 32}`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := png.Decode(bytes.NewReader(body))
	if _, ok := got.(*image.NRGBA64); err != nil || !ok {
		t.Errorf("got %T, %v, want 16 bits a channel", got, err)
	}
}

func limits(t *testing.T, engine newEngine) {
	t.Parallel()
	data := PNG(t, Corners())
	tests := []struct {
		name, params string
		opts         imaging.Limits
		kind         job.Kind
	}{
		{"input", "", imaging.Limits{MaxInputBytes: int64(len(data)) - 1}, job.TooLarge},
		{"output", "", imaging.Limits{MaxOutputBytes: 20}, job.TooLarge},
		{"resize by ratio", `{"ops": [{"resize": {"width": 100}}]}`, imaging.Limits{MaxPixels: 600}, job.TooLarge},
		{"crop beside it", `{"ops": [{"crop": {"x": 32, "width": 1, "height": 1}}]}`, imaging.Limits{}, job.Invalid},
	}
	for _, tt := range tests {
		_, _, err := processortest.Run(t, engine(tt.opts), data, tt.params)
		if job.KindOf(err) != tt.kind || job.MessageOf(err) == "" {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.kind)
		}
	}
}

// exif keeps the EXIF of a file that is stored sideways, with a thumbnail, and of one
// whose orientation is a LONG.
func exif(t *testing.T, engine newEngine) {
	t.Parallel()
	for _, name := range []string{"24-orientation-long-le.jpg", "27-exif-thumbnail.jpg"} {
		for _, format := range []string{"jpeg", "png"} {
			_, body, err := processortest.Run(t, engine(imaging.Limits{}), File(t, "cases", name), `{"ops": [], "keep": ["exif"], "format": "`+format+`"}`)
			if err != nil {
				t.Fatal(err)
			}
			info, err := imageinfo.ReadInfo(bytes.NewReader(body), int64(len(body)), 0)
			if err != nil || info.Orientation != 1 {
				t.Errorf("%s as %s: the result says orientation %d, %v", name, format, info.Orientation, err)
			}
			if bytes.Count(body, []byte("\xff\xd8\xff")) > 1 {
				t.Errorf("%s as %s: the thumbnail is still there", name, format)
			}
		}
	}
}
