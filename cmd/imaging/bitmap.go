//go:build vips && linux

package main

import (
	"context"
	"image/draw"

	goimage "image"

	"claimcheck.example/internal/processor/imaging/embedded"
)

// bitmap decodes a BMP file.
func (t *task) bitmap(data []byte) (image, error) {
	decoded, err := embedded.DecodeBMP(context.Background(), data, t.info)
	if err != nil {
		return image{}, err
	}
	b := decoded.Bounds()
	m, err := newMapping(4 * b.Dx() * b.Dy())
	if err != nil {
		return image{}, err
	}
	t.file.unmap()
	t.file = m
	pixels := &goimage.NRGBA{Pix: m.data, Stride: 4 * b.Dx(), Rect: goimage.Rect(0, 0, b.Dx(), b.Dy())}
	draw.Draw(pixels, pixels.Rect, decoded, b.Min, draw.Src)
	return t.pixels(m.data, b.Dx(), b.Dy(), 4, false)
}
