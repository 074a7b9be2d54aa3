package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"claimcheck.example/internal/imageinfo"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging"
	"claimcheck.example/internal/processor/imaging/metadata"
	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

// decoder decodes the first frame of a file.
type decoder func(io.Reader) (image.Image, error)

// decoders, by what package imageinfo says the file is.
var decoders = map[string]decoder{
	imageinfo.JPEG: jpeg.Decode,
	imageinfo.PNG:  png.Decode,
	imageinfo.GIF:  gif.Decode,
	imageinfo.WebP: decodeWebP,
	imageinfo.TIFF: tiff.Decode,
	imageinfo.BMP:  bmp.Decode,
}

// picture decodes data, whose size is known to be within bounds, and returns it the
// right way up, in the colours and with the metadata that the plan asks for.
func (d decoder) picture(ctx context.Context, data []byte, info imageinfo.Info, plan imaging.Plan) (*picture, error) {
	m, err := d.decode(ctx, data)
	if err != nil {
		return nil, err
	}
	p := fromImage(m)
	if info.ContentType == imageinfo.PNG && data[25] == 4 { // gray with alpha, for which package image has no kind
		p.gray = true
	}
	if r := image.Rect(0, 0, info.Width, info.Height); m.Bounds() != r && m.Bounds().In(r) {
		p = p.onCanvas(m.Bounds(), r)
	}
	meta := metadata.Read(info.ContentType, data)
	p = p.managed(bytes.Clone(meta.ICC), plan)
	if plan.Keep.EXIF && meta.EXIF != nil {
		p.exif = metadata.UprightEXIF(meta.EXIF)
	}
	return p.upright(info.Orientation), nil
}

// decode gives a decoder's errors their kind. A decoder that panics has met a file
// that nobody tried on it: the file's fault as far as this job goes.
func (d decoder) decode(ctx context.Context, data []byte) (m image.Image, err error) {
	defer func() {
		if v := recover(); v != nil {
			m, err = nil, job.Wrap(job.Invalid, fmt.Errorf("decoder panicked: %v", v), "the image is damaged")
		}
	}()
	m, err = d(&contextFile{ctx: ctx, Reader: bytes.NewReader(data)})
	if err == nil {
		return m, nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return nil, cause
	}
	if what, ok := unsupported(err); ok {
		return nil, job.Wrap(job.Unsupported, err, fmt.Sprintf("the image is of a kind that the built-in processor does not know (%s); save it as PNG or JPEG and submit that", what))
	}
	return nil, job.Wrap(job.Invalid, err, "the image is damaged or cut off")
}

// unsupported reports whether a decoder knows the file to be sound, and what of it it
// does not know.
func unsupported(err error) (what string, ok bool) {
	if e, ok := errors.AsType[jpeg.UnsupportedError](err); ok {
		return "JPEG: " + string(e), true
	}
	if e, ok := errors.AsType[png.UnsupportedError](err); ok {
		return "PNG: " + string(e), true
	}
	if e, ok := errors.AsType[tiff.UnsupportedError](err); ok {
		return "TIFF: " + string(e), true
	}
	return "BMP: a compressed one, or with a header of another kind", errors.Is(err, bmp.ErrUnsupported)
}

// contextFile is a file in memory that can no longer be read when the context ends, so
// that decoders, which know no contexts, end as well.
type contextFile struct {
	ctx context.Context
	*bytes.Reader
}

func (f *contextFile) Read(p []byte) (int, error) {
	if err := context.Cause(f.ctx); err != nil {
		return 0, err
	}
	return f.Reader.Read(p)
}

func (f *contextFile) ReadByte() (byte, error) {
	if err := context.Cause(f.ctx); err != nil {
		return 0, err
	}
	return f.Reader.ReadByte()
}

func (f *contextFile) ReadAt(p []byte, at int64) (int, error) {
	if err := context.Cause(f.ctx); err != nil {
		return 0, err
	}
	return f.Reader.ReadAt(p, at)
}
