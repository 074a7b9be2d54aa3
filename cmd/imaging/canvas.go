//go:build vips && linux

package main

import (
	"context"
	goimage "image"
	"math"

	"claimcheck.example/internal/processor/imaging"
)

// canvas is a picture of one or more frames, upright. Operations are recorded and run
// when the result is saved, row by row where possible: crops and reductions first, on the
// pixels as stored, then colours, then turns.
type canvas struct {
	a      *arena
	frames []image
	turn   turn
	// reload decodes the file again at a fraction of its size, before anything has been
	// decoded; nil when the format cannot, or when something has been decoded.
	reload func(reduction float64) (m image, done float64, err error)
	// manage converts a frame's colours as the plan says; nil when that is done.
	manage func(image) (image, error)
	// streams: the frame's rows come from its file, in order and once.
	streams bool
	// colourful: the picture keeps a profile for colours, so gray keeps three channels.
	colourful bool
}

var _ imaging.Canvas = (*canvas)(nil)

// turn is how to turn the picture at the end: mirrored left to right first, then
// clockwise by quarters.
type turn struct {
	mirrored bool
	quarters int
}

func (t turn) aside() bool { return t.quarters%2 == 1 }

// then returns the turn followed by a mirroring and quarters.
func (t turn) then(mirrored bool, quarters int) turn {
	if mirrored { // past the quarters, which it reverses
		t.mirrored, t.quarters = !t.mirrored, (4-t.quarters)%4
	}
	t.quarters = (t.quarters + quarters) % 4
	return t
}

// orientations are the turns for EXIF orientations.
var orientations = [9]turn{
	2: {mirrored: true}, 3: {quarters: 2}, 4: {true, 2}, 5: {true, 3}, 6: {quarters: 1}, 7: {true, 1}, 8: {quarters: 3},
}

// Size implements imaging.Canvas.
func (c *canvas) Size() (w, h int) {
	w, h = c.frames[0].width(), c.frames[0].height()
	if c.turn.aside() {
		return h, w
	}
	return w, h
}

// stored returns the place of a part of the upright picture in the stored pixels.
func (c *canvas) stored(r goimage.Rectangle) goimage.Rectangle {
	w, h := c.Size()
	for range c.turn.quarters { // back: anticlockwise
		r = goimage.Rect(r.Min.Y, w-r.Max.X, r.Max.Y, w-r.Min.X)
		w, h = h, w
	}
	if c.turn.mirrored {
		r = goimage.Rect(w-r.Max.X, r.Min.Y, w-r.Min.X, r.Max.Y)
	}
	return r
}

// each replaces every frame.
func (c *canvas) each(f func(image) (image, error)) (err error) {
	for i := range c.frames {
		if c.frames[i], err = f(c.frames[i]); err != nil {
			return err
		}
	}
	return nil
}

// Crop implements imaging.Canvas.
func (c *canvas) Crop(r goimage.Rectangle) error {
	r = c.stored(r)
	if reload := c.reload; reload != nil {
		c.reload = func(reduction float64) (image, float64, error) {
			m, done, err := reload(reduction)
			if err != nil || done == 1 {
				return m, done, err
			}
			at := func(v, end int) int { return min(int(math.Round(float64(v)/done)), end) }
			left, top := at(r.Min.X, m.width()-1), at(r.Min.Y, m.height()-1)
			m, err = c.cropped(m, goimage.Rect(left, top, max(at(r.Max.X, m.width()), left+1), max(at(r.Max.Y, m.height()), top+1)))
			return m, done, err
		}
	}
	return c.each(func(m image) (image, error) { return c.cropped(m, r) })
}

func (c *canvas) cropped(m image, r goimage.Rectangle) (image, error) {
	if r == goimage.Rect(0, 0, m.width(), m.height()) {
		return m, nil
	}
	return c.a.crop(m, r.Min.X, r.Min.Y, r.Dx(), r.Dy())
}

// Resample implements imaging.Canvas.
func (c *canvas) Resample(_ context.Context, w, h int) error {
	if fromW, fromH := c.Size(); fromW == w && fromH == h {
		return nil
	}
	if c.turn.aside() {
		w, h = h, w
	}
	if c.reload != nil {
		reduction := min(float64(c.frames[0].width())/float64(w), float64(c.frames[0].height())/float64(h))
		m, done, err := c.reload(reduction)
		if err != nil {
			return err
		}
		if done > 1 {
			c.frames[0] = m
		}
		c.reload = nil
	}
	return c.each(func(m image) (image, error) {
		if m.width() == w && m.height() == h {
			return m, nil
		}
		return c.a.resize(m, w, h)
	})
}

// Rotate implements imaging.Canvas.
func (c *canvas) Rotate(quarters int) error {
	c.turn = c.turn.then(false, quarters)
	return nil
}

// Mirror implements imaging.Canvas.
func (c *canvas) Mirror() error {
	c.turn = c.turn.then(true, 0)
	return nil
}

// settle converts the colours before an operation that depends on them.
func (c *canvas) settle() error {
	manage := c.manage
	c.manage, c.reload = nil, nil
	if manage == nil {
		return nil
	}
	return c.each(manage)
}

// Gray implements imaging.Canvas.
func (c *canvas) Gray() error {
	if err := c.settle(); err != nil {
		return err
	}
	return c.each(func(m image) (image, error) {
		if m.gray() {
			return m, nil
		}
		return c.a.desaturate(m, c.colourful)
	})
}

// Blur implements imaging.Canvas.
func (c *canvas) Blur(_ context.Context, sigma float64) error {
	if err := c.settle(); err != nil {
		return err
	}
	return c.each(func(m image) (image, error) { return c.a.blur(m, sigma) })
}

// Sharpen implements imaging.Canvas.
func (c *canvas) Sharpen(_ context.Context, sigma, amount float64) error {
	if err := c.settle(); err != nil {
		return err
	}
	return c.each(func(m image) (image, error) { return c.a.sharpen(m, sigma, amount) })
}

// finish applies the turn, which needs the rows in another order than the file's.
func (c *canvas) finish() error {
	if err := c.settle(); err != nil {
		return err
	}
	if c.turn == (turn{}) {
		return nil
	}
	return c.each(func(m image) (_ image, err error) {
		if c.streams && c.turn.quarters != 0 {
			if m, err = c.a.memory(m); err != nil {
				return m, err
			}
		}
		if c.turn.mirrored {
			if m, err = c.a.mirror(m); err != nil {
				return m, err
			}
		}
		if c.turn.quarters != 0 {
			m, err = c.a.rotate(m, c.turn.quarters)
		}
		return m, err
	})
}
