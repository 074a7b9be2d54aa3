package embedded

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"image"
	"io"

	"claimcheck.example/internal/imageinfo"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging"
	"claimcheck.example/internal/processor/imaging/metadata"
	"claimcheck.example/internal/processor/input"
)

// decoder decodes the first frame of a file whose format package imageinfo has found. It
// never makes an image of more than the allowed pixels.
type decoder func(ctx context.Context, data []byte, info imageinfo.Info) (image.Image, error)

// decoders, by media type.
var decoders = map[string]decoder{
	imageinfo.JPEG: decodeJPEG,
	imageinfo.PNG:  decodePNG,
	imageinfo.GIF:  decodeGIF,
	imageinfo.WebP: decodeWebP,
	imageinfo.TIFF: decodeTIFF,
	imageinfo.BMP:  decodeBMP,
}

// picture decodes data, whose size has been checked, and returns the picture upright,
// with the colours and metadata of the plan.
func (d decoder) picture(ctx context.Context, data []byte, info imageinfo.Info, plan imaging.Plan) (*picture, error) {
	m, err := d.decode(ctx, data, info)
	if err != nil {
		return nil, err
	}
	p := fromImage(m)
	if info.ContentType == imageinfo.PNG && data[25] == 4 { // gray with alpha, for which package image has no type
		p.gray = true
	}
	canvas := image.Rect(0, 0, info.Width, info.Height)
	if f, ok := m.(*placed); ok {
		canvas = f.canvas
	}
	if m.Bounds() != canvas && m.Bounds().In(canvas) {
		p = p.onCanvas(m.Bounds(), canvas)
	}
	meta := metadata.Read(info.ContentType, data)
	p = p.managed(bytes.Clone(meta.ICC), plan)
	if plan.Keep.EXIF && meta.EXIF != nil {
		p.exif = metadata.UprightEXIF(meta.EXIF)
	}
	return p.upright(info.Orientation), nil
}

// decode gives a decoder's errors their kind. A decoder that panics has met input that it
// was never tried on: for the job, that is the file's fault.
func (d decoder) decode(ctx context.Context, data []byte, info imageinfo.Info) (m image.Image, err error) {
	defer func() {
		if v := recover(); v != nil {
			m, err = nil, job.Wrap(job.Invalid, fmt.Errorf("decoder panicked: %v", v), "the image is damaged")
		}
	}()
	m, err = d(ctx, data, info)
	if err == nil {
		return m, nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return nil, cause
	}
	if job.MessageOf(err) != "" { // a refusal
		return nil, err
	}
	return nil, job.Wrap(job.Invalid, err, "the image is damaged or cut off")
}

// reader reads parts of a file in memory until the context ends, which also stops
// decoders, since they know no contexts.
func reader(ctx context.Context, parts ...[]byte) io.Reader {
	readers := make([]io.Reader, len(parts))
	for i, p := range parts {
		readers[i] = bytes.NewReader(p)
	}
	return bufio.NewReaderSize(input.NewReader(ctx, io.MultiReader(readers...)), 1<<15)
}
