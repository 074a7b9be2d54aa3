package embedded

import "image"

// chroma returns the two chroma samples of a pixel. Where two pixels across or down share
// a sample, it interpolates, as libjpeg and libwebp do.
func chroma(m *image.YCbCr, x, y int) (cb, cr float32) {
	across, down := subsampling(m.SubsampleRatio)
	a := m.COffset(x, y)
	if across == 1 && down == 1 || across == 4 {
		return float32(m.Cb[a]), float32(m.Cr[a])
	}
	// An odd pixel is nearer to the next sample than an even one.
	x2, y2 := x, y
	if across == 2 {
		x2 = min(max(x+2*(x&1)-1, m.Rect.Min.X), m.Rect.Max.X-1)
	}
	if down == 2 {
		y2 = min(max(y+2*(y&1)-1, m.Rect.Min.Y), m.Rect.Max.Y-1)
	}
	b, c, d := m.COffset(x2, y), m.COffset(x, y2), m.COffset(x2, y2)
	mixed := func(s []uint8) float32 {
		return float32(9*int(s[a])+3*int(s[b])+3*int(s[c])+int(s[d])) / 16
	}
	return mixed(m.Cb), mixed(m.Cr)
}
