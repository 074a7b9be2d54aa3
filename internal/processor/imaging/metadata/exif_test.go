package metadata_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"claimcheck.example/internal/processor/imaging/metadata"
)

// exif returns a block with two directories in a byte order: one with an orientation of
// that type, one with a thumbnail.
func exif(order binary.AppendByteOrder, kind uint16, value []byte) []byte {
	b := []byte("MM\x00*")
	if order == binary.AppendByteOrder(binary.LittleEndian) {
		b = []byte("II*\x00")
	}
	entry := func(tag, kind uint16, value []byte) {
		b = order.AppendUint16(order.AppendUint16(b, tag), kind)
		b = append(order.AppendUint32(b, 1), value...)
	}
	b = order.AppendUint32(b, 8)
	b = order.AppendUint16(b, 1)
	entry(274, kind, value)
	b = order.AppendUint32(b, 26) // the second directory
	b = order.AppendUint16(b, 2)
	entry(0x201, 4, order.AppendUint32(nil, 56))
	entry(0x202, 4, order.AppendUint32(nil, 9))
	b = order.AppendUint32(b, 0)
	return append(b, "thumbnail"...)
}

func TestUprightEXIF(t *testing.T) {
	t.Parallel()
	be, le := binary.AppendByteOrder(binary.BigEndian), binary.AppendByteOrder(binary.LittleEndian)
	tests := map[string]struct {
		order     binary.AppendByteOrder
		kind      uint16
		six, want []byte
	}{
		"SHORT, big endian":    {be, 3, []byte{0, 6, 0, 0}, []byte{0, 1, 0, 0}},
		"SHORT, little endian": {le, 3, []byte{6, 0, 0, 0}, []byte{1, 0, 0, 0}},
		"LONG, big endian":     {be, 4, []byte{0, 0, 0, 6}, []byte{0, 0, 0, 1}},
		"LONG, little endian":  {le, 4, []byte{6, 0, 0, 0}, []byte{1, 0, 0, 0}},
		"BYTE":                 {be, 1, []byte{6, 0, 0, 0}, []byte{1, 0, 0, 0}},
	}
	for name, tt := range tests {
		given := exif(tt.order, tt.kind, tt.six)
		before := slices.Clone(given)
		got := metadata.UprightEXIF(given)
		if !bytes.Equal(given, before) {
			t.Errorf("%s: the block that was given has changed", name)
		}
		if !bytes.Equal(got[18:22], tt.want) {
			t.Errorf("%s: orientation %v, want %v", name, got[18:22], tt.want)
		}
		if bytes.Contains(got, []byte("thumb")) || !bytes.Equal(got[22:26], make([]byte, 4)) || len(got) != 26 {
			t.Errorf("%s: the thumbnail is still there: %q", name, got[22:])
		}
	}
}

// FuzzUprightEXIF checks that nothing panics and nothing grows.
func FuzzUprightEXIF(f *testing.F) {
	f.Add(exif(binary.BigEndian, 4, []byte{0, 0, 0, 6}))
	f.Add(exif(binary.LittleEndian, 3, []byte{6, 0, 0, 0}))
	f.Fuzz(func(t *testing.T, data []byte) {
		if got := metadata.UprightEXIF(data); len(got) > len(data) {
			t.Errorf("%d bytes become %d", len(data), len(got))
		}
	})
}
