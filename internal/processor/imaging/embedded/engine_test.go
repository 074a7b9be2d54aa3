package embedded_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	_ "image/gif"
	"io"
	"strings"
	"testing"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging"
	"claimcheck.example/internal/processor/imaging/embedded"
	"claimcheck.example/internal/processor/imaging/imagingtest"
	"claimcheck.example/internal/processor/processortest"
	"go.uber.org/goleak"
	_ "golang.org/x/image/tiff"
	_ "golang.org/x/image/webp"
)

// builtin returns the built-in processor with this engine.
func builtin(limits imaging.Limits) *imaging.Processor {
	return imaging.New(embedded.New(limits), imaging.Embedded(), limits)
}

func TestImageRefusesTooManyPixelsBeforeDecoding(t *testing.T) {
	t.Parallel()
	p := builtin(imaging.Limits{MaxPixels: 100})
	_, _, err := processortest.Run(t, p, imagingtest.PNG(t, image.NewPaletted(image.Rect(0, 0, 101, 1), color.Palette{color.Black})), "")
	if job.KindOf(err) != job.TooLarge || job.MessageOf(err) == "" {
		t.Errorf("got %v, want too large", err)
	}
}

func TestImageRefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	whole := imagingtest.JPEG(t, imagingtest.Corners())
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
		{"a damaged png", bytes.Replace(imagingtest.PNG(t, imagingtest.Corners()), []byte("IDAT"), []byte("IDATxx"), 1), job.Invalid},
	}
	for _, tt := range tests {
		_, _, err := processortest.Run(t, builtin(imaging.Limits{}), tt.data, "")
		if job.KindOf(err) != tt.kind || job.MessageOf(err) == "" {
			t.Errorf("%s: got %v (%v), want %v", tt.name, err, job.KindOf(err), tt.kind)
		}
	}
}

// bmpOf returns a BMP of 4 x 1 pixels in two colours, with that many bits a pixel.
func bmpOf(bits, compression byte, pixels ...byte) []byte {
	le32 := binary.LittleEndian.AppendUint32
	b := append([]byte("BM"), make([]byte, 8)...)
	b = le32(b, 14+40+8)
	b = le32(le32(le32(b, 40), 4), 1)
	b = append(b, 1, 0, bits, 0, compression, 0, 0, 0)
	b = append(append(b, make([]byte, 12)...), 2, 0, 0, 0, 0, 0, 0, 0)
	return append(append(b, "\x00\x00\xff\x00\xff\xff\xff\x00"...), pixels...)
}

// tiffOf returns a TIFF of one pixel, with a number for its colours (TIFF 6.0: 1 gray, 5
// CMYK) and that many bits a sample.
func tiffOf(colours, bits uint16) []byte {
	be16, be32 := binary.BigEndian.AppendUint16, binary.BigEndian.AppendUint32
	b := []byte("MM\x00*\x00\x00\x00\x08\x00\x07")
	for _, e := range [][2]uint16{{256, 1}, {257, 1}, {258, bits}, {259, 1}, {262, colours}, {273, 8}, {279, 1}} {
		b = be16(be16(be32(be16(be16(b, e[0]), 3), 1), e[1]), 0)
	}
	return be32(b, 0)
}

// TestImageNamesWhatItDoesNotKnow checks valid files of unsupported kinds, and similar
// ones that are supported.
func TestImageNamesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		data []byte
		word string // empty: it is supported
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
		if m := job.MessageOf(err); job.KindOf(err) != job.Unsupported || !strings.Contains(m, tt.word) || strings.HasSuffix(m, "; the vips engine reads it") != strings.HasPrefix(tt.name, "TIFF") {
			t.Errorf("%s: got %v (%q), want unsupported with %q", tt.name, err, m, tt.word)
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
