//go:build vips && linux

package main

import (
	"bytes"
	"io"

	"claimcheck.example/internal/imageinfo"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging"
	"claimcheck.example/internal/processor/imaging/metadata"
	"claimcheck.example/internal/processor/imaging/vips"
)

// save computes the pixels and writes the result.
func (t *task) save(c *canvas, begin func(vips.Outcome) error, w io.Writer) error {
	if err := c.finish(); err != nil {
		return err
	}
	m := c.frames[0]
	alpha := m.alpha()
	if alpha && t.plan.Format == "" && t.info.ContentType != imageinfo.PNG && t.info.ContentType != imageinfo.GIF {
		// The format depends on whether there are transparent pixels.
		var err error
		if m, err = t.memory(m); err != nil {
			return err
		}
		if alpha, err = t.transparent(m); err != nil {
			return err
		}
	}
	width, height := m.width(), m.height()
	f, err := t.plan.ResultFormat(t.info.ContentType, alpha, width, height)
	if err != nil {
		return err
	}
	if n := int64(len(c.frames)) * int64(width) * int64(height); n > t.request.Limits.MaxPixels {
		return job.Errorf(job.TooLarge, "the result would have %d frames of %d x %d pixels; the most is %d altogether", len(c.frames), width, height, t.request.Limits.MaxPixels)
	}
	if m, err = t.joined(c.frames, m); err != nil {
		return err
	}
	if m, err = t.fitted(m, f, alpha); err != nil {
		return err
	}
	if err := begin(vips.Outcome{ContentType: f.ContentType, Width: width, Height: height}); err != nil {
		return err
	}
	out := &bounded{w: w, left: t.request.Limits.MaxOutputBytes}
	how := saving{format: f.Name, quality: t.plan.Quality, lossless: t.plan.Lossless}
	if how.quality == 0 {
		how.quality = f.Quality
	}
	var body io.Writer = out
	var webp bytes.Buffer
	switch keep := t.keep(); f.Name {
	case "jpeg":
		const start = 2 // the marker
		body = &metadata.Inserter{W: out, Left: start, Blob: keep.JPEGSegments()}
	case "png":
		const header = 8 + 25 // the signature and IHDR
		body = &metadata.Inserter{W: out, Left: header, Blob: keep.PNGChunks()}
	case "webp":
		how.profile = keep.ICC != nil
		body = &webp
	default:
		how.profile = f.Keep.ICC && keep.ICC != nil
	}
	err = t.arena.save(m, how, body, func(percent int) {
		t.progress(0.1+0.9*float64(percent)/100, "encoding")
	})
	if err == nil && webp.Len() > 0 {
		_, err = out.Write(metadata.WebPWithoutMetadata(webp.Bytes()))
	}
	if out.err != nil {
		return out.err
	}
	return err
}

// joined returns the frames as one image; a single frame as it is.
func (t *task) joined(frames []image, single image) (image, error) {
	if len(frames) == 1 {
		return single, nil
	}
	return t.stack(frames)
}

// fitted converts the picture to what the format can hold.
func (t *task) fitted(m image, f imaging.Format, alpha bool) (image, error) {
	var err error
	switch {
	case m.alpha() && !f.Alpha:
		m, err = t.onWhite(m)
	case m.alpha() && !alpha:
		m, err = t.bandsOf(m, 0, m.bands()-1)
	}
	if err == nil && m.deep() && f.Name != "png" && f.Name != "tiff" {
		m, err = t.colours(m, m.gray(), false)
	}
	return m, err
}

// keep selects the file's metadata that the plan keeps.
func (t *task) keep() metadata.Metadata {
	m := metadata.Metadata{ICC: t.profile}
	if t.plan.Keep.EXIF && t.meta.EXIF != nil {
		m.EXIF = metadata.UprightEXIF(t.meta.EXIF)
	}
	return m
}

// bounded fails when a result is too large, and remembers the error of a write.
type bounded struct {
	w    io.Writer
	left int64 // bytes
	err  error
}

func (b *bounded) Write(p []byte) (n int, err error) {
	if b.left -= int64(len(p)); b.left < 0 {
		b.err = job.Errorf(job.TooLarge, "the result has more bytes than this service hands out; ask for a smaller picture or another format")
		return 0, b.err
	}
	n, b.err = b.w.Write(p)
	return n, b.err
}
