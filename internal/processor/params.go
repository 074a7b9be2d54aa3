package processor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"claimcheck.example/internal/job"
)

// Bounds of what params can ask for.
const (
	maxSide      = 16384 // pixels, of any width, height or offset
	maxOps       = 16
	maxSigma     = 50.0 // pixels
	maxAmount    = 10.0
	defaultSide  = 1024
	defaultSigma = 1.0
)

// keep says which metadata survive.
type keep struct{ icc, exif bool }

// plan is what params ask for.
type plan struct {
	ops     []operation
	format  string // empty: by the input
	quality int    // 1..100
	keep    keep
}

// parsePlan reads params, with an Invalid error whose sentence names the mistake.
func parsePlan(params json.RawMessage, maxPixels int64) (plan, error) {
	p := plan{quality: 85}
	if len(bytes.TrimSpace(params)) == 0 {
		params = json.RawMessage("{}")
	}
	members, err := object("params", params)
	if err != nil {
		return plan{}, err
	}
	var box struct{ width, height int }
	var ops, quality bool
	for _, m := range members {
		switch m.key {
		case "width":
			box.width, err = m.integer(1, maxSide)
		case "height":
			box.height, err = m.integer(1, maxSide)
		case "ops":
			ops = true
			p.ops, err = parseOps(m, maxPixels)
		case "format":
			p.format, err = m.choice("jpeg", "png", "gif", "webp", "tiff")
		case "quality":
			quality = true
			p.quality, err = m.integer(1, 100)
		case "keep":
			p.keep, err = parseKeep(m)
		default:
			err = m.unknown("width, height, ops, format, quality, keep")
		}
		if err != nil {
			return plan{}, err
		}
	}
	switch {
	case ops && (box.width != 0 || box.height != 0):
		return plan{}, invalid("params give ops as well as width or height; give the one or the other")
	case quality && p.format != "" && p.format != "jpeg":
		return plan{}, invalid("quality is for the format jpeg; %s has none", p.format)
	case p.keep.icc && (p.format == "gif" || p.format == "tiff"):
		return plan{}, invalid(`keep "icc" works with the formats jpeg, png and webp, not with %s`, p.format)
	case p.keep.exif && p.format != "" && p.format != "jpeg" && p.format != "png":
		return plan{}, invalid(`keep "exif" works with the formats jpeg and png, not with %s`, p.format)
	}
	if !ops {
		if box.width == 0 && box.height == 0 {
			box.width, box.height = defaultSide, defaultSide
		}
		p.ops = []operation{fit{box.width, box.height}}
	}
	return p, nil
}

func parseKeep(m member) (k keep, err error) {
	items, err := m.array(2)
	for _, item := range items {
		var what string
		if what, err = item.choice("icc", "exif"); err != nil {
			break
		}
		k.icc = k.icc || what == "icc"
		k.exif = k.exif || what == "exif"
	}
	return k, err
}

