//go:build vips && linux

package main

/*
#cgo pkg-config: vips gmodule-2.0
#cgo LDFLAGS: -ldl
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"io"
	"runtime/cgo"
	"strings"
	"unsafe"
)

// libvipsVersion returns the version of the linked library.
func libvipsVersion() string {
	return fmt.Sprintf("%d.%d.%d", C.vips_version(0), C.vips_version(1), C.vips_version(2))
}

// start loads libvips and the plugins that the engine needs.
func start() error {
	if C.engine_start() != 0 {
		return fmt.Errorf("libvips does not start: %w", lastError())
	}
	return nil
}

// tidy returns memory that a job left in the C library.
func tidy() { C.engine_tidy() }

// has reports whether libvips has an operation.
func has(operation string) bool {
	name := C.CString(operation)
	defer C.free(unsafe.Pointer(name))
	return C.engine_has(name) != 0
}

// lastError returns libvips' messages since the last call.
func lastError() error {
	text := warnings()
	if text == "" {
		text = "no reason given"
	}
	return errors.New(text)
}

// warnings returns the same as text, empty when there is nothing.
func warnings() string {
	text := strings.TrimSpace(C.GoString(C.vips_error_buffer()))
	C.vips_error_clear()
	return text
}

// arena holds the objects of libvips that a job creates, and releases them at its end.
type arena struct {
	objects []C.gpointer
	handles []cgo.Handle
}

func (a *arena) free() {
	for i := len(a.objects) - 1; i >= 0; i-- {
		C.g_object_unref(a.objects[i])
	}
	for _, h := range a.handles {
		h.Delete()
	}
	*a = arena{}
}

func (a *arena) handle(v any) C.guint64 {
	h := cgo.NewHandle(v)
	a.handles = append(a.handles, h)
	return C.guint64(h)
}

// image is an image of libvips: usually a recipe, whose pixels are computed on demand.
type image struct{ p *C.VipsImage }

func (m image) width() int  { return int(m.p.Xsize) }
func (m image) height() int { return int(m.p.Ysize) }
func (m image) bands() int  { return int(m.p.Bands) }
func (m image) deep() bool  { return m.p.BandFmt == C.VIPS_FORMAT_USHORT }
func (m image) alpha() bool { return C.vips_image_hasalpha(m.p) != 0 }

func (m image) plain() bool {
	return m.p.BandFmt == C.VIPS_FORMAT_UCHAR || m.p.BandFmt == C.VIPS_FORMAT_USHORT
}

// wide reports whether samples are 32-bit integers, whose white level is unknown.
func (m image) wide() bool {
	return m.p.BandFmt == C.VIPS_FORMAT_UINT || m.p.BandFmt == C.VIPS_FORMAT_INT
}

func (m image) gray() bool {
	return m.p.Type == C.VIPS_INTERPRETATION_B_W || m.p.Type == C.VIPS_INTERPRETATION_GREY16
}

func (m image) rgb() bool {
	return m.p.Type == C.VIPS_INTERPRETATION_sRGB || m.p.Type == C.VIPS_INTERPRETATION_RGB16
}

func (m image) cmyk() bool { return m.p.Type == C.VIPS_INTERPRETATION_CMYK }

// pages returns the number and height of the frames that are stacked in the image.
func (m image) pages() (n, height int) {
	height = int(C.vips_image_get_page_height(m.p))
	return m.height() / height, height
}

// blob returns a copy of a piece of metadata, nil when it is absent.
func (m image) blob(name string) []byte {
	field := C.CString(name)
	defer C.free(unsafe.Pointer(field))
	if C.vips_image_get_typeof(m.p, field) == 0 {
		return nil
	}
	var data unsafe.Pointer
	var size C.size_t
	if C.vips_image_get_blob(m.p, field, &data, &size) != 0 {
		C.vips_error_clear()
		return nil
	}
	return C.GoBytes(data, C.int(size))
}

// step makes an image from others, by one of the functions in shim.c.
func (a *arena) step(f func(out **C.VipsImage) C.int) (image, error) {
	var out *C.VipsImage
	if f(&out) != 0 {
		return image{}, lastError()
	}
	a.objects = append(a.objects, C.gpointer(out))
	return image{out}, nil
}

// input is the source of a loader: memory that Go does not manage, or, for a JPEG, a
// stream that is read once.
type input struct {
	data   []byte
	source *C.VipsSource
}

// stream returns r as an input.
func (a *arena) stream(r io.Reader) input {
	s := C.engine_source(a.handle(r))
	a.objects = append(a.objects, C.gpointer(s))
	return input{source: s}
}

//export engineRead
func engineRead(handle C.guint64, buffer unsafe.Pointer, length C.gint64) C.gint64 {
	n, err := cgo.Handle(handle).Value().(io.Reader).Read(unsafe.Slice((*byte)(buffer), length))
	if n == 0 && err != nil && err != io.EOF {
		return -1
	}
	return C.gint64(n)
}

// load opens a file. It reads the header now and the pixels on demand.
func (a *arena) load(format string, in input, shrink int, scale float64, all bool) (image, error) {
	name := C.CString(format)
	defer C.free(unsafe.Pointer(name))
	o := C.LoadOptions{shrink: C.int(shrink), scale: C.double(scale), pages: 1}
	if all {
		o.pages = -1
	}
	return a.step(func(out **C.VipsImage) C.int {
		return C.engine_load(name, in.source, unsafe.Pointer(unsafe.SliceData(in.data)), C.size_t(len(in.data)), o, out)
	})
}

// saving holds the options of a written file.
type saving struct {
	format   string
	quality  int // 1 to 100, where the file is lossy
	lossless bool
	profile  bool // whether to write the image's profile; never for JPEG and PNG
}

// save evaluates the image and writes it as a file. Progress receives per cents.
func (a *arena) save(m image, s saving, w io.Writer, progress func(percent int)) error {
	m, err := a.step(func(out **C.VipsImage) C.int { return C.engine_strip(m.p, out, flag(s.profile)) })
	if err != nil {
		return err
	}
	name := C.CString(s.format)
	defer C.free(unsafe.Pointer(name))
	C.engine_watch(m.p, a.handle(progress))
	target := C.engine_target(a.handle(w))
	a.objects = append(a.objects, C.gpointer(target))
	o := C.SaveOptions{quality: C.int(s.quality), lossless: flag(s.lossless), profile: flag(s.profile)}
	if C.engine_save(name, m.p, target, o) != 0 {
		return lastError()
	}
	return nil
}

func flag(b bool) C.int {
	if b {
		return 1
	}
	return 0
}

//export engineWrite
func engineWrite(handle C.guint64, buffer unsafe.Pointer, length C.gint64) C.gint64 {
	n, err := cgo.Handle(handle).Value().(io.Writer).Write(unsafe.Slice((*byte)(buffer), length))
	if err != nil {
		return -1
	}
	return C.gint64(n)
}

//export engineProgress
func engineProgress(handle C.guint64, percent C.int) {
	cgo.Handle(handle).Value().(func(int))(int(percent))
}

// memory evaluates the image, so that its pixels can be read in any order.
func (a *arena) memory(m image) (image, error) {
	return a.step(func(out **C.VipsImage) C.int { return C.engine_memory(m.p, out) })
}

// pixels returns an image of samples in memory that Go does not manage.
func (a *arena) pixels(data []byte, width, height, bands int, deep bool) (image, error) {
	format := C.VipsBandFormat(C.VIPS_FORMAT_UCHAR)
	if deep {
		format = C.VIPS_FORMAT_USHORT
	}
	return a.step(func(out **C.VipsImage) C.int {
		return C.engine_pixels(unsafe.Pointer(unsafe.SliceData(data)), C.size_t(len(data)), C.int(width), C.int(height), C.int(bands), format, out)
	})
}

func (a *arena) crop(m image, left, top, width, height int) (image, error) {
	return a.step(func(out **C.VipsImage) C.int {
		return C.engine_crop(m.p, out, C.int(left), C.int(top), C.int(width), C.int(height))
	})
}

// resize scales the image to a size.
func (a *arena) resize(m image, width, height int) (image, error) {
	across, down := float64(width)/float64(m.width()), float64(height)/float64(m.height())
	return a.step(func(out **C.VipsImage) C.int { return C.engine_resize(m.p, out, C.double(across), C.double(down)) })
}

func (a *arena) rotate(m image, quarters int) (image, error) {
	return a.step(func(out **C.VipsImage) C.int { return C.engine_rotate(m.p, out, C.int(quarters)) })
}

func (a *arena) mirror(m image) (image, error) {
	return a.step(func(out **C.VipsImage) C.int { return C.engine_mirror(m.p, out) })
}

// desaturate makes colours gray, in three equal channels where a profile for colours
// stays.
func (a *arena) desaturate(m image, three bool) (image, error) {
	return a.step(func(out **C.VipsImage) C.int { return C.engine_gray(m.p, out, flag(three)) })
}

func (a *arena) blur(m image, sigma float64) (image, error) {
	return a.step(func(out **C.VipsImage) C.int { return C.engine_blur(m.p, out, C.double(sigma)) })
}

func (a *arena) sharpen(m image, sigma, amount float64) (image, error) {
	return a.step(func(out **C.VipsImage) C.int { return C.engine_sharpen(m.p, out, C.double(sigma), C.double(amount)) })
}

// onWhite blends the image onto white.
func (a *arena) onWhite(m image) (image, error) {
	return a.step(func(out **C.VipsImage) C.int { return C.engine_white(m.p, out) })
}

// transparent reports whether some pixel is not opaque.
func (a *arena) transparent(m image) (bool, error) {
	alpha, err := a.bandsOf(m, m.bands()-1, 1)
	if err != nil {
		return false, err
	}
	var lowest C.double
	if C.engine_lowest(alpha.p, &lowest) != 0 {
		return false, lastError()
	}
	if m.deep() {
		return lowest < 0xffff, nil
	}
	return lowest < 0xff, nil
}

// bandsOf returns a number of channels, from first on.
func (a *arena) bandsOf(m image, first, n int) (image, error) {
	return a.step(func(out **C.VipsImage) C.int { return C.engine_bands(m.p, out, C.int(first), C.int(n)) })
}

// colours converts CIELAB, floating point, 16 and 8 bits by libvips' own tables.
func (a *arena) colours(m image, gray, deep bool) (image, error) {
	to := C.VipsInterpretation(C.VIPS_INTERPRETATION_sRGB)
	switch {
	case gray && deep:
		to = C.VIPS_INTERPRETATION_GREY16
	case gray:
		to = C.VIPS_INTERPRETATION_B_W
	case deep:
		to = C.VIPS_INTERPRETATION_RGB16
	}
	return a.step(func(out **C.VipsImage) C.int { return C.engine_colours(m.p, out, to) })
}

// toSRGB converts from the image's profile.
func (a *arena) toSRGB(m image) (image, error) {
	return a.step(func(out **C.VipsImage) C.int { return C.engine_icc(m.p, out) })
}

// withProfile returns the image with that profile attached.
func (a *arena) withProfile(m image, icc []byte) (image, error) {
	data := C.CBytes(icc)
	defer C.free(data)
	return a.step(func(out **C.VipsImage) C.int { return C.engine_set_profile(m.p, out, data, C.size_t(len(icc))) })
}

// stack stacks frames of one size, as an animation.
func (a *arena) stack(frames []image) (image, error) {
	ps := make([]*C.VipsImage, len(frames))
	for i, m := range frames {
		ps[i] = m.p
	}
	list := C.CBytes(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(ps))), len(ps)*int(unsafe.Sizeof(ps[0]))))
	defer C.free(list)
	return a.step(func(out **C.VipsImage) C.int {
		return C.engine_stack((**C.VipsImage)(list), C.int(len(ps)), C.int(frames[0].height()), out)
	})
}
