// Package imagingtest makes pictures for tests of engines.
package imagingtest

import (
	"bytes"
	"image"
	"image/jpeg"
	"image/png"
	"testing"
)

// PNG encodes the picture as PNG.
func PNG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// JPEG encodes the picture as JPEG of the usual quality.
func JPEG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
