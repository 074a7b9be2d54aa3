package imageinfo

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/gabriel-vasile/mimetype"
)

// followed are the formats whose structure this package parses, and their other names in
// software.
var followed = []struct {
	contentType, name string
	extensions        []string // of file names
	aliases           []string
}{
	{JPEG, "JPEG", []string{".jpg", ".jpeg"}, []string{"image/jpg", "image/jpe", "image/jfif", "image/pjpeg", "image/x-jpeg", "image/x-jpg"}},
	{PNG, "PNG", []string{".png"}, []string{"image/x-png", "image/apng", "image/vnd.mozilla.apng"}},
	{GIF, "GIF", []string{".gif"}, []string{"image/x-gif"}},
	{WebP, "WebP", []string{".webp"}, []string{"image/x-webp"}},
	{TIFF, "TIFF", []string{".tif", ".tiff"}, []string{"image/tif", "image/x-tif", "image/x-tiff"}},
	{BMP, "BMP", []string{".bmp"}, []string{"image/x-bmp", "image/x-ms-bmp", "image/ms-bmp", "image/x-windows-bmp"}},
	{HEIC, "HEIC", []string{".heic", ".heif"}, []string{HEIF, "image/heic-sequence", "image/heif-sequence", "image/x-heic", "image/x-heif"}},
	{AVIF, "AVIF", []string{".avif"}, []string{"image/avif-sequence", "image/x-avif"}},
	{JXL, "JPEG XL", []string{".jxl"}, []string{"image/x-jxl"}},
}

// MediaType returns Detect's name for an image format that a client names: without
// parameters, in lower case, "image/jpeg" for "image/jpg". It returns an unknown name
// unchanged.
func MediaType(name string) string {
	bare, _, _ := strings.Cut(name, ";")
	bare = strings.ToLower(strings.TrimSpace(bare))
	for _, f := range followed {
		if bare == f.contentType || slices.Contains(f.aliases, bare) {
			return f.contentType
		}
	}
	return name
}

// kind is a kind of file besides the parsed formats.
type kind struct {
	contentType string
	name        string // with its article
	image       bool   // Detect returns the content type
	why         string // why the file is refused, and what to do; for files that are not images
}

// Reasons for refusals.
const (
	whySVG   = "it is a document with scripts and links, which a decoder would run and fetch; send the picture as PNG"
	whyPDF   = "it is a document with scripts and links, which a decoder would run and fetch; send the page as PNG or JPEG"
	whyPS    = "it is a program, which a decoder would run; send the page as PNG or JPEG"
	whyVideo = "send one of its pictures as JPEG or PNG"
	whyZip   = "send the image that is in it"
	whyText  = "send the bytes of an image file"
)

// kinds are detected in order to refuse them by their right names. A processor of the
// operator may accept those that are images.
var kinds = []kind{
	{"image/x-icon", "an ICO icon", true, ""},
	{"image/x-cursor", "a CUR cursor", true, ""},
	{"image/x-icns", "an ICNS icon", true, ""},
	{"image/vnd.adobe.photoshop", "a PSD (Photoshop) document", true, ""},
	{"image/jp2", "a JPEG 2000 image", true, ""},
	{"image/jpx", "a JPEG 2000 image", true, ""},
	{"image/jpm", "a JPEG 2000 image", true, ""},
	{"image/j2c", "a JPEG 2000 codestream", true, ""},
	{"image/jxs", "a JPEG XS image", true, ""},
	{"image/jxr", "a JPEG XR image", true, ""},
	{"image/bpg", "a BPG image", true, ""},
	{"image/qoi", "a QOI image", true, ""},
	{"image/x-exr", "an OpenEXR image", true, ""},
	{"image/vnd.radiance", "a Radiance HDR image", true, ""},
	{"image/vnd.djvu", "a DjVu document", true, ""},
	{"image/x-xcf", "an XCF (GIMP) document", true, ""},
	{"image/x-canon-cr2", "a CR2 camera raw file", true, ""},
	{"image/x-canon-cr3", "a CR3 camera raw file", true, ""},
	{"image/x-canon-crw", "a CRW camera raw file", true, ""},
	{"image/x-adobe-dng", "a DNG camera raw file", true, ""},
	{"image/x-dcraw", "a camera raw file (such as NEF or ARW)", true, ""},
	{"image/x-fuji-raf", "an RAF camera raw file", true, ""},
	{"image/x-olympus-orf", "an ORF camera raw file", true, ""},
	{"image/x-panasonic-rw2", "an RW2 camera raw file", true, ""},

	{"image/svg+xml", "an SVG drawing", false, whySVG},
	{"application/pdf", "a PDF", false, whyPDF},
	{"application/postscript", "a PostScript or EPS file", false, whyPS},
	{"image/x-tga", "a TGA image", false, "the format has no signature to know it by; send it as PNG"},
	{"image/x-portable-anymap", "a Netpbm image", false, "any text could begin like it; send it as PNG"},
	{"video/mp4", "an MP4 video", false, whyVideo},
	{"video/quicktime", "a QuickTime video", false, whyVideo},
	{"video/webm", "a WebM video", false, whyVideo},
	{"video/matroska", "a Matroska video", false, whyVideo},
	{"video/x-msvideo", "an AVI video", false, whyVideo},
	{"application/zip", "a ZIP archive", false, whyZip},
	{"application/gzip", "a gzip archive", false, whyZip},
	{"text/html", "an HTML page", false, whyText},
}

