package embedded

import (
	"cmp"
	"context"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging"
	"claimcheck.example/internal/processor/imaging/metadata"
	"golang.org/x/image/tiff"
)

// encode returns the picture as a file of the planned format. The encoder runs while the
// file is read.
func (e *Engine) encode(ctx context.Context, pic *picture, plan imaging.Plan, inputType string) (*job.Result, error) {
	format, err := plan.ResultFormat(inputType, pic.alpha, pic.w, pic.h)
	if err != nil {
		return nil, err
	}
	var m image.Image
	if format.Name == "gif" {
		m, err = pic.paletted(ctx)
	} else {
		m, err = pic.image(ctx, !format.Alpha)
	}
	if err != nil {
		return nil, err
	}
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		out := &boundedWriter{ctx: ctx, w: w, left: e.limits.MaxOutputBytes}
		w.CloseWithError(encodeImage(out, m, format.Name, cmp.Or(plan.Quality, format.Quality), metadata.Metadata{ICC: pic.icc, EXIF: pic.exif})) // nil: the end
	}()
	return &job.Result{
		ContentType: format.ContentType,
		Width:       pic.w,
		Height:      pic.h,
		Body:        &encodedBody{PipeReader: r, done: done},
	}, nil
}

// encodeImage turns a panic of an encoder into an error. It runs in its own goroutine,
// where a panic would end the worker.
func encodeImage(w io.Writer, m image.Image, format string, quality int, meta metadata.Metadata) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%s encoder panicked: %v", format, v)
		}
	}()
	switch format {
	case "jpeg":
		const start = 2 // the marker
		w = &metadata.Inserter{W: w, Left: start, Blob: meta.JPEGSegments()}
		return jpeg.Encode(w, m, &jpeg.Options{Quality: quality})
	case "gif":
		return gif.Encode(w, m, nil)
	case "webp":
		return encodeWebP(w, m, meta.ICC)
	case "tiff":
		return tiff.Encode(w, m, &tiff.Options{Compression: tiff.Deflate, Predictor: true})
	}
	const header = 8 + 25 // the signature and IHDR
	w = &metadata.Inserter{W: w, Left: header, Blob: meta.PNGChunks()}
	return png.Encode(w, m)
}

// image renders the picture as the type of image that encoders handle best. Flat renders
// it on white, in 8 bits, as JPEG needs.
func (p *picture) image(ctx context.Context, flat bool) (image.Image, error) {
	r := image.Rect(0, 0, p.w, p.h)
	row := make([]float32, 4*p.w)
	var m image.Image
	var put func(y int)
	switch {
	case p.gray && (flat || !p.alpha) && (flat || !p.deep):
		g := image.NewGray(r)
		m, put = g, func(y int) {
			for x := range p.w {
				g.Pix[y*g.Stride+x] = uint8(clamp(row[4*x])*0xff + 0.5)
			}
		}
	case p.gray && !p.alpha:
		g := image.NewGray16(r)
		m, put = g, func(y int) {
			for x := range p.w {
				v := uint16(clamp(row[4*x])*0xffff + 0.5)
				g.Pix[y*g.Stride+2*x], g.Pix[y*g.Stride+2*x+1] = uint8(v>>8), uint8(v)
			}
		}
	case flat: // opaque, so premultiplication makes no difference, and JPEG handles this type best
		n := image.NewRGBA(r)
		m, put = n, func(y int) { put8(n.Pix[y*n.Stride:], row) }
	case p.deep:
		n := image.NewNRGBA64(r)
		m, put = n, func(y int) {
			for i, v := range row {
				v := uint16(clamp(v)*0xffff + 0.5)
				n.Pix[y*n.Stride+2*i], n.Pix[y*n.Stride+2*i+1] = uint8(v>>8), uint8(v)
			}
		}
	default:
		n := image.NewNRGBA(r)
		m, put = n, func(y int) { put8(n.Pix[y*n.Stride:], row) }
	}
	for y := range p.h {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		p.row(y, row)
		if flat && p.alpha {
			onWhite(row)
		}
		put(y)
	}
	return m, nil
}

func put8(dst []uint8, row []float32) {
	for i, v := range row {
		dst[i] = uint8(clamp(v)*0xff + 0.5)
	}
}

// onWhite blends a row onto white.
func onWhite(row []float32) {
	for i := 0; i < len(row); i += 4 {
		a := clamp(row[i+3])
		for c := range 3 {
			row[i+c] = row[i+c]*a + 1 - a
		}
		row[i+3] = 1
	}
}

// encodedBody is the reading end of the pipe. Close waits until the encoder has ended.
type encodedBody struct {
	*io.PipeReader
	done <-chan struct{}
}

func (b *encodedBody) Close() error {
	err := b.PipeReader.Close()
	<-b.done
	return err
}

// boundedWriter fails when the context ends or the output is too large.
type boundedWriter struct {
	ctx  context.Context
	w    io.Writer
	left int64 // bytes
}

func (b *boundedWriter) Write(p []byte) (int, error) {
	if err := context.Cause(b.ctx); err != nil {
		return 0, err
	}
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, job.Errorf(job.TooLarge, "the result has more bytes than this service hands out; ask for a smaller picture or another format")
	}
	return b.w.Write(p)
}
