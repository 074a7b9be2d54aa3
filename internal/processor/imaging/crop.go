package imaging

import (
	"context"
	"image"
	"math"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/params"
)

// crop keeps a rectangle, which must overlap the picture.
//
//	{"crop": {"x": 10, "y": 10, "width": 500, "height": 400}}    x and y default to 0
type crop struct{ x, y, width, height int }

func parseCrop(m params.Member, _ Limits) (Operation, error) {
	var c crop
	members, err := params.Object(m.Key, m.Value)
	for _, side := range members {
		switch side.Key {
		case "x":
			c.x, err = side.Integer(0, math.MaxInt32)
		case "y":
			c.y, err = side.Integer(0, math.MaxInt32)
		case "width":
			c.width, err = side.Integer(1, math.MaxInt32)
		case "height":
			c.height, err = side.Integer(1, math.MaxInt32)
		default:
			err = side.Unknown("x", "y", "width", "height")
		}
		if err != nil {
			return nil, err
		}
	}
	if err == nil && (c.width == 0 || c.height == 0) {
		err = params.Invalid("crop needs width and height, from 1 on")
	}
	return c, err
}

func (crop) Name() string { return "crop" }

// within returns the part of a picture of w x h that is kept.
func (o crop) within(w, h int) image.Rectangle {
	return image.Rect(o.x, o.y, o.x+o.width, o.y+o.height).Intersect(image.Rect(0, 0, w, h))
}

// Cost counts one pixel where the crop misses the picture, which Apply refuses.
func (o crop) Cost(w, h int) (outW, outH int, work float64) {
	r := o.within(w, h)
	return max(r.Dx(), 1), max(r.Dy(), 1), 0
}

func (crop) Needs(w, h int) (needW, needH int, indifferent bool) { return w, h, false }

func (o crop) Apply(_ context.Context, c Canvas, _ Limits) error {
	w, h := c.Size()
	r := o.within(w, h)
	if r.Empty() {
		return job.Errorf(job.Invalid, "crop begins at %d, %d and misses the picture of %d x %d", o.x, o.y, w, h)
	}
	return c.Crop(r)
}
