//go:build vips && linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"claimcheck.example/internal/imageinfo"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging"
	"claimcheck.example/internal/processor/imaging/metadata"
	"claimcheck.example/internal/processor/imaging/vips"
)

// loaders are libvips' loaders, by media type. Go decodes BMP: libvips would call
// ImageMagick.
var loaders = map[string]string{
	imageinfo.JPEG: "jpeg",
	imageinfo.PNG:  "png",
	imageinfo.GIF:  "gif",
	imageinfo.WebP: "webp",
	imageinfo.TIFF: "tiff",
	imageinfo.HEIC: "heif",
	imageinfo.HEIF: "heif",
	imageinfo.AVIF: "heif",
	imageinfo.JXL:  "jxl",

	"image/heic-sequence": "heif",
	"image/heif-sequence": "heif",
}

// task is one job.
type task struct {
	arena
	request  vips.Request
	image    io.Reader
	progress func(fraction float64, note string)

	plan imaging.Plan
	info imageinfo.Info
	meta metadata.Metadata
	jpeg *jpegStream // nil for other formats
	file mapping     // of other formats
	// profile is the profile that the result keeps, nil for none.
	profile []byte
}

// run runs the job. It calls begin once, before the first byte of the result.
func (t *task) run(begin func(vips.Outcome) error, w io.Writer) error {
	defer t.close()
	var err error
	if t.plan, err = imaging.Parse(t.request.Params, t.request.Limits); err != nil {
		return err
	}
	t.progress(0, "reading")
	c, err := t.open()
	if err != nil {
		return t.failure(err)
	}
	for i, op := range t.plan.Ops {
		t.progress(0.1*float64(i)/float64(len(t.plan.Ops)), op.Name())
		if err := op.Apply(context.Background(), c, t.request.Limits); err != nil {
			return t.failure(err)
		}
	}
	if err := t.save(c, begin, w); err != nil {
		return t.failure(err)
	}
	return t.failure(t.complete())
}

func (t *task) close() {
	t.free()
	t.file.unmap()
}

// open reads the image until its size is known.
func (t *task) open() (*canvas, error) {
	head := bufio.NewReaderSize(t.image, 64<<10)
	start, err := head.Peek(imageinfo.HeadSize)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("read input: %w", err)
	}
	if imageinfo.Detect(start) == imageinfo.JPEG {
		return t.openJPEG(head)
	}
	if t.file, err = readFile(head, t.request); err != nil {
		return nil, err
	}
	data := t.file.data
	if t.info, err = imaging.Inspect(data, t.plan, t.request.Limits); err != nil {
		return nil, err
	}
	if t.info.ContentType == imageinfo.PNG && !t.info.Complete { // libpng makes up rows that are missing
		return nil, job.Errorf(job.Invalid, damaged)
	}
	if metadata.HighDynamicRange(t.info.ContentType, data) {
		return nil, job.Errorf(job.Unsupported, "the image is of high dynamic range (PQ or HLG), which the built-in processor does not read")
	}
	if t.info.ContentType == imageinfo.TIFF && metadata.PlainYCbCr(data) {
		return nil, unreadTIFF("YCbCr that is not compressed as JPEG")
	}
	t.meta = metadata.Read(t.info.ContentType, data)
	if t.info.ContentType == imageinfo.BMP {
		m, err := t.bitmap(data)
		if err != nil {
			return nil, err
		}
		return t.canvas(m)
	}
	format, ok := loaders[t.info.ContentType]
	if !ok || !has(loader(format)) {
		return nil, job.Errorf(job.Unsupported, "the vips engine does not take %s", t.info.ContentType)
	}
	if t.plan.Animated && t.info.Frames > 1 && (format == "gif" || format == "webp") {
		return t.openAnimation(format, input{data: data})
	}
	if format == "heif" {
		metadata.HEIFWithoutReferences(data)
	}
	in := input{data: data}
	m, err := t.load(format, in, 1, 1, false)
	if err != nil {
		return nil, err
	}
	c, err := t.canvas(m)
	if err == nil && format == "webp" && !m.alpha() {
		c.reload = func(reduction float64) (image, float64, error) {
			if reduction < 2 {
				return image{}, 1, nil
			}
			// libwebp averages an area; the filter does the rest.
			done := reduction / webpRest
			m, err := t.load("webp", in, 1, 1/done, false)
			return m, done, err
		}
	}
	return c, err
}

