package imageinfo

import (
	"bytes"
	"cmp"
	"encoding/binary"
)

// HeadSize is how many bytes Detect looks at, at most.
const HeadSize = 4096

// Media types of the formats whose structure this package follows.
const (
	JPEG = "image/jpeg"
	PNG  = "image/png" // animated PNG too
	GIF  = "image/gif"
	WebP = "image/webp"
	TIFF = "image/tiff" // BigTIFF too
	BMP  = "image/bmp"
	HEIC = "image/heic" // all of HEIF but AVIF, sequences too
	AVIF = "image/avif" // sequences too
	JXL  = "image/jxl"  // the bare codestream too
)

// HEIF is another name of HEIC; see MediaType.
const HEIF = "image/heif"

// Detect returns the media type of the image that begins with head (of which it reads
// at most HeadSize bytes), or "" when it begins no image. What counts is the very
// front: a GIF with a script in it is a GIF, and a script with a GIF in it is none.
func Detect(head []byte) string {
	head = head[:min(len(head), HeadSize)]
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xd8\xff")):
		return JPEG
	case bytes.HasPrefix(head, []byte("\x89PNG\r\n\x1a\n")):
		return PNG
	case bytes.HasPrefix(head, []byte("GIF87a")), bytes.HasPrefix(head, []byte("GIF89a")):
		return GIF
	case len(head) >= 12 && string(head[:4]) == "RIFF" && string(head[8:12]) == "WEBP":
		return WebP
	case bytes.HasPrefix(head, []byte("II*\x00")), bytes.HasPrefix(head, []byte("MM\x00*")):
		return cmp.Or(rawPhotograph(head), TIFF)
	case bytes.HasPrefix(head, []byte("II+\x00")), bytes.HasPrefix(head, []byte("MM\x00+")):
		return TIFF
	case isBMP(head):
		return BMP
	case bytes.HasPrefix(head, []byte("\xff\x0a")), bytes.HasPrefix(head, []byte("\x00\x00\x00\x0cJXL \r\n\x87\n")):
		return JXL
	case len(head) >= 16 && string(head[4:8]) == "ftyp":
		if t := brand(head); t != "" {
			return t
		}
	}
	if k := recognise(head); k != nil && k.image {
		return k.contentType
	}
	return ""
}

// brand returns the media type of the image that an ISO base media file says it is: by
// the first of its brands that names a coding, the major brand being the first of all,
// else HEIC when one of them says that it is HEIF.
func brand(head []byte) string {
	end := int(min(binary.BigEndian.Uint32(head), uint32(len(head))))
	heif := ""
	for at := 8; at+4 <= end; at += 4 {
		if at == 12 { // the minor version
			continue
		}
		switch string(head[at : at+4]) {
		case "avif", "avis":
			return AVIF
		case "heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs":
			return HEIC
		case "mif1", "mif2", "msf1", "miaf":
			heif = HEIC
		}
	}
	return heif
}

// isBMP wants more than the two letters that any text could begin with: the length of
// the second header must be one that was ever defined.
func isBMP(head []byte) bool {
	if len(head) < 18 || string(head[:2]) != "BM" {
		return false
	}
	switch binary.LittleEndian.Uint32(head[14:]) {
	case 12, 16, 40, 52, 56, 64, 108, 124:
		return true
	}
	return false
}
