// Package embedded is the engine in pure Go. It decodes the first frame of a JPEG, PNG,
// GIF, WebP, TIFF or BMP file.
//
// One job holds the original file, the decoded frame (1.5 to 8 bytes a pixel, as the
// format has it), and one picture for each of the last two operations that make a new one
// (4 bytes a pixel, 8 with more than 8 bits a channel). Crops, turns, flips and colours
// cost none. The file is freed once it is decoded. Other memory does not grow with the
// picture: no side has more than a million pixels.
package embedded

import (
	"context"
	"image"
	"runtime"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging"
)

// Engine is the engine in pure Go.
type Engine struct {
	limits imaging.Limits
}

var _ imaging.Engine = (*Engine)(nil)

// New returns the engine with the given limits.
func New(limits imaging.Limits) *Engine {
	return &Engine{limits: limits.WithDefaults()}
}

// Describe implements imaging.Engine.
func (e *Engine) Describe() imaging.Description {
	return imaging.Description{Name: "embedded", Version: runtime.Version(), Capabilities: imaging.Embedded()}
}

// Process implements imaging.Engine. The operations run before it returns; the result
// is encoded while Body is read.
func (e *Engine) Process(ctx context.Context, t job.Task, plan imaging.Plan) (*job.Result, error) {
	can := imaging.Embedded()
	if err := can.Write(plan); err != nil {
		return nil, err
	}
	if t.Input.SizeBytes > largeFile {
		runtime.GC() // frees what earlier jobs left before this picture takes memory
	}
	t.Progress(0, "reading")
	data, err := imaging.ReadFile(ctx, t, e.limits)
	if err != nil {
		return nil, err
	}
	info, err := imaging.Inspect(data, plan, e.limits)
	if err != nil {
		return nil, err
	}
	if err := can.Read(info.ContentType); err != nil {
		return nil, err
	}
	t.Progress(0.1, "decoding")
	pic, err := decoders[info.ContentType].picture(ctx, data, info, plan)
	if err != nil {
		return nil, err
	}
	data = nil // frees the file's memory for what follows
	c := &canvas{pic}
	for i, op := range plan.Ops {
		t.Progress(0.4+0.4*float64(i)/float64(len(plan.Ops)), op.Name())
		if err := op.Apply(ctx, c, e.limits); err != nil {
			return nil, err
		}
	}
	t.Progress(0.8, "encoding")
	return e.encode(ctx, c.picture, plan, info.ContentType)
}

// largeFile is the size in bytes from which a file is worth a garbage collection.
const largeFile = 1 << 20

// canvas is the picture that operations change.
type canvas struct{ *picture }

var _ imaging.Canvas = (*canvas)(nil)

func (c *canvas) Size() (w, h int) { return c.w, c.h }

func (c *canvas) Crop(r image.Rectangle) error {
	c.picture = c.crop(r)
	return nil
}

func (c *canvas) Rotate(quarters int) error {
	c.picture = c.turn(quarters)
	return nil
}

func (c *canvas) Mirror() error {
	c.picture = c.mirror()
	return nil
}

func (c *canvas) Gray() error {
	if c.gray {
		return nil
	}
	c.picture = c.tonedLast(func(row []float32) {
		for i := 0; i < len(row); i += 4 {
			v := 0.2126*row[i] + 0.7152*row[i+1] + 0.0722*row[i+2] // Rec. ITU-R BT.709
			row[i], row[i+1], row[i+2] = v, v, v
		}
	})
	c.gray = c.icc == nil // a profile for RGB cannot describe a file of gray
	return nil
}

func (c *canvas) Resample(ctx context.Context, w, h int) (err error) {
	if w == c.w && h == c.h {
		return nil
	}
	if c.planes != nil {
		p, err := c.resamplePlanes(ctx, w, h)
		if err == nil {
			c.picture = p
		}
		return err
	}
	return c.convolve(ctx, lanczos(c.w, w), lanczos(c.h, h), nil)
}

func (c *canvas) Blur(ctx context.Context, sigma float64) error {
	return c.convolve(ctx, gaussian(c.w, sigma), gaussian(c.h, sigma), nil)
}

func (c *canvas) Sharpen(ctx context.Context, sigma, amount float64) error {
	return c.convolve(ctx, gaussian(c.w, sigma), gaussian(c.h, sigma), func(sharp, blurred []float32) {
		for i, v := range sharp {
			if i%4 != 3 {
				blurred[i] = v + float32(amount)*(v-blurred[i])
			}
		}
	})
}

func (c *canvas) convolve(ctx context.Context, across, down kernel, finish func(original, row []float32)) error {
	p, err := convolve(ctx, c.picture, across, down, finish)
	if err != nil {
		return err
	}
	c.picture = p
	return nil
}
