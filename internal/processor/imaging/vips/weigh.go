package vips

import (
	"claimcheck.example/internal/imageinfo"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging"
)

var _ imaging.Weigher = (*Engine)(nil)

// reading is the memory that decoding needs for a pixel of the image, and writing the
// memory that encoding needs for one of the result, both in units of eight bytes, as
// measured with libvips 8.14. A decoder that streams rows holds little; progressive JPEG
// and interlaced PNG hold everything, and a header does not tell which it is.
var (
	reading = map[string]float64{imageinfo.JPEG: 0.5, imageinfo.PNG: 0.6, imageinfo.TIFF: 0.5, imageinfo.WebP: 1, imageinfo.GIF: 1, imageinfo.BMP: 1}
	writing = map[string]float64{"webp": 3, "avif": 3, "jxl": 12}
)

const (
	otherReading = 1.1 // HEIC, AVIF, JPEG XL
	otherWriting = 0.5 // formats written row by row, of a picture that may have been turned
	frames       = 2   // of an animation, all of which stay in memory
)

// Weigh implements imaging.Weigher.
func (e *Engine) Weigh(input job.Media, plan imaging.Plan) int64 {
	read, ok := reading[input.ContentType]
	if !ok {
		read = otherReading
	}
	write, ok := writing[plan.Format]
	if !ok {
		write = otherWriting
	}
	// The orientation is not known yet.
	pixels := func(w, h int) float64 {
		w, h = plan.Size(w, h)
		return float64(w) * float64(h)
	}
	most := max(pixels(input.Width, input.Height), pixels(input.Height, input.Width))
	if plan.Animated && input.Pixels > 0 {
		return int64(frames*float64(input.Pixels) + write*most)
	}
	return int64(read*float64(input.Width)*float64(input.Height) + write*most)
}
