package processor

import (
	"context"
	"image"
	"math"

	"claimcheck.example/internal/job"
)

// operation makes a picture of a picture.
type operation interface {
	name() string
	// apply does not change p. Its errors have kinds, but for ctx's own.
	apply(ctx context.Context, p *picture, maxPixels int64) (*picture, error)
}

type (
	fit       struct{ width, height int } // zero: unbounded
	fill      struct{ width, height int }
	resize    struct{ width, height int } // zero: by the ratio
	crop      struct{ x, y, width, height int }
	rotate    int    // quarters, clockwise
	flip      string // horizontal or vertical
	grayscale struct{}
	blur      float64 // standard deviation in pixels
	sharpen   struct{ sigma, amount float64 }
)

func (fit) name() string       { return "fit" }
func (fill) name() string      { return "fill" }
func (resize) name() string    { return "resize" }
func (crop) name() string      { return "crop" }
func (rotate) name() string    { return "rotate" }
func (flip) name() string      { return "flip" }
func (grayscale) name() string { return "grayscale" }
func (blur) name() string      { return "blur" }
func (sharpen) name() string   { return "sharpen" }

func (o fit) apply(ctx context.Context, p *picture, _ int64) (*picture, error) {
	w, h := o.size(p.w, p.h)
	if w == p.w && h == p.h {
		return p, nil
	}
	return resample(ctx, p, w, h)
}

func (o fit) size(w, h int) (int, int) {
	scale := 1.0
	if o.width > 0 {
		scale = min(scale, float64(o.width)/float64(w))
	}
	if o.height > 0 {
		scale = min(scale, float64(o.height)/float64(h))
	}
	return scaled(w, scale), scaled(h, scale)
}

// scaled is a side's length after scaling, at least one pixel.
func scaled(side int, scale float64) int {
	return max(1, int(math.Round(float64(side)*scale)))
}

func (o fill) apply(ctx context.Context, p *picture, _ int64) (*picture, error) {
	return resample(ctx, p.crop(o.part(p.w, p.h)), o.width, o.height)
}

// part is the largest part of the box's ratio, from the middle of a picture of w x h.
func (o fill) part(w, h int) image.Rectangle {
	scale := max(float64(o.width)/float64(w), float64(o.height)/float64(h))
	partW, partH := min(w, scaled(o.width, 1/scale)), min(h, scaled(o.height, 1/scale))
	x, y := (w-partW)/2, (h-partH)/2
	return image.Rect(x, y, x+partW, y+partH)
}

func (o resize) apply(ctx context.Context, p *picture, maxPixels int64) (*picture, error) {
	w, h := o.size(p.w, p.h)
	if w > maxSide || h > maxSide || int64(w)*int64(h) > maxPixels {
		return nil, job.Errorf(job.TooLarge, "resize would make %d x %d pixels; the most is %d a side and %d altogether", w, h, maxSide, maxPixels)
	}
	return resample(ctx, p, w, h)
}

func (o resize) size(w, h int) (int, int) {
	switch {
	case o.width == 0:
		return scaled(w, float64(o.height)/float64(h)), o.height
	case o.height == 0:
		return o.width, scaled(h, float64(o.width)/float64(w))
	}
	return o.width, o.height
}

func (o crop) apply(_ context.Context, p *picture, _ int64) (*picture, error) {
	r := o.within(p.w, p.h)
	if r.Empty() {
		return nil, job.Errorf(job.Invalid, "crop begins at %d, %d and misses the picture of %d x %d", o.x, o.y, p.w, p.h)
	}
	return p.crop(r), nil
}

// within is the part of a picture of w x h that is kept.
func (o crop) within(w, h int) image.Rectangle {
	return image.Rect(o.x, o.y, o.x+o.width, o.y+o.height).Intersect(image.Rect(0, 0, w, h))
}

func (o rotate) apply(_ context.Context, p *picture, _ int64) (*picture, error) {
	return p.turn(int(o)), nil
}

func (o flip) apply(_ context.Context, p *picture, _ int64) (*picture, error) {
	if o == "vertical" {
		return p.turn(2).mirror(), nil
	}
	return p.mirror(), nil
}

func (o grayscale) apply(_ context.Context, p *picture, _ int64) (*picture, error) {
	if p.gray {
		return p, nil
	}
	q := p.toned(func(row []float32) {
		for i := 0; i < len(row); i += 4 {
			v := 0.2126*row[i] + 0.7152*row[i+1] + 0.0722*row[i+2] // Rec. ITU-R BT.709
			row[i], row[i+1], row[i+2] = v, v, v
		}
	})
	q.gray = p.icc == nil // a profile for RGB cannot describe a file of gray
	return q, nil
}

func (o blur) apply(ctx context.Context, p *picture, _ int64) (*picture, error) {
	return convolve(ctx, p, gaussian(p.w, float64(o)), gaussian(p.h, float64(o)), nil)
}

func (o sharpen) apply(ctx context.Context, p *picture, _ int64) (*picture, error) {
	amount := float32(o.amount)
	return convolve(ctx, p, gaussian(p.w, o.sigma), gaussian(p.h, o.sigma), func(sharp, blurred []float32) {
		for i, v := range sharp {
			if i%4 != 3 {
				blurred[i] = v + amount*(v-blurred[i])
			}
		}
	})
}
