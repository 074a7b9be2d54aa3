package imaging

import (
	"context"
	"image"

	"claimcheck.example/internal/processor/params"
)

// fill scales the picture to cover the box, keeping the ratio, and cuts the excess off
// evenly on both sides.
//
//	{"fill": {"width": 400, "height": 400}}
type fill struct{ width, height int }

func parseFill(m params.Member, limits Limits) (Operation, error) {
	w, h, err := parseSize(m)
	switch {
	case err != nil:
	case w == 0 || h == 0:
		err = needsSize(m)
	default:
		err = tooMany(m, w, h, limits)
	}
	return fill{w, h}, err
}

func (fill) Name() string { return "fill" }

// part returns the largest part with the box's ratio from the middle of a picture of w x
// h.
func (o fill) part(w, h int) image.Rectangle {
	scale := max(float64(o.width)/float64(w), float64(o.height)/float64(h))
	partW, partH := min(w, scaled(o.width, 1/scale)), min(h, scaled(o.height, 1/scale))
	x, y := (w-partW)/2, (h-partH)/2
	return image.Rect(x, y, x+partW, y+partH)
}

func (o fill) Cost(w, h int) (outW, outH int, work float64) {
	part := o.part(w, h)
	return o.width, o.height, resampling(part.Dx(), part.Dy(), o.width, o.height)
}

// Needs returns the size of the whole picture, although the box shows only a part.
func (o fill) Needs(w, h int) (needW, needH int, indifferent bool) {
	part := o.part(w, h)
	return scaled(w, float64(o.width)/float64(part.Dx())), scaled(h, float64(o.height)/float64(part.Dy())), false
}

func (o fill) Apply(ctx context.Context, c Canvas, _ Limits) error {
	if err := c.Crop(o.part(c.Size())); err != nil {
		return err
	}
	return c.Resample(ctx, o.width, o.height)
}
