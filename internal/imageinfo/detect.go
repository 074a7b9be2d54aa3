package imageinfo

import (
	"bytes"
	"cmp"
	"encoding/binary"
)

// HeadSize is the largest number of bytes that Detect reads.
const HeadSize = 4096

// Media types of the formats whose structure this package parses.
const (
	JPEG = "image/jpeg"
	PNG  = "image/png" // including animated PNG
	GIF  = "image/gif"
	WebP = "image/webp"
	TIFF = "image/tiff" // including BigTIFF
	BMP  = "image/bmp"
	HEIC = "image/heic" // all of HEIF but AVIF, including sequences
	AVIF = "image/avif" // including sequences
	JXL  = "image/jxl"  // including the bare codestream
)

// HEIF is another name of HEIC; see MediaType.
const HEIF = "image/heif"

// Detect returns the media type of the image that begins with head (of which it reads at
// most HeadSize bytes), or "" when head is not the beginning of an image. Only the very
// beginning counts: a GIF with a script in it is a GIF, and a script with a GIF in it is
// not an image.
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

// brand returns the media type that the brands of an ISO base media file state: that of
// the first brand that names a coding, beginning with the major brand, else HEIC when one
// of them means HEIF.
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

// isBMP checks more than the two letters, which any text could begin with: the length of
// the second header must be one that exists.
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