// signatures are those of kinds that package mimetype does not know, or confuses.
var signatures = []struct{ front, contentType string }{
	{"\x00\x00\x02\x00", "image/x-cursor"},
	{"\xff\x4f\xff\x51", "image/j2c"},
	{"qoif", "image/qoi"},
	{"\x76\x2f\x31\x01", "image/x-exr"},
	{"\xc5\xd0\xd3\xc6", "application/postscript"}, // EPS with a preview
	{"%!PS", "application/postscript"},
	{"II\x1a\x00\x00\x00HEAPCCDR", "image/x-canon-crw"},
	{"FUJIFILMCCD-RAW", "image/x-fuji-raf"},
	{"IIRO", "image/x-olympus-orf"}, {"IIRS", "image/x-olympus-orf"}, {"MMOR", "image/x-olympus-orf"},
	{"IIU\x00", "image/x-panasonic-rw2"},
}

// recognise returns the kind of a file that begins with head and is not of a parsed
// format; nil when it is unknown.
func recognise(head []byte) *kind {
	if isTGA(head) { // which may begin like a cursor
		return kindOf("image/x-tga")
	}
	if isNetpbm(head) {
		return kindOf("image/x-portable-anymap")
	}
	for _, s := range signatures {
		if bytes.HasPrefix(head, []byte(s.front)) {
			return kindOf(s.contentType)
		}
	}
	if len(head) >= 12 && string(head[4:12]) == "ftypcrx " {
		return kindOf("image/x-canon-cr3")
	}
	for m := mimetype.Detect(head); m != nil; m = m.Parent() {
		bare, _, _ := strings.Cut(m.String(), ";")
		if k := kindOf(bare); k != nil {
			return k
		}
	}
	return nil
}

func kindOf(contentType string) *kind {
	if i := slices.IndexFunc(kinds, func(k kind) bool { return k.contentType == contentType }); i >= 0 {
		return &kinds[i]
	}
	return nil
}

// Taken lists the formats of a service that accepts only certain types of images: by
// name, as in "JPEG, PNG or GIF", and as the value of an HTML input's accept attribute,
// with file extensions for systems that do not know the types.
func Taken(accepts func(contentType string) bool) (names, attribute string) {
	var all, types []string
	for _, f := range followed {
		if accepts(f.contentType) {
			all = append(all, f.name)
			types = append(append(types, f.contentType), f.extensions...)
		}
	}
	attribute = strings.Join(types, ",")
	switch n := len(all); n {
	case 0:
		return "", ""
	case 1:
		return all[0], attribute
	default:
		return strings.Join(all[:n-1], ", ") + " or " + all[n-1], attribute
	}
}

