package preview

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"io"

	"golang.org/x/image/draw"
)

// writeThumbnail draws img in truecolour, two pixels a character by the upper half block,
// at most columns wide and 40 lines high, in one write.
func writeThumbnail(w io.Writer, img image.Image, columns int) {
	b := img.Bounds()
	width, height := fit(b.Dx(), b.Dy(), min(max(columns, 8), 80), 80)
	small := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.Draw(small, small.Bounds(), image.NewUniform(color.Black), image.Point{}, draw.Src)
	draw.ApproxBiLinear.Scale(small, small.Bounds(), img, b, draw.Over, nil)
	var out bytes.Buffer
	for y := 0; y < height; y += 2 {
		for x := range width {
			top, bottom := small.RGBAAt(x, y), small.RGBAAt(x, min(y+1, height-1))
			fmt.Fprintf(&out, "\x1b[38;2;%d;%d;%dm\x1b[48;2;%d;%d;%dm▀", top.R, top.G, top.B, bottom.R, bottom.G, bottom.B)
		}
		out.WriteString("\x1b[0m\n")
	}
	w.Write(out.Bytes())
}

// fit scales w×h into a box, never enlarging it and never below one pixel.
func fit(w, h, maxW, maxH int) (int, int) {
	if w > maxW {
		w, h = maxW, h*maxW/w
	}
	if h > maxH {
		w, h = w*maxH/h, maxH
	}
	return max(w, 1), max(h, 1)
}
