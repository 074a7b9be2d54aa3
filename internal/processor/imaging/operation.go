package imaging

import (
	"context"
	"image"
	"math"

	"claimcheck.example/internal/processor/params"
)

// Operation is one step of a plan. Each has its own file and a line in the table of
// operations.
type Operation interface {
	// Name is the operation's key in params.
	Name() string
	// Cost returns the size of the operation's result for a picture of w x h, at least one
	// pixel a side, and the number of visits to a pixel.
	Cost(w, h int) (outW, outH int, work float64)
	// Needs returns the size in which the operation needs a picture of w x h: the target
	// size when it scales the picture, or w and h when it depends on single pixels. An
	// operation that works at any size is indifferent.
	Needs(w, h int) (needW, needH int, indifferent bool)
	// Apply applies the operation. Its errors have kinds, except those of ctx.
	Apply(ctx context.Context, c Canvas, limits Limits) error
}

// Canvas is the picture that an engine works on, upright. Its methods are the few things
// that every engine can do.
type Canvas interface {
	// Size returns the size in pixels.
	Size() (w, h int)
	// Crop keeps the part inside the rectangle, which is within the picture and is not
	// empty.
	Crop(r image.Rectangle) error
	// Resample scales the picture to a size with the three-lobed Lanczos filter, on the sRGB
	// samples as they are, premultiplied by alpha. It changes nothing when the picture has
	// that size already.
	Resample(ctx context.Context, w, h int) error
	// Rotate turns the picture clockwise by 1 to 3 quarters.
	Rotate(quarters int) error
	// Mirror swaps left and right.
	Mirror() error
	// Gray replaces every pixel by its Rec. 709 luma.
	Gray() error
	// Blur applies a Gaussian blur with a standard deviation in pixels.
	Blur(ctx context.Context, sigma float64) error
	// Sharpen adds amount times the difference from a blurred picture.
	Sharpen(ctx context.Context, sigma, amount float64) error
}

// entry is a line of the table of operations.
type entry struct {
	name string
	// parse reads the value of the operation's key.
	parse func(m params.Member, limits Limits) (Operation, error)
	// value describes that value.
	value object
}

// operations is the table of operations, in the order in which sentences list them.
var operations = []entry{
	{"fit", parseFit, sides("anyOf")},
	{"fill", parseFill, sides("allOf")},
	{"resize", parseResize, sides("anyOf")},
	{"crop", parseCrop, object{
		{"type", "object"},
		{"properties", object{
			{"x", integer(0, math.MaxInt32)}, {"y", integer(0, math.MaxInt32)},
			{"width", like(400, integer(1, math.MaxInt32))}, {"height", like(300, integer(1, math.MaxInt32))},
		}},
		{"required", []string{"width", "height"}}, {"additionalProperties", false},
	}},
	{"rotate", parseRotate, object{{"enum", []int{90, 180, 270}}}},
	{"flip", parseFlip, object{{"enum", []string{"horizontal", "vertical"}}}},
	{"grayscale", parseGrayscale, object{{"const", true}}},
	{"blur", parseBlur, number(0.1, maxSigma)},
	{"sharpen", parseSharpen, object{
		{"type", "object"},
		{"properties", object{{"sigma", number(0.1, maxSigma)}, {"amount", number(0, maxAmount)}}},
		{"additionalProperties", false},
	}},
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

// parseSize reads an object with a width and a height, each zero when it is absent.
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

// scaled returns the length of a side after scaling, at least one pixel.
func scaled(side int, scale float64) int {
	return max(1, int(math.Round(float64(side)*scale)))
}
