package imaging

import (
	"bytes"
	"encoding/json"

	"claimcheck.example/internal/processor/params"
)

// defaultSide is the side of the box that a picture fits into when params give no size.
const defaultSide = 1024

// Plan is the meaning of params.
type Plan struct {
	// Ops are applied in order to the upright picture.
	Ops []Operation
	// Format is the format of the result; when it is empty, the input decides.
	Format string
	// Quality is 1 to 100 for a lossy format; zero is the format's default.
	Quality int
	// Lossless is for a Format that has both; Quality is zero then.
	Lossless bool
	// Animated keeps all frames of a GIF or WebP.
	Animated bool
	Keep     Keep
}

// Keep says which metadata survive.
type Keep struct{ ICC, EXIF bool }

// Parse reads params, with an Invalid error whose sentence names the mistake. They are a
// JSON object, read strictly: it refuses a key that is unknown, repeated or of another
// type.
//
// The short form fits the picture into a box; an absent side is unbounded:
//
//	{"width": 800, "height": 600, "format": "webp", "quality": 80, "keep": ["icc"]}
//
// The long form lists up to 16 operations, applied in order to the upright picture; an
// empty list leaves the size as it is. Without ops, width and height the picture is
// fitted into 1024 x 1024.
//
//	{"ops": [{"crop": {"x": 10, "y": 10, "width": 500, "height": 400}}, {"rotate": 90}], "format": "png"}
func Parse(raw json.RawMessage, limits Limits) (Plan, error) {
	limits = limits.WithDefaults()
	p := Plan{}
	if len(bytes.TrimSpace(raw)) == 0 {
		raw = json.RawMessage("{}")
	}
	members, err := params.Object("params", raw)
	if err != nil {
		return Plan{}, err
	}
	var box fit
	var ops, lossless bool
	for _, m := range members {
		switch m.Key {
		case "width":
			box.width, err = m.Integer(1, maxSide)
		case "height":
			box.height, err = m.Integer(1, maxSide)
		case "ops":
			ops = true
			p.Ops, err = parseOps(m, limits)
		case "format":
			p.Format, err = m.Choice(formatNames()...)
		case "quality":
			p.Quality, err = m.Integer(1, 100)
		case "lossless":
			lossless = true
			p.Lossless, err = m.Bool()
		case "animated":
			p.Animated, err = m.Bool()
		case "keep":
			p.Keep, err = parseKeep(m)
		default:
			err = m.Unknown("width", "height", "ops", "format", "quality", "lossless", "animated", "keep")
		}
		if err != nil {
			return Plan{}, err
		}
	}
	if ops && box != (fit{}) {
		return Plan{}, params.Invalid("params give ops as well as width or height; give the one or the other")
	}
	if err := p.settleFormat(lossless); err != nil {
		return Plan{}, err
	}
	if !ops {
		if box == (fit{}) {
			box = fit{defaultSide, defaultSide}
		}
		p.Ops = []Operation{box}
	}
	return p, nil
}

// settleFormat checks the params that belong to a format, and fills in those that are
// absent. Lossless says whether params have that key.
func (p *Plan) settleFormat(lossless bool) error {
	f, ok := FormatOf(p.Format)
	if !ok { // the input decides the format
		if lossless {
			return params.Invalid("lossless needs a format: %s", formatsWith(func(f Format) bool { return f.Lossy && f.Lossless }))
		}
		return nil
	}
	if lossless && p.Lossless && !f.Lossless || lossless && !p.Lossless && !f.Lossy {
		return params.Invalid("lossless works with the formats %s, not with %s", formatsWith(func(f Format) bool { return f.Lossy && f.Lossless }), f.Name)
	}
	if !lossless { // a WebP is lossless unless params set a quality
		p.Lossless = f.Name == "webp" && p.Quality == 0
	}
	switch {
	case p.Quality != 0 && !f.Lossy:
		return params.Invalid("quality works with the formats %s, not with %s", formatsWith(func(f Format) bool { return f.Lossy }), f.Name)
	case p.Quality != 0 && p.Lossless:
		return params.Invalid("params give quality as well as lossless; give the one or the other")
	case p.Animated && !f.Animated:
		return params.Invalid("animated works with the formats %s, not with %s", formatsWith(func(f Format) bool { return f.Animated }), f.Name)
	case p.Keep.ICC && !f.Keep.ICC:
		return params.Invalid(`keep "icc" works with the formats %s, not with %s`, formatsWith(func(f Format) bool { return f.Keep.ICC }), f.Name)
	case p.Keep.EXIF && !f.Keep.EXIF:
		return params.Invalid(`keep "exif" works with the formats %s, not with %s`, formatsWith(func(f Format) bool { return f.Keep.EXIF }), f.Name)
	}
	return nil
}

func parseKeep(m params.Member) (k Keep, err error) {
	items, err := m.Array(2)
	for _, item := range items {
		var what string
		if what, err = item.Choice("icc", "exif"); err != nil {
			break
		}
		k.ICC = k.ICC || what == "icc"
		k.EXIF = k.EXIF || what == "exif"
	}
	return k, err
}
