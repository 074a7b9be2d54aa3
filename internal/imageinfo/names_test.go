package imageinfo_test

import (
	"strings"
	"testing"

	"claimcheck.example/internal/imageinfo"
)

func TestMediaTypeOfOtherNames(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, want string }{
		{"image/jpeg", imageinfo.JPEG}, {"image/jpg", imageinfo.JPEG}, {"IMAGE/JPEG", imageinfo.JPEG}, {"image/jpeg; q=1", imageinfo.JPEG},
		{" image/jpeg ;charset=binary; q", imageinfo.JPEG}, {"image/pjpeg", imageinfo.JPEG}, {"image/x-png", imageinfo.PNG},
		{"image/apng", imageinfo.PNG}, {"image/tif", imageinfo.TIFF}, {"image/x-ms-bmp", imageinfo.BMP}, {"Image/X-Windows-BMP", imageinfo.BMP},
		{"image/heif", imageinfo.HEIC}, {"image/heic", imageinfo.HEIC}, {"image/heic-sequence", imageinfo.HEIC}, {"image/heif-sequence", imageinfo.HEIC},
		{"image/avif", imageinfo.AVIF}, {"image/avif-sequence", imageinfo.AVIF}, {"image/jxl", imageinfo.JXL}, {"image/webp", imageinfo.WebP},
		{"", ""}, {"text/plain; x", "text/plain; x"}, {"image/svg+xml", "image/svg+xml"}, {"image/jpeg2", "image/jpeg2"},
	}
	for _, tt := range tests {
		if got := imageinfo.MediaType(tt.name); got != tt.want {
			t.Errorf("MediaType(%q) = %q, want %q", tt.name, got, tt.want)
		}
	}
}

// tga is the header of a Targa file.
func tga(kind, colours, depth int) []byte {
	return join(0, colours, kind, make([]byte, 9), le16(40), le16(30), depth, 0x20, make([]byte, 100))
}

// tiffOf is a TIFF whose directory has two entries beside its size.
func tiffOf(tag1, value1, tag2, value2 int) []byte {
	return join(tiffHeader(8), le16(4), le16(tag1), le16(4), le32(1), le32(value1), le16(256), le16(4), le32(1), le32(40),
		le16(257), le16(4), le32(1), le32(30), le16(tag2), le16(4), le32(1), le32(value2), le32(0))
}

