package vips_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging/vips"
	"claimcheck.example/internal/processor/processortest"
)

// colourTIFF is an uncompressed TIFF of 8 x 8 pixels with three samples in one strip.
func colourTIFF(bits, photometric uint16) []byte {
	const entries, strip = 9, 8 + 2 + 9*12 + 4 + 6
	le := binary.LittleEndian
	b := append([]byte("II*\x00"), 8, 0, 0, 0, entries, 0)
	entry := func(tag, kind uint16, count, value uint32) {
		b = le.AppendUint16(le.AppendUint16(b, tag), kind)
		b = le.AppendUint32(le.AppendUint32(b, count), value)
	}
	const short, long = 3, 4
	size := 8 * 8 * 3 * uint32(bits) / 8
	entry(256, short, 1, 8)
	entry(257, short, 1, 8)
	entry(258, short, 3, strip-6)
	entry(259, short, 1, 1)
	entry(262, short, 1, uint32(photometric))
	entry(273, long, 1, strip)
	entry(277, short, 1, 3)
	entry(278, short, 1, 8)
	entry(279, long, 1, size)
	b = append(b, 0, 0, 0, 0)
	for range 3 {
		b = le.AppendUint16(b, bits)
	}
	return append(b, make([]byte, size)...)
}

// TestTIFFsThatLibvipsGetsWrong refuses valid files, by the name of their kind, that
// libvips decodes wrongly.
func TestTIFFsThatLibvipsGetsWrong(t *testing.T) {
	t.Parallel()
	p, _ := libvips(t, vips.Options{})
	const rgb, ycbcr = 2, 6
	tests := []struct {
		name              string
		bits, photometric uint16
		message           string // a part of it; empty: read
	}{
		{"8 bits", 8, rgb, ""},
		{"32 bits", 32, rgb, "this kind of TIFF (whole numbers of 32 bits)"},
		{"4 bits", 4, rgb, "a TIFF of a kind that the vips engine does not know"},
		{"YCbCr", 8, ycbcr, "this kind of TIFF (YCbCr that is not compressed as JPEG)"},
	}
	for _, tt := range tests {
		_, _, err := processortest.Run(t, p, colourTIFF(tt.bits, tt.photometric), `{"ops": []}`)
		if tt.message == "" {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		if job.KindOf(err) != job.Unsupported || !strings.Contains(job.MessageOf(err), tt.message) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.message)
		}
	}
}