func parseOps(m member, maxPixels int64) ([]operation, error) {
	items, err := m.array(maxOps)
	if err != nil {
		return nil, err
	}
	ops := make([]operation, 0, len(items))
	for _, item := range items {
		members, err := object(item.key, item.value)
		if err != nil {
			return nil, err
		}
		if len(members) != 1 {
			return nil, invalid("%s must have exactly one key, the name of its operation", item.key)
		}
		op, err := parseOp(members[0], maxPixels)
		if err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	return ops, nil
}

func parseOp(m member, maxPixels int64) (operation, error) {
	switch m.key {
	case "fit":
		w, h, err := parseSize(m, false, maxPixels)
		return fit{w, h}, err
	case "fill":
		w, h, err := parseSize(m, true, maxPixels)
		return fill{w, h}, err
	case "resize":
		w, h, err := parseSize(m, false, maxPixels)
		return resize{w, h}, err
	case "crop":
		return parseCrop(m)
	case "rotate":
		n, err := m.integer(90, 270)
		if err == nil && n%90 != 0 {
			err = invalid("rotate must be 90, 180 or 270")
		}
		return rotate(n / 90), err
	case "flip":
		s, err := m.choice("horizontal", "vertical")
		return flip(s), err
	case "grayscale":
		if string(m.value) != "true" {
			return nil, invalid("grayscale must be true")
		}
		return grayscale{}, nil
	case "blur":
		sigma, err := m.number(0.1, maxSigma)
		return blur(sigma), err
	case "sharpen":
		return parseSharpen(m)
	}
	return nil, m.unknown("fit, fill, resize, crop, rotate, flip, grayscale, blur, sharpen")
}

func parseSize(m member, both bool, maxPixels int64) (w, h int, err error) {
	members, err := object(m.key, m.value)
	for _, side := range members {
		switch side.key {
		case "width":
			w, err = side.integer(1, maxSide)
		case "height":
			h, err = side.integer(1, maxSide)
		default:
			err = side.unknown("width, height")
		}
		if err != nil {
			return 0, 0, err
		}
	}
	switch {
	case err != nil:
	case w == 0 && h == 0, both && (w == 0 || h == 0):
		err = invalid("%s needs width and height, from 1 to %d", m.key, maxSide)
	case m.key != "fit" && int64(w)*int64(h) > maxPixels:
		err = invalid("%s asks for %d pixels; %d are the most", m.key, int64(w)*int64(h), maxPixels)
	}
	return w, h, err
}

func parseCrop(m member) (operation, error) {
	var c crop
	members, err := object(m.key, m.value)
	for _, side := range members {
		switch side.key {
		case "x":
			c.x, err = side.integer(0, math.MaxInt32)
		case "y":
			c.y, err = side.integer(0, math.MaxInt32)
		case "width":
			c.width, err = side.integer(1, math.MaxInt32)
		case "height":
			c.height, err = side.integer(1, math.MaxInt32)
		default:
			err = side.unknown("x, y, width, height")
		}
		if err != nil {
			return nil, err
		}
	}
	if err == nil && (c.width == 0 || c.height == 0) {
		err = invalid("crop needs width and height, from 1 on")
	}
	return c, err
}

func parseSharpen(m member) (operation, error) {
	s := sharpen{sigma: defaultSigma, amount: 1}
	members, err := object(m.key, m.value)
	for _, v := range members {
		switch v.key {
		case "sigma":
			s.sigma, err = v.number(0.1, maxSigma)
		case "amount":
			s.amount, err = v.number(0, maxAmount)
		default:
			err = v.unknown("sigma, amount")
		}
		if err != nil {
			return nil, err
		}
	}
	return s, err
}

func invalid(format string, args ...any) error {
	return job.Errorf(job.Invalid, format, args...)
}

// member is one key of a JSON object, or one item of an array under the array's name.
type member struct {
	key   string
	value json.RawMessage
}

// object splits a JSON object into its members, in order, each key once.
func object(name string, raw json.RawMessage) ([]member, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, invalid("%s must be a JSON object", name)
	}
	var members []member
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, invalid("%s must be a JSON object", name)
		}
		m := member{key: t.(string)} // the decoder takes nothing else for a key
		if slices.ContainsFunc(members, func(o member) bool { return o.key == m.key }) {
			return nil, invalid("%s has the key %.40q twice", name, m.key)
		}
		if len(members) == 64 {
			return nil, invalid("%s has too many keys", name)
		}
		if err := dec.Decode(&m.value); err != nil {
			return nil, invalid("%s must be a JSON object", name)
		}
		members = append(members, m)
	}
	if _, err := dec.Token(); err != nil {
		return nil, invalid("%s must be a JSON object", name)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, invalid("%s must be one JSON object and nothing after it", name)
	}
	return members, nil
}

func (m member) unknown(known string) error {
	return invalid("there is no %.40q; known are %s", m.key, known)
}

func (m member) array(limit int) ([]member, error) {
	var raw []json.RawMessage
	if !strings.HasPrefix(string(m.value), "[") || json.Unmarshal(m.value, &raw) != nil {
		return nil, invalid("%s must be a list", m.key)
	}
	if len(raw) > limit {
		return nil, invalid("%s must have at most %d items", m.key, limit)
	}
	items := make([]member, len(raw))
	for i, v := range raw {
		items[i] = member{key: fmt.Sprintf("%s[%d]", m.key, i), value: v}
	}
	return items, nil
}

func (m member) integer(low, high int) (int, error) {
	n, err := strconv.Atoi(string(m.value))
	if err != nil || n < low || n > high {
		return 0, invalid("%s must be a whole number from %d to %d", m.key, low, high)
	}
	return n, nil
}

func (m member) number(low, high float64) (float64, error) {
	// What JSON allows for a number begins with a digit, once signs are refused.
	if m.value[0] >= '0' && m.value[0] <= '9' {
		if v, err := strconv.ParseFloat(string(m.value), 64); err == nil && v >= low && v <= high {
			return v, nil
		}
	}
	return 0, invalid("%s must be a number from %g to %g", m.key, low, high)
}

func (m member) choice(allowed ...string) (string, error) {
	var s string
	if !strings.HasPrefix(string(m.value), `"`) || json.Unmarshal(m.value, &s) != nil || !slices.Contains(allowed, s) {
		return "", invalid("%s must be one of %s", m.key, strings.Join(allowed, ", "))
	}
	return s, nil
}