func TestRefusalsNameTheFile(t *testing.T) {
	t.Parallel()
	six := func(contentType string) bool {
		switch contentType {
		case imageinfo.JPEG, imageinfo.PNG, imageinfo.GIF, imageinfo.WebP, imageinfo.TIFF, imageinfo.BMP:
			return true
		}
		return false
	}
	const send = "send a JPEG, PNG, GIF, WebP, TIFF or BMP file"
	tests := []struct {
		name  string
		head  []byte
		image string // Detect's result
		want  string // the beginning of the refusal
	}{
		{"heic", join(heic, meta()), "image/heic", "the file is a HEIC image, which this service does not process; " + send},
		{"avif", ftyp("avif", "mif1"), "image/avif", "the file is an AVIF image, which this service does not process"},
		{"avif behind mif1", ftyp("mif1", "mif1", "avif"), "image/avif", "the file is an AVIF image"},
		{"jxl", codestream([2]int{16, 0}), "image/jxl", "the file is a JPEG XL image"},
		{"ico", join("\x00\x00\x01\x00\x01\x00", make([]byte, 40)), "image/x-icon", "the file is an ICO icon, which this service does not process; " + send},
		{"cur", join("\x00\x00\x02\x00\x01\x00", make([]byte, 40)), "image/x-cursor", "the file is a CUR cursor"},
		{"psd", []byte("8BPS\x00\x01"), "image/vnd.adobe.photoshop", "the file is a PSD"},
		{"jp2", []byte("\x00\x00\x00\x0cjP  \r\n\x87\n\x00\x00\x00\x14ftypjp2 \x00\x00\x00\x00jp2 "), "image/jp2", "the file is a JPEG 2000 image"},
		{"j2k", []byte("\xff\x4f\xff\x51\x00\x29"), "image/j2c", "the file is a JPEG 2000 codestream"},
		{"djvu", []byte("AT&TFORM\x00\x00\x00\x10DJVUINFO"), "image/vnd.djvu", "the file is a DjVu document"},
		{"exr", []byte("\x76\x2f\x31\x01\x02\x00\x00\x00"), "image/x-exr", "the file is an OpenEXR image"},
		{"qoi", []byte("qoif\x00\x00\x00\x28\x00\x00\x00\x1e\x04\x00"), "image/qoi", "the file is a QOI image"},
		{"cr2", join("II*\x00", le32(16), "CR\x02\x00", le32(0), make([]byte, 20)), "image/x-canon-cr2", "the file is a CR2 camera raw file"},
		{"cr3", ftyp("crx ", "crx ", "isom"), "image/x-canon-cr3", "the file is a CR3 camera raw file"},
		{"dng", tiffOf(254, 1, 50706, 0x0401), "image/x-adobe-dng", "the file is a DNG camera raw file"},
		{"nef", tiffOf(254, 1, 330, 1000), "image/x-dcraw", "the file is a camera raw file"},
		{"a TIFF of several sizes", tiffOf(254, 0, 330, 1000), "image/tiff", ""},
		{"raf", []byte("FUJIFILMCCD-RAW 0201"), "image/x-fuji-raf", "the file is an RAF camera raw file"},

		{"svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), "", "the file is an SVG drawing, not an image: it is a document with scripts and links, which a decoder would run and fetch"},
		{"svg behind a prologue", []byte("<?xml version=\"1.0\"?>\n<!-- x -->\n<svg xmlns=\"http://www.w3.org/2000/svg\"/>"), "", "the file is an SVG drawing"},
		{"pdf", []byte("%PDF-1.7\n"), "", "the file is a PDF, not an image: it is a document with scripts and links"},
		{"eps", []byte("%!PS-Adobe-3.0 EPSF-3.0\n"), "", "the file is a PostScript or EPS file, not an image: it is a program"},
		{"eps with a preview", []byte("\xc5\xd0\xd3\xc6\x1e\x00\x00\x00"), "", "the file is a PostScript or EPS file"},
		{"tga", tga(2, 0, 24), "", "the file is a TGA image, which this service does not process: the format has no signature"},
		{"tga, compressed, with colours", tga(9, 1, 8), "", "the file is a TGA image"},
		{"zeros", make([]byte, 100), "", "the file is not an image"},
		{"ppm", []byte("P6\n100 100\n255\n\x00\x00"), "", "the file is a Netpbm image"},
		{"mp4", ftyp("isom", "isom", "mp41"), "", "the file is an MP4 video, not an image"},
		{"mov", ftyp("qt  ", "qt  "), "", "the file is a QuickTime video, not an image"},
		{"zip", []byte("PK\x03\x04\x14\x00\x00\x00\x08\x00"), "", "the file is a ZIP archive, not an image"},
		{"html", []byte("<!doctype html><p>hello"), "", "the file is an HTML page, not an image"},
		{"text", []byte("hello"), "", "the file is not an image by its content; " + send},
		{"base64", []byte("iVBORw0KGgoAAAANSUhEUgAAAGAAAABACAIAAAB"), "", "the file is an image (PNG) in base64; send the bytes as they are"},
		{"a data URL", []byte("data:image/jpeg;base64,/9j/4AAQSkZJRgABAQAAAQABAAD"), "", "the file is an image (JPEG) in base64"},
		{"a data URL of text", []byte("data:image/png,hello"), "", "the file is not an image"},
		{"nothing", nil, "", "the file is not an image by its content; " + send},
	}
	for _, tt := range tests {
		if got := imageinfo.Detect(tt.head); got != tt.image {
			t.Errorf("%s: Detect: got %q, want %q", tt.name, got, tt.image)
		}
		if got := imageinfo.Refusal(tt.head, six); tt.want != "" && !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: got %q, want it to begin with %q", tt.name, got, tt.want)
		}
	}
	if names, attribute := imageinfo.Taken(six); names != "JPEG, PNG, GIF, WebP, TIFF or BMP" ||
		attribute != "image/jpeg,.jpg,.jpeg,image/png,.png,image/gif,.gif,image/webp,.webp,image/tiff,.tif,.tiff,image/bmp,.bmp" {
		t.Errorf("taken are %q, for a browser %q", names, attribute)
	}
	jpeg := func(contentType string) bool { return contentType == imageinfo.JPEG }
	if got, want := imageinfo.Refusal([]byte("x"), jpeg), "the file is not an image by its content; send a JPEG file"; got != want {
		t.Errorf("one format: got %q, want %q", got, want)
	}
	none := func(string) bool { return false }
	if got := imageinfo.Refusal([]byte("x"), none); !strings.HasSuffix(got, "send an image of another format") {
		t.Errorf("no format: got %q", got)
	}
}
