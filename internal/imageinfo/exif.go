package imageinfo

import "encoding/binary"

// exifOrientation returns the orientation in the first directory of an EXIF block (a TIFF
// structure, CIPA DC-008), 1 to 8; zero when there is none.
func exifOrientation(b []byte) int {
	if len(b) < 8 {
		return 0
	}
	var order binary.ByteOrder
	switch string(b[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 0
	}
	dir := int64(order.Uint32(b[4:]))
	if dir+2 > int64(len(b)) {
		return 0
	}
	n := int(order.Uint16(b[dir:]))
	for e := b[dir+2:]; n > 0 && len(e) >= 12; n, e = n-1, e[12:] {
		if order.Uint16(e) != tagOrientation {
			continue
		}
		switch order.Uint16(e[2:]) {
		case tiffShort:
			return validOrientation(uint64(order.Uint16(e[8:])))
		case tiffLong: // by some telephones
			return validOrientation(uint64(order.Uint32(e[8:])))
		}
	}
	return 0
}

func validOrientation(v uint64) int {
	if v < 1 || v > 8 {
		return 0
	}
	return int(v)
}
