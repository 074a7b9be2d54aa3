package imaging

import (
	"context"
	"image"
	"math"

	"claimcheck.example/internal/processor/params"
)

// Operation is one step of a plan. Each has a file of its own and a line in the table of
// operations.
type Operation interface {
	// Name is the operation's key in params.
	Name() string
	// Cost returns the size of what the operation makes of a picture of w x h, at least
	// one pixel a side, and how often it looks at a pixel.
	Cost(w, h int) (outW, outH int, work float64)
	// Needs returns the size in which the operation needs a picture of w x h: the size
	// that it scales the picture to, or w and h where it looks at single pixels. Any
	// size will do for an operation that is indifferent.
	Needs(w, h int) (needW, needH int, indifferent bool)
	// Apply carries the operation out. Its errors have kinds, but for ctx's own.
	Apply(ctx context.Context, c Canvas, limits Limits) error
}

// Canvas is the picture that an engine works on, upright. Its methods are the few things
// that an engine must be able to do.
type Canvas interface {
	// Size is in pixels.
	Size() (w, h int)
	// Crop keeps the part that lies in the rectangle, which is inside and not empty.
	Crop(r image.Rectangle) error
	// Resample brings the picture to a size by the three-lobed Lanczos window, on sRGB's
	// samples as they are, premultiplied by alpha. Nothing changes when the size is the
	// picture's own.
	Resample(ctx context.Context, w, h int) error
	// Rotate turns the picture clockwise by 1 to 3 quarters.
	Rotate(quarters int) error
	// Mirror exchanges left and right.
	Mirror() error
	// Gray makes every pixel gray, of its Rec. 709 luma.
	Gray() error
	// Blur blurs by a Gaussian of that standard deviation in pixels.
	Blur(ctx context.Context, sigma float64) error
	// Sharpen adds amount times what a blur would take away.
	Sharpen(ctx context.Context, sigma, amount float64) error
}

// entry is a line of the table of operations.
type entry struct {
	name string
	// parse reads the value of the operation's key.
	parse func(m params.Member, limits Limits) (Operation, error)
}

// operations is the table of operations, in the order in which sentences list them.
var operations = []entry{
	{"fit", parseFit},
	{"fill", parseFill},
	{"resize", parseResize},
	{"crop", parseCrop},
	{"rotate", parseRotate},
	{"flip", parseFlip},
	{"grayscale", parseGrayscale},
	{"blur", parseBlur},
	{"sharpen", parseSharpen},
}

func parseOps(m params.Member, limits Limits) ([]Operation, error) {
	items, err := m.Array(maxOps)
	if err != nil {
		return nil, err
	}
	ops := make([]Operation, 0, len(items))
	for _, item := range items {
		members, err := params.Object(item.Key, item.Value)
		if err != nil {
			return nil, err
		}
		if len(members) != 1 {
			return nil, params.Invalid("%s must have exactly one key, the name of its operation", item.Key)
		}
		op, err := parseOp(members[0], limits)
		if err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	return ops, nil
}

func parseOp(m params.Member, limits Limits) (Operation, error) {
	names := make([]string, len(operations))
	for i, e := range operations {
		if e.name == m.Key {
			return e.parse(m, limits)
		}
		names[i] = e.name
	}
	return nil, m.Unknown(names...)
}

// parseSize reads an object of a width and a height, zero when left out.
func parseSize(m params.Member) (w, h int, err error) {
	members, err := params.Object(m.Key, m.Value)
	for _, side := range members {
		switch side.Key {
		case "width":
			w, err = side.Integer(1, maxSide)
		case "height":
			h, err = side.Integer(1, maxSide)
		default:
			err = side.Unknown("width", "height")
		}
		if err != nil {
			return 0, 0, err
		}
	}
	return w, h, err
}

func needsSize(m params.Member) error {
	return params.Invalid("%s needs width and height, from 1 to %d", m.Key, maxSide)
}

// tooMany refuses a result of more pixels than are allowed.
func tooMany(m params.Member, w, h int, limits Limits) error {
	if n := int64(w) * int64(h); n > limits.MaxPixels {
		return params.Invalid("%s asks for %d pixels; %d are the most", m.Key, n, limits.MaxPixels)
	}
	return nil
}

// scaled is a side's length after scaling, at least one pixel.
func scaled(side int, scale float64) int {
	return max(1, int(math.Round(float64(side)*scale)))
}
