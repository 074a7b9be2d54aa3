package processor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	media "claimcheck.example/internal/imageinfo"
	"claimcheck.example/internal/job"
)

// ImageOptions bound what the built-in pipeline takes and gives. The zero value of a
// field is its default.
type ImageOptions struct {
	// MaxPixels bounds the input (all frames together) and the result; default 50
	// million.
	MaxPixels int64
	// MaxInputBytes bounds the file that comes in; default 100 MiB.
	MaxInputBytes int64
	// MaxOutputBytes bounds the file that goes out; default 256 MiB.
	MaxOutputBytes int64
}

// Image is the built-in pipeline. It decodes the first frame, turns it upright as its
// EXIF orientation says, brings its colours to sRGB, applies the operations that the
// job's params ask for (by default: fit into 1024 x 1024, never enlarged), and encodes
// the result without metadata.
//
// One job holds the file as it came (up to MaxInputBytes), the decoded frame (1.5 to 8
// bytes a pixel, as the format has it), and one picture for each of the last two
// operations that make a new one (4 bytes a pixel, 8 with more than 8 bits a channel).
// Crops, turns, flips and colours cost none. The file is let go once it is decoded. What
// else it takes does not grow with the picture: no side has more than a million pixels.
//
// Params are a JSON object, read strictly: a key that is not here, given twice or of
// another type is refused.
//
// The short form fits the picture into a box; a side that is left out is unbounded:
//
//	{"width": 800, "height": 600, "format": "webp", "quality": 80, "keep": ["icc"]}
//
// The long form lists up to 16 operations, applied in order to the upright picture; an
// empty list leaves the size as it is. Without any of ops, width and height the
// picture is fitted into 1024 x 1024.
//
//	{"ops": [{"crop": {"x": 10, "y": 10, "width": 500, "height": 400}}, {"rotate": 90}], "format": "png"}
//
//	fit        {"width","height"}         inside the box, ratio kept, never enlarged; one side may be left out
//	fill       {"width","height"}         exactly the box, ratio kept, what juts out cut off evenly
//	resize     {"width","height"}         exactly that size; with one side left out the ratio is kept
//	crop       {"x","y","width","height"} that part, which must touch the picture; x and y default to 0
//	rotate     90, 180 or 270             degrees clockwise
//	flip       "horizontal", "vertical"   left for right, top for bottom
//	grayscale  true                       Rec. 709 luma
//	blur       0.1 to 50                  Gaussian, standard deviation in pixels
//	sharpen    {"sigma","amount"}         unsharp mask; sigma 0.1 to 50 (1), amount 0 to 10 (1)
//
// Sides are 1 to 16384. What would take minutes, such as many wide blurs of a large
// picture, is refused. The rest:
//
//	format     "jpeg", "png", "gif", "webp" (lossless) or "tiff"; by default JPEG stays JPEG,
//	           PNG stays PNG, GIF becomes PNG, all else PNG with transparency and JPEG without;
//	           a GIF has 256 colours of the picture's own, and is transparent or not, nothing between
//	quality    1 to 100, of a JPEG (85)
//	keep       of "icc" (the colour profile instead of a conversion to sRGB; JPEG, PNG and
//	           WebP) and "exif" (JPEG and PNG; its orientation is set to upright)
type Image struct {
	opts ImageOptions
}

// NewImage returns the pipeline with the given bounds.
func NewImage(opts ImageOptions) *Image {
	if opts.MaxPixels <= 0 {
		opts.MaxPixels = 50_000_000
	}
	if opts.MaxInputBytes <= 0 {
		opts.MaxInputBytes = 100 << 20
	}
	if opts.MaxOutputBytes <= 0 {
		opts.MaxOutputBytes = 256 << 20
	}
	return &Image{opts: opts}
}

// CheckParams implements job.Rules.
func (p *Image) CheckParams(input job.Media, params json.RawMessage) error {
	plan, err := parsePlan(params, p.opts.MaxPixels)
	if err != nil {
		return err
	}
	// Which way up it is turns out later.
	if plan.bearable(input.Width, input.Height) == nil {
		return nil
	}
	return plan.bearable(input.Height, input.Width)
}

// Accepts implements job.Rules.
func (p *Image) Accepts(contentType string) bool {
	_, ok := decoders[contentType]
	return ok
}

// Process implements job.Processor. The operations run before it returns; the result
// is encoded while Body is read.
func (p *Image) Process(ctx context.Context, t job.Task) (*job.Result, error) {
	plan, err := parsePlan(t.Params, p.opts.MaxPixels)
	if err != nil {
		return nil, err
	}
	t.Progress(0, "reading")
	data, err := p.read(ctx, t)
	if err != nil {
		return nil, err
	}
	info, err := media.ReadInfo(bytes.NewReader(data), int64(len(data)), p.opts.MaxPixels)
	if err != nil {
		return nil, refusal(err)
	}
	decode, ok := decoders[info.ContentType]
	if !ok {
		return nil, job.Errorf(job.Unsupported, "the built-in processor does not take %s; it takes JPEG, PNG, GIF, WebP, TIFF and BMP", info.ContentType)
	}
	w, h := info.Width, info.Height
	if info.Orientation > 4 { // lies on its side
		w, h = h, w
	}
	if err := plan.bearable(w, h); err != nil {
		return nil, err
	}
	t.Progress(0.1, "decoding")
	pic, err := decode.picture(ctx, data, info, plan)
	if err != nil {
		return nil, err
	}
	data = nil // so that the file's memory can be had by what follows
	for i, op := range plan.ops {
		t.Progress(0.4+0.4*float64(i)/float64(len(plan.ops)), op.name())
		if pic, err = op.apply(ctx, pic, p.opts.MaxPixels); err != nil {
			return nil, err
		}
	}
	t.Progress(0.8, "encoding")
	return p.encode(ctx, pic, plan, info.ContentType)
}

// read returns the whole file.
func (p *Image) read(ctx context.Context, t job.Task) ([]byte, error) {
	var b bytes.Buffer
	if n := t.Input.SizeBytes; 0 < n && n <= p.opts.MaxInputBytes {
		b.Grow(int(n) + bytes.MinRead)
	}
	n, err := b.ReadFrom(io.LimitReader(&contextReader{ctx: ctx, r: t.Image}, p.opts.MaxInputBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read input: %w", err)
	}
	if n > p.opts.MaxInputBytes {
		return nil, job.Errorf(job.TooLarge, "the image has more than %d bytes, the most that is processed", p.opts.MaxInputBytes)
	}
	return b.Bytes(), nil
}

// refusal words what package imageinfo found.
func refusal(err error) error {
	if e, ok := errors.AsType[*media.TooManyPixelsError](err); ok {
		return job.Wrap(job.TooLarge, err, fmt.Sprintf("the image has %d pixels, all frames together; %d are the most that is processed", e.Pixels, e.Max))
	}
	if errors.Is(err, media.ErrNotImage) {
		return job.Wrap(job.Unsupported, err, "the file is not an image")
	}
	if _, ok := errors.AsType[*media.MalformedError](err); ok {
		return job.Wrap(job.Invalid, err, "the image is damaged or cut off")
	}
	return err
}

// contextReader ends with the context's error when that is over.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r *contextReader) Read(p []byte) (int, error) {
	if err := context.Cause(r.ctx); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
