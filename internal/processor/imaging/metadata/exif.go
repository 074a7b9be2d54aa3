package metadata

import "slices"

// UprightEXIF returns a copy with the orientation set to upright, which the picture is by
// now, and without the thumbnail: it still shows the picture as it was, including parts
// that were cut off.
func UprightEXIF(exif []byte) []byte {
	exif = slices.Clone(exif)
	entries, next := tiffDirectory(exif, 0)
	for _, e := range entries {
		const tagOrientation = 274
		if e.tag != tagOrientation || e.big {
			continue
		}
		switch value := exif[e.at+8 : e.at+12]; e.kind {
		case 4, 9: // a LONG, from some telephones
			e.order.PutUint32(value, 1)
		case 1, 6: // a BYTE
			value[0] = 1
		default:
			e.order.PutUint16(value, 1)
		}
	}
	if next == 0 {
		return exif
	}
	return withoutThumbnail(exif, entries[0], next)
}

// withoutThumbnail blanks the second directory, to which the offset at next points, and
// its picture. It cuts the block off where they are its end.
func withoutThumbnail(exif []byte, like tiffEntry, next int) []byte {
	dir := int(like.order.Uint32(exif[next:]))
	clear(exif[next : next+4])
	const header = 8
	if dir < header || dir >= len(exif) {
		return exif
	}
	entries, _ := tiffDirectory(exif, uint64(dir))
	value := func(e tiffEntry) int {
		if e.kind == 3 {
			return int(like.order.Uint16(exif[e.at+8:]))
		}
		return int(like.order.Uint32(exif[e.at+8:]))
	}
	from, n := 0, 0
	for _, e := range entries {
		switch e.tag {
		case 0x201, 0x111: // JPEGInterchangeFormat, StripOffsets
			from = value(e)
		case 0x202, 0x117: // their lengths
			n = value(e)
		}
	}
	blank := func(from, n int) {
		if from < header || from >= len(exif) || n <= 0 {
			return
		}
		end := min(from+n, len(exif))
		clear(exif[from:end])
		if end == len(exif) {
			exif = exif[:from]
		}
	}
	blank(from, n)
	blank(dir, 2+12*len(entries)+4)
	return exif
}
