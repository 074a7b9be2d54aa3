//go:build vips && linux

package main

import (
	"bytes"
	"fmt"
	"image/png"
	"io"
	"slices"

	goimage "image"

	"claimcheck.example/internal/processor/imaging/vips"
)

// writable are the formats that this libvips has written in the warm-up; see warmUp.
var writable []string

// writes returns the formats of results.
func writes() []string { return writable }

// warmUp writes a tiny picture in every format, so that the libraries open what they open
// at first use: code generators, codecs, tables. After confinement they could not. A
// format that fails is missing in this libvips.
func warmUp() error {
	var picture bytes.Buffer
	if err := png.Encode(&picture, goimage.NewNRGBA(goimage.Rect(0, 0, 64, 64))); err != nil {
		return err
	}
	for _, format := range []string{"jpeg", "png", "gif", "webp", "tiff", "avif", "jxl"} {
		request := vips.Request{Params: []byte(`{"ops": [{"resize": {"width": 16, "height": 24}}, {"sharpen": {}}, {"rotate": 90}], "format": "` + format + `"}`)}
		request.Limits = request.Limits.WithDefaults()
		t := &task{request: request, image: bytes.NewReader(picture.Bytes()), progress: func(float64, string) {}}
		var file bytes.Buffer
		if err := t.run(func(vips.Outcome) error { return nil }, &file); err != nil {
			if slices.Contains([]string{"jpeg", "png"}, format) {
				return fmt.Errorf("libvips cannot write %s: %w", format, err)
			}
			continue
		}
		writable = append(writable, format)
		// Read it back, for the decoder.
		request.Params = []byte(`{"format": "png"}`)
		t = &task{request: request, image: &file, progress: func(float64, string) {}}
		if err := t.run(func(vips.Outcome) error { return nil }, io.Discard); err != nil {
			return fmt.Errorf("libvips cannot read the %s that it has written: %w", format, err)
		}
	}
	tidy()
	return nil
}
