package metadata

import "encoding/binary"

// tiffEntry is an entry of a directory of a TIFF structure.
type tiffEntry struct {
	order binary.ByteOrder
	tag   uint16
	kind  uint16
	big   bool // of a BigTIFF
	at    int  // offset of its 12 or 20 bytes
}

// bytes returns the content of an entry of bytes; nil when it reaches beyond the file.
func (e tiffEntry) bytes(data []byte) []byte {
	at, n := uint64(e.order.Uint32(data[e.at+8:])), uint64(e.order.Uint32(data[e.at+4:]))
	if e.big {
		at, n = e.order.Uint64(data[e.at+12:]), e.order.Uint64(data[e.at+4:])
	}
	if at > uint64(len(data)) || n > uint64(len(data))-at {
		return nil
	}
	return data[at : at+n]
}

// tiffEntries returns the entries of the first directory.
func tiffEntries(b []byte) []tiffEntry {
	entries, _ := tiffDirectory(b, 0)
	return entries
}

// tiffDirectory returns the entries of a directory, the first one at zero, and the place
// of the offset of the next one; zero when there is none.
func tiffDirectory(b []byte, dir uint64) (entries []tiffEntry, next int) {
	if len(b) < 16 {
		return nil, 0
	}
	var order binary.ByteOrder = binary.BigEndian
	if b[0] == 'I' {
		order = binary.LittleEndian
	}
	big, count, size := false, 2, 12
	switch order.Uint16(b[2:]) {
	case 42:
		if dir == 0 {
			dir = uint64(order.Uint32(b[4:]))
		}
	case 43:
		big, count, size = true, 8, 20
		if dir == 0 {
			dir = order.Uint64(b[8:])
		}
	default:
		return nil, 0
	}
	if dir > uint64(len(b)) || uint64(count) > uint64(len(b))-dir {
		return nil, 0
	}
	at := int(dir) + count
	n := uint64(order.Uint16(b[dir:]))
	if big {
		n = order.Uint64(b[dir:])
	}
	for ; n > 0; n-- {
		if at+size > len(b) {
			return entries, 0
		}
		entries = append(entries, tiffEntry{order: order, tag: order.Uint16(b[at:]), kind: order.Uint16(b[at+2:]), big: big, at: at})
		at += size
	}
	if big || at+4 > len(b) {
		return entries, 0
	}
	return entries, at
}

// short returns the value of an entry of one SHORT, which is stored in the entry itself.
func (e tiffEntry) short(data []byte) uint16 {
	if e.big {
		return e.order.Uint16(data[e.at+12:])
	}
	return e.order.Uint16(data[e.at+8:])
}

// PlainYCbCr reports whether a TIFF file stores luma and colour differences without JPEG
// compression, which libvips mistakes for red, green and blue.
func PlainYCbCr(tiff []byte) bool {
	const compression, photometric, oldJPEG, jpeg, ycbcr = 259, 262, 6, 7, 6
	colour, how := uint16(0), uint16(1)
	for _, e := range tiffEntries(tiff) {
		switch e.tag {
		case compression:
			how = e.short(tiff)
		case photometric:
			colour = e.short(tiff)
		}
	}
	return colour == ycbcr && how != jpeg && how != oldJPEG
}
