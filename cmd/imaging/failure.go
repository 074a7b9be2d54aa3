//go:build vips && linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"claimcheck.example/internal/imageinfo"
	"claimcheck.example/internal/job"
)

// damaged is the sentence for a file that its decoder cannot decode.
const damaged = "the image is damaged or cut off"

// ours are parts of libvips' messages about encoders and memory, which do not blame the
// image.
var ours = []string{"save", "VipsTarget", "out of memory", "vips2", "imaging:"}

// unknown are parts of libraries' messages about valid files of a kind that the library
// does not support.
var unknown = []string{"Unsupported", "unsupported", "not supported", "not configured", "not implemented", "Compression scheme", "not a whole number of bytes"}

// failure gives an error of libvips its kind and its sentence. Other errors have theirs
// already.
func (t *task) failure(err error) error {
	if err == nil {
		return nil
	}
	if t.jpeg != nil && t.jpeg.err != nil { // the reason why libjpeg got no more data
		return t.jpeg.err
	}
	if e, ok := errors.AsType[*job.Error](err); ok {
		return e
	}
	first, _, _ := strings.Cut(err.Error(), "\n") // an encoder's message follows its decoder's
	contains := func(parts []string) bool {
		for _, part := range parts {
			if strings.Contains(first, part) {
				return true
			}
		}
		return false
	}
	switch {
	case loaders[t.info.ContentType] == "heif" && bytes.Contains(t.file.data[:min(len(t.file.data), 64<<10)], []byte("tmap")):
		return job.Wrap(job.Unsupported, err, "the image is a HEIC with a gain map, which this worker's libheif does not read; libheif 1.19 does")
	case loaders[t.info.ContentType] == "heif" && strings.Contains(err.Error(), "does not include any supported brands"):
		return job.Wrap(job.Unsupported, err, "the image is a HEIC sequence without a still picture, which the vips engine does not read; save it as PNG or JPEG and submit that")
	case contains(ours):
		return err
	case contains(unknown):
		return job.Wrap(job.Unsupported, err, fmt.Sprintf("the image is %s of a kind that the vips engine does not know; save it as PNG or JPEG and submit that", named(t.info.ContentType)))
	}
	return job.Wrap(job.Invalid, err, damaged)
}

// unreadTIFF refuses a valid TIFF of a kind that libvips decodes wrongly.
func unreadTIFF(kind string) error {
	return job.Errorf(job.Unsupported, "the vips engine does not read this kind of TIFF (%s); save it as PNG or JPEG and submit that", kind)
}

// named returns the usual name of a media type.
func named(contentType string) string {
	names := map[string]string{imageinfo.JPEG: "a JPEG", imageinfo.PNG: "a PNG", imageinfo.GIF: "a GIF", imageinfo.WebP: "a WebP",
		imageinfo.TIFF: "a TIFF", imageinfo.BMP: "a BMP", imageinfo.AVIF: "an AVIF", imageinfo.JXL: "a JPEG XL"}
	if name, ok := names[contentType]; ok {
		return name
	}
	return "a HEIC"
}