// Refusal says why a service that accepts only certain types of images refuses the file
// that begins with head.
func Refusal(head []byte, accepts func(contentType string) bool) string {
	head = head[:min(len(head), HeadSize)]
	contentType, article := Detect(head), ""
	for _, f := range followed {
		if f.contentType == contentType {
			article = "a " + f.name + " image"
			if strings.HasPrefix(f.name, "AV") {
				article = "an " + f.name + " image"
			}
		}
	}
	send := "send an image of another format"
	if taken, _ := Taken(accepts); taken != "" {
		send = "send a " + taken + " file"
	}
	if article != "" {
		return fmt.Sprintf("the file is %s, which this service does not process; %s", article, send)
	}
	k := recognise(head)
	switch {
	case contentType != "":
		k = kindOf(contentType) // a camera raw file is recognised by its TIFF structure
		return fmt.Sprintf("the file is %s, which this service does not process; %s", k.name, send)
	case k != nil && strings.HasPrefix(k.contentType, "image/") && k.contentType != "image/svg+xml":
		return fmt.Sprintf("the file is %s, which this service does not process: %s", k.name, k.why)
	case k != nil:
		return fmt.Sprintf("the file is %s, not an image: %s", k.name, k.why)
	}
	if of := encoded(head); of != "" {
		return "the file is " + of + " in base64; send the bytes as they are"
	}
	return "the file is not an image by its content; " + send
}

// encoded names the image whose base64, alone or in a data URL, a file begins with.
func encoded(head []byte) string {
	if bytes.HasPrefix(head, []byte("data:image/")) {
		_, head, _ = bytes.Cut(head[:min(len(head), 100)], []byte(","))
	}
	head = head[:min(len(head), 64)]
	raw := make([]byte, 48)
	n, _ := base64.StdEncoding.Decode(raw, head[:len(head)/4*4])
	t := Detect(raw[:n])
	for _, f := range followed {
		if f.contentType == t {
			return "an image (" + f.name + ")"
		}
	}
	return ""
}

// isTGA checks every field of a Targa header, since the format has no signature at its
// beginning.
func isTGA(head []byte) bool {
	if len(head) < 18 {
		return false
	}
	colours, width, height := head[1], binary.LittleEndian.Uint16(head[12:]), binary.LittleEndian.Uint16(head[14:])
	switch head[2] { // colour map, true colour, gray; 9 to 11: the same compressed
	case 1, 9:
		if colours != 1 {
			return false
		}
	case 2, 3, 10, 11:
		if colours != 0 || !bytes.Equal(head[3:8], make([]byte, 5)) {
			return false
		}
	default:
		return false
	}
	return width > 0 && height > 0 && slices.Contains([]byte{8, 15, 16, 24, 32}, head[16]) && head[17]&0xc0 == 0
}

// isNetpbm reports whether head begins with one of P1 to P7 and then a number or a
// comment.
func isNetpbm(head []byte) bool {
	return len(head) >= 4 && head[0] == 'P' && '1' <= head[1] && head[1] <= '7' &&
		bytes.IndexByte([]byte(" \t\r\n"), head[2]) >= 0 && (head[3] == '#' || head[3] == 'W' || '0' <= head[3] && head[3] <= '9')
}

// Tags of TIFF directories that identify camera raw files.
const (
	tagSubfileType = 254
	tagSubIFDs     = 330
	tagDNGVersion  = 50706
)

// rawPhotograph returns the media type of the camera raw file that a TIFF's head begins,
// or "". The main directory of such files holds a thumbnail.
func rawPhotograph(head []byte) string {
	if len(head) >= 10 && string(head[8:10]) == "CR" {
		return "image/x-canon-cr2"
	}
	order := binary.ByteOrder(binary.BigEndian)
	if len(head) < 8 {
		return ""
	} else if head[0] == 'I' {
		order = binary.LittleEndian
	}
	at := int64(order.Uint32(head[4:]))
	if at > int64(len(head))-2 {
		return ""
	}
	var reduced, others bool
	n := int(order.Uint16(head[at:]))
	for e := head[at+2:]; n > 0 && len(e) >= 12; n, e = n-1, e[12:] {
		switch order.Uint16(e) {
		case tagDNGVersion:
			return "image/x-adobe-dng"
		case tagSubfileType:
			reduced = order.Uint32(e[8:])&1 != 0
		case tagSubIFDs:
			others = true
		}
	}
	if reduced && others {
		return "image/x-dcraw"
	}
	return ""
}
