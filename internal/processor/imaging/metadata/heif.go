package metadata

import (
	"encoding/binary"
	"slices"
)

// boxes walks over the boxes of an ISO base media file (ISO/IEC 14496-12), without entering
// them. A body shares its bytes with the file.
func boxes(b []byte) func(yield func(kind string, body []byte) bool) {
	return func(yield func(string, []byte) bool) {
		for len(b) >= 8 {
			size, head := uint64(binary.BigEndian.Uint32(b)), uint64(8)
			switch {
			case size == 0: // to the end
				size = uint64(len(b))
			case size == 1 && len(b) >= 16:
				size, head = binary.BigEndian.Uint64(b[8:]), 16
			}
			if size < head || size > uint64(len(b)) || !yield(string(b[4:8]), b[head:size]) {
				return
			}
			b = b[size:]
		}
	}
}

// child returns the content of the first box of a kind, nil without one. Skip is the
// length of the fields before it: 4 in a box with a version and flags.
func child(b []byte, kind string, skip int) []byte {
	for k, body := range boxes(b) {
		if k == kind && len(body) >= skip {
			return body[skip:]
		}
	}
	return nil
}

// HEIFWithoutReferences removes from a HEIF file, in place, the references that libheif
// before 1.19 refuses and that no picture needs: from EXIF and XMP to pictures, and from
// one auxiliary picture to several. Photographs with a gain map for high dynamic range
// have both.
func HEIFWithoutReferences(file []byte) {
	iref := child(child(file, "meta", 4), "iref", 0)
	if len(iref) < 4 {
		return
	}
	id := 2 // bytes of an item's number
	if iref[0] > 0 {
		id = 4
	}
	for b := iref[4:]; len(b) >= 8; {
		n := int64(binary.BigEndian.Uint32(b))
		if n < 8 || n > int64(len(b)) {
			return
		}
		body := b[8:n]
		several := len(body) >= id+2 && binary.BigEndian.Uint16(body[id:]) > 1
		if kind := string(b[4:8]); kind == "cdsc" || kind == "auxl" && several {
			copy(b[4:], "free")
		}
		b = b[n:]
	}
}

// heifMetadata finds the colours of the primary picture: its profile, or one made from
// the code points that the file has instead.
func heifMetadata(file []byte) (m Metadata) {
	icc, nclx := heifColour(file)
	if icc != nil || nclx == nil {
		return Metadata{ICC: icc}
	}
	p, known := primaries[nclx[0]]
	curve, ok := transfers[nclx[1]]
	const bt709 = 1
	if !known || !ok || nclx[0] == bt709 && nclx[1] != 8 && nclx[1] != 4 && nclx[1] != 5 {
		return Metadata{} // sRGB, or shown as sRGB by every viewer
	}
	return Metadata{ICC: makeProfile(false, p, curve)}
}

// hdrHEIF reports whether the code points of the primary picture mean PQ or HLG, also
// when there is a profile.
func hdrHEIF(file []byte) bool {
	_, nclx := heifColour(file)
	return nclx != nil && (nclx[1] == 16 || nclx[1] == 18)
}

// heifColour returns the colour information of the primary picture of a HEIF file, or of
// its first tile: a profile, and the code points of H.273 for primaries and transfer.
func heifColour(file []byte) (icc, nclx []byte) {
	meta := child(file, "meta", 4)
	pitm := child(meta, "pitm", 0)
	var primary uint32
	switch {
	case len(pitm) >= 8 && pitm[0] > 0:
		primary = binary.BigEndian.Uint32(pitm[4:])
	case len(pitm) >= 6:
		primary = uint32(binary.BigEndian.Uint16(pitm[4:]))
	}
	iprp := child(meta, "iprp", 0)
	var properties [][]byte // each with its kind in front
	for kind, body := range boxes(child(iprp, "ipco", 0)) {
		if properties = append(properties, nil); kind == "colr" && len(body) >= 4 {
			properties[len(properties)-1] = body
		}
	}
	for _, item := range []uint32{primary, firstTile(meta, primary)} {
		for kind, body := range boxes(iprp) {
			if kind != "ipma" {
				continue
			}
			for _, index := range associated(body, item) {
				if index < 1 || index > len(properties) || properties[index-1] == nil {
					continue
				}
				switch body := properties[index-1]; string(body[:4]) {
				case "prof", "rICC":
					if icc == nil && len(body)-4 <= maxProfile {
						icc = body[4:]
					}
				case "nclx":
					if nclx == nil && len(body) >= 8 {
						nclx = []byte{codePoint(body[4:]), codePoint(body[6:])}
					}
				}
			}
		}
		if icc != nil || nclx != nil {
			break
		}
	}
	return icc, nclx
}

// codePoint reads a code point of 16 bits; values beyond 8 bits are reserved.
func codePoint(b []byte) byte { return byte(min(binary.BigEndian.Uint16(b), 0xff)) }

// firstTile returns the first item that a picture is derived from, or the picture itself.
func firstTile(meta []byte, picture uint32) uint32 {
	iref := child(meta, "iref", 0)
	if len(iref) < 4 {
		return picture
	}
	for kind, body := range boxes(iref[4:]) {
		if kind != "dimg" {
			continue
		}
		if iref[0] > 0 {
			if len(body) >= 10 && binary.BigEndian.Uint32(body) == picture {
				return binary.BigEndian.Uint32(body[6:])
			}
		} else if len(body) >= 6 && uint32(binary.BigEndian.Uint16(body)) == picture {
			return uint32(binary.BigEndian.Uint16(body[4:]))
		}
	}
	return picture
}

// associated lists the properties of an item by an ipma box, counted from 1.
func associated(ipma []byte, item uint32) (indices []int) {
	if len(ipma) < 8 {
		return nil
	}
	id, long := 2, ipma[3]&1 != 0
	if ipma[0] > 0 {
		id = 4
	}
	for b := ipma[8:]; len(b) > id; {
		number := uint32(binary.BigEndian.Uint16(b))
		if id == 4 {
			number = binary.BigEndian.Uint32(b)
		}
		n := int(b[id])
		b = b[id+1:]
		size := n
		if long {
			size = 2 * n
		}
		if size > len(b) {
			return nil
		}
		if number == item {
			if !long {
				for _, c := range b[:size] {
					indices = append(indices, int(c&0x7f))
				}
				return indices
			}
			for c := range slices.Chunk(b[:size], 2) {
				indices = append(indices, int(binary.BigEndian.Uint16(c)&0x7fff))
			}
			return indices
		}
		b = b[size:]
	}
	return nil
}