// webpRest is how much of a reduction libwebp leaves to the filter.
const webpRest = 1.5

// openAnimation decodes all frames.
func (t *task) openAnimation(format string, in input) (*canvas, error) {
	all, err := t.load(format, in, 1, 1, true)
	if err != nil {
		return nil, err
	}
	n, height := all.pages()
	if all, err = t.memory(all); err != nil {
		return nil, err
	}
	c, err := t.canvas(all)
	if err != nil {
		return nil, err
	}
	all, c.frames, c.streams = c.frames[0], nil, false
	for i := range n {
		frame, err := t.crop(all, 0, i*height, all.width(), height)
		if err != nil {
			return nil, err
		}
		c.frames = append(c.frames, frame)
	}
	return c, nil
}

// openJPEG reads the header. Decoding reads the rest.
func (t *task) openJPEG(r io.Reader) (*canvas, error) {
	t.jpeg = newJPEGStream(r, t.request.Limits)
	head, err := t.jpeg.readHead()
	if err != nil {
		return nil, err
	}
	t.info = t.jpeg.scan.Info()
	t.meta = metadata.Read(imageinfo.JPEG, head)
	if err := imaging.Bearable(t.info, t.plan); err != nil {
		return nil, err
	}
	in := t.stream(t.jpeg)
	m, err := t.load("jpeg", in, 1, 1, false)
	if err != nil {
		return nil, err
	}
	c, err := t.canvas(m)
	if err != nil {
		return nil, err
	}
	c.reload = func(reduction float64) (image, float64, error) {
		// At least half of the reduction is left to the filter, which is sharper than the mean
		// of a block.
		shrink := 1
		for shrink < 8 && reduction >= float64(4*shrink) {
			shrink *= 2
		}
		if shrink == 1 {
			return image{}, 1, nil
		}
		m, err := t.load("jpeg", in, shrink, 1, false)
		return m, float64(shrink), err
	}
	return c, nil
}

// canvas returns the picture of one frame.
func (t *task) canvas(m image) (*canvas, error) {
	m, err := t.plain(m)
	if err != nil {
		return nil, err
	}
	m, manage, err := t.managed(m)
	if err != nil {
		return nil, err
	}
	c := &canvas{a: &t.arena, frames: []image{m}, streams: true, manage: manage}
	if format := loaders[t.info.ContentType]; format != "heif" && format != "jxl" { // their decoders turn the picture themselves
		c.turn = orientations[t.info.Orientation]
	}
	c.colourful = t.profile != nil && m.rgb()
	return c, nil
}

// plain converts rare kinds of pictures, such as CIELAB and floating point, to the kinds
// that the operations know: gray, colours and CMYK, in 8 or 16 bits.
func (t *task) plain(m image) (image, error) {
	var err error
	if m.wide() {
		return m, unreadTIFF("whole numbers of 32 bits")
	}
	if !m.plain() || !m.gray() && !m.rgb() && !m.cmyk() {
		if m, err = t.colours(m, false, false); err != nil {
			return m, err
		}
	}
	most := 4 // colours, or CMYK, and alpha
	switch {
	case m.gray():
		most = 2
	case m.cmyk():
		most = 5
	}
	if m.bands() > most {
		m, err = t.bandsOf(m, 0, most)
	}
	return m, err
}

// complete reports whether a decoded JPEG was whole: libjpeg fills missing parts with
// gray, and warns.
func (t *task) complete() error {
	if t.jpeg == nil {
		return nil
	}
	if text := warnings(); t.jpeg.damaged(text) {
		return job.Wrap(job.Invalid, fmt.Errorf("libjpeg warns: %s", text), damaged)
	}
	return nil
}
