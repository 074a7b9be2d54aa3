package embedded_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	_ "image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"strings"
	"testing"

	"claimcheck.example/internal/imageinfo"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging"
	"claimcheck.example/internal/processor/imaging/embedded"
	"claimcheck.example/internal/processor/imaging/imagingtest"
	"claimcheck.example/internal/processor/processortest"
	"go.uber.org/goleak"
	_ "golang.org/x/image/tiff"
	_ "golang.org/x/image/webp"
)

// builtin is the built-in processor with this engine.
func builtin(limits imaging.Limits) *imaging.Processor {
	return imaging.New(embedded.New(limits), imaging.Embedded(), limits)
}

func TestImageFitsIntoTheDefaultBox(t *testing.T) {
	t.Parallel()
	p := builtin(imaging.Limits{})
	wide, small := image.NewGray(image.Rect(0, 0, 2048, 1000)), image.NewNRGBA(image.Rect(0, 0, 20, 10))
	tests := []struct {
		name, params, format string
		data                 []byte
		w, h                 int
	}{
		{"a large JPEG", "", "jpeg", imagingtest.JPEG(t, wide), 1024, 500},
		{"a small PNG stays", "", "png", imagingtest.PNG(t, small), 20, 10},
		{"a box", `{"width": 100, "height": 10}`, "jpeg", imagingtest.JPEG(t, wide), 20, 10},
		{"a width", `{"width": 1024}`, "jpeg", imagingtest.JPEG(t, wide), 1024, 500},
		{"as it is", `{"ops": []}`, "jpeg", imagingtest.JPEG(t, wide), 2048, 1000},
		{"another format", `{"format": "webp"}`, "webp", imagingtest.PNG(t, small), 20, 10},
		{"all operations", `{"ops": [{"crop": {"x": 100, "width": 1000, "height": 900}}, {"fill": {"width": 300, "height": 200}},
			{"rotate": 90}, {"flip": "vertical"}, {"grayscale": true}, {"blur": 1.5}, {"sharpen": {"sigma": 2}}, {"resize": {"height": 150}}], "format": "tiff"}`,
			"tiff", imagingtest.JPEG(t, wide), 100, 150},
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

func TestImageRefusesTooManyPixelsBeforeDecoding(t *testing.T) {
	t.Parallel()
	p := builtin(imaging.Limits{MaxPixels: 100})
	_, _, err := processortest.Run(t, p, imagingtest.PNG(t, image.NewPaletted(image.Rect(0, 0, 101, 1), color.Palette{color.Black})), "")
	if job.KindOf(err) != job.TooLarge || job.MessageOf(err) == "" {
		t.Errorf("got %v, want too large", err)
	}
}

// corners is a picture of four colours, 32 x 16, whose corners tell how it lies.
func corners() image.Image {
	m := image.NewRGBA(image.Rect(0, 0, 32, 16))
	for y := range 16 {
		for x := range 32 {
			m.Set(x, y, [4]color.Color{color.White, color.Gray{Y: 0xaa}, color.Gray{Y: 0x55}, color.Black}[x/16+y/8*2])
		}
	}
	return m
}

// oriented adds an EXIF orientation, and a comment to be stripped, to a JPEG.
func oriented(data []byte, orientation byte) []byte {
	exif := "Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00" + string(orientation) + "\x00\x00\x00\x00\x00\x00"
	segment := func(code byte, body string) []byte {
		return append(binary.BigEndian.AppendUint16([]byte{0xff, code}, uint16(len(body)+2)), body...)
	}
	return bytes.Join([][]byte{data[:2], segment(0xe1, exif), segment(0xfe, "a secret comment"), data[2:]}, nil)
}

func TestImageIsUpright(t *testing.T) {
	t.Parallel()
	p := builtin(imaging.Limits{})
	// The shades of the upper left, upper right, lower left and lower right corner.
	const a, b, c, d = 0xff, 0xaa, 0x55, 0x00
	tests := [9][4]int{1: {a, b, c, d}, 2: {b, a, d, c}, 3: {d, c, b, a}, 4: {c, d, a, b}, 5: {a, c, b, d}, 6: {c, a, d, b}, 7: {d, b, c, a}, 8: {b, d, a, c}}
	for o := 1; o <= 8; o++ {
		_, body, err := processortest.Run(t, p, oriented(imagingtest.JPEG(t, corners()), byte(o)), `{"keep": ["exif"]}`)
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
		// Kept, its EXIF block says so.
		if info, err := imageinfo.ReadInfo(bytes.NewReader(body), int64(len(body)), 0); err != nil || info.Orientation != 1 {
			t.Errorf("orientation %d: the result says %d, %v", o, info.Orientation, err)
		}
	}
}

func TestImageStripsMetadata(t *testing.T) {
	t.Parallel()
	_, body, err := processortest.Run(t, builtin(imaging.Limits{}), oriented(imagingtest.JPEG(t, corners()), 6), "")
	if err != nil || bytes.Contains(body, []byte("Exif")) || bytes.Contains(body, []byte("secret")) {
		t.Errorf("got %v, with metadata %q", err, body[:min(100, len(body))])
	}
}

func TestImageKeepsTheProfile(t *testing.T) {
	t.Parallel()
	input := processortest.ReadFile(t, "testdata/reference/p3.jpg")
	for format, mark := range map[string]string{"jpeg": "ICC_PROFILE", "png": "iCCP", "webp": "ICCP"} {
		_, body, err := processortest.Run(t, builtin(imaging.Limits{}), input, `{"keep": ["icc"], "format": "`+format+`"}`)
		if err != nil {
			t.Fatal(err)
		}
		if _, got, err := image.Decode(bytes.NewReader(body)); err != nil || got != format || !bytes.Contains(body, []byte(mark)) {
			t.Errorf("%s: got %s, %v, with profile: %t", format, got, err, bytes.Contains(body, []byte(mark)))
		}
		// Sent through again, the kept profile is found and converted.
		_, again, err := processortest.Run(t, builtin(imaging.Limits{}), body, `{"format": "png"}`)
		if err != nil {
			t.Fatal(err)
		}
		got, err := png.Decode(bytes.NewReader(again))
		if err != nil {
			t.Fatal(err)
		}
		want, err := png.Decode(bytes.NewReader(processortest.ReadFile(t, "testdata/reference/want-p3.png")))
		if err != nil {
			t.Fatal(err)
		}
		limit := 1.0
		if format == "jpeg" {
			limit = 3 // JPEG's own losses
		}
		if mean, most := distance(t, got, want); mean > limit {
			t.Errorf("%s: difference %.3f, 99th percentile %.3f", format, mean, most)
		}
	}
}

func TestImageStaysDeep(t *testing.T) {
	t.Parallel()
	m := image.NewNRGBA64(image.Rect(0, 0, 64, 64))
	for i := range m.Pix {
		m.Pix[i] = byte(i * 7)
	}
	_, body, err := processortest.Run(t, builtin(imaging.Limits{}), imagingtest.PNG(t, m), `{"width": 32}`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := png.Decode(bytes.NewReader(body))
	if _, ok := got.(*image.NRGBA64); err != nil || !ok {
		t.Errorf("got %T, %v, want 16 bits a channel", got, err)
	}
}

func TestImageRefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	whole := imagingtest.JPEG(t, corners())
	tests := []struct {
		name string
		data []byte
		kind job.Kind
	}{
		{"nothing", nil, job.Unsupported},
		{"text", []byte("no picture"), job.Unsupported},
		{"svg", []byte("<svg/>"), job.Unsupported},
		{"heic", processortest.ReadFile(t, "../../../imageinfo/testdata/writers/odd-clap.heic"), job.Unsupported},
		{"half a jpeg", whole[:len(whole)/2], job.Invalid},
		{"a damaged png", bytes.Replace(imagingtest.PNG(t, corners()), []byte("IDAT"), []byte("IDATxx"), 1), job.Invalid},
	}
	for _, tt := range tests {
		_, _, err := processortest.Run(t, builtin(imaging.Limits{}), tt.data, "")
		if job.KindOf(err) != tt.kind || job.MessageOf(err) == "" {
			t.Errorf("%s: got %v (%v), want %v", tt.name, err, job.KindOf(err), tt.kind)
		}
	}
}

// bmpOf is a BMP of 4 x 1 pixels in two colours, of so many bits each.
func bmpOf(bits, compression byte, pixels ...byte) []byte {
	le32 := binary.LittleEndian.AppendUint32
	b := append([]byte("BM"), make([]byte, 8)...)
	b = le32(b, 14+40+8)
	b = le32(le32(le32(b, 40), 4), 1)
	b = append(b, 1, 0, bits, 0, compression, 0, 0, 0)
	b = append(append(b, make([]byte, 12)...), 2, 0, 0, 0, 0, 0, 0, 0)
	return append(append(b, "\x00\x00\xff\x00\xff\xff\xff\x00"...), pixels...)
}

// tiffOf is a TIFF of one pixel, whose colours are told by a number (TIFF 6.0: 1 gray, 5
// CMYK) and whose samples have so many bits.
func tiffOf(colours, bits uint16) []byte {
	be16, be32 := binary.BigEndian.AppendUint16, binary.BigEndian.AppendUint32
	b := []byte("MM\x00*\x00\x00\x00\x08\x00\x07")
	for _, e := range [][2]uint16{{256, 1}, {257, 1}, {258, bits}, {259, 1}, {262, colours}, {273, 8}, {279, 1}} {
		b = be16(be16(be32(be16(be16(b, e[0]), 3), 1), e[1]), 0)
	}
	return be32(b, 0)
}

// TestImageSaysWhatItDoesNotKnow looks at files that are sound, and at their neighbours
// that are known.
func TestImageSaysWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		data []byte
		word string // empty: it is known
	}{
		{"BMP of 4 bits", bmpOf(4, 0, 0x01, 0x01, 0, 0), ""},
		{"BMP, run lengths", bmpOf(8, 1, 4, 0, 0, 1), "BMP (run lengths)"},
		{"TIFF in gray", tiffOf(1, 8), ""},
		{"TIFF of 4 bits", tiffOf(1, 4), ""},
		{"TIFF of 12 bits", tiffOf(1, 12), "TIFF (12 bits a sample)"},
		{"TIFF in CMYK", tiffOf(5, 8), "TIFF (CMYK)"},
	}
	for _, tt := range tests {
		_, _, err := processortest.Run(t, builtin(imaging.Limits{}), tt.data, "")
		if tt.word == "" {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		if m := job.MessageOf(err); job.KindOf(err) != job.Unsupported || !strings.Contains(m, tt.word) || !strings.HasSuffix(m, "; the vips engine reads it") {
			t.Errorf("%s: got %v (%q), want unsupported with %q", tt.name, err, m, tt.word)
		}
	}
}

func TestImageBounds(t *testing.T) {
	t.Parallel()
	data := imagingtest.PNG(t, corners())
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
		_, _, err := processortest.Run(t, builtin(tt.opts), data, tt.params)
		if job.KindOf(err) != tt.kind || job.MessageOf(err) == "" {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.kind)
		}
	}
}

// A body that is closed half-way, or whose context has ended, leaves nothing behind.
func TestImageLeavesNoGoroutine(t *testing.T) {
	before := goleak.IgnoreCurrent()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	process := func() *job.Result {
		r, err := builtin(imaging.Limits{}).Process(ctx, job.Task{
			Image: bytes.NewReader(processortest.ReadFile(t, "../../../imageinfo/testdata/rainier.jpg")), Progress: func(float64, string) {},
		})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := process()
	if _, err := io.ReadFull(r.Body, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if err := r.Body.Close(); err != nil {
		t.Fatal(err)
	}
	r = process()
	cancel()
	if _, err := io.ReadAll(r.Body); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
	if err := r.Body.Close(); err != nil {
		t.Fatal(err)
	}
	goleak.VerifyNone(t, before)
}

func BenchmarkImage(b *testing.B) {
	data := processortest.ReadFile(b, "../../../imageinfo/testdata/rainier.jpg")
	p := builtin(imaging.Limits{})
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := processortest.Run(b, p, data, ""); err != nil {
			b.Fatal(err)
		}
	}
}
