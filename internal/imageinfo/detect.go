package imageinfo

import (
	"bytes"
	"encoding/binary"

	"github.com/gabriel-vasile/mimetype"
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
	HEIC = "image/heic"
	HEIF = "image/heif"
	AVIF = "image/avif"
	JXL  = "image/jxl"
)

// otherTypes are the images that are recognised by name only. Formats that are text
// or programs (SVG, XPM, DXF), or whose signature any text could begin with (the
// netpbm family), are no images for us.
var otherTypes = map[string]bool{
	HEIC: true, HEIF: true, AVIF: true, JXL: true,
	"image/heic-sequence": true, "image/heif-sequence": true,
	"image/jp2": true, "image/jpx": true, "image/jpm": true, "image/jxs": true, "image/jxr": true,
	"image/bpg": true, "image/vnd.adobe.photoshop": true, "image/x-icon": true, "image/x-icns": true,
	"image/vnd.radiance": true, "image/vnd.djvu": true, "image/x-xcf": true,
}

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
	case bytes.HasPrefix(head, []byte("II*\x00")), bytes.HasPrefix(head, []byte("MM\x00*")),
		bytes.HasPrefix(head, []byte("II+\x00")), bytes.HasPrefix(head, []byte("MM\x00+")):
		return TIFF
	case isBMP(head):
		return BMP
	}
	if t := mimetype.Detect(head).String(); otherTypes[t] {
		return t
	}
	return ""
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
