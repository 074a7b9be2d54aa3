// Package imagingtest makes pictures for tests of engines.
package imagingtest

import (
	"bytes"
	"image"
	"image/jpeg"
	"image/png"
	"testing"
)

// PNG is the picture as a PNG file.
func PNG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// JPEG is the picture as a JPEG file of the usual quality.
func JPEG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
