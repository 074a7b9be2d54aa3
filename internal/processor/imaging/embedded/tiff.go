package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"math"

	"claimcheck.example/internal/imageinfo"
)

var errTIFF = errors.New("malformed TIFF")

// Tags of TIFF 6.0.
const (
	tagWidth        = 256
	tagHeight       = 257
	tagBits         = 258
	tagCompression  = 259
	tagPhotometric  = 262
	tagFillOrder    = 266
	tagStripOffsets = 273
	tagSamples      = 277
	tagStripRows    = 278
	tagStripCounts  = 279
	tagPlanar       = 284
	tagT4Options    = 292
	tagT6Options    = 293
	tagPredictor    = 317
	tagColorMap     = 320
	tagTileWidth    = 322
	tagTileHeight   = 323
	tagTileOffsets  = 324
	tagTileCounts   = 325
	tagExtraSamples = 338
	tagSampleFormat = 339
)

// tiffFile is the first page of a TIFF 6.0 or BigTIFF file.
type tiffFile struct {
	data  []byte
	order binary.ByteOrder
	tags  map[uint16][]uint64

	w, h        int
	bits        int // a sample
	samples     int // a pixel
	compression int
	photometric int
	// alpha says how to read the sample after the colours.
	alpha tiffAlpha
	// Blocks are strips or tiles of this size.
	blockW, blockH  int
	offsets, counts []uint64
	planar          bool
	predictor       bool
}

type tiffAlpha int

const (
	opaque tiffAlpha = iota
	straightAlpha
	premultiplied
)

// decodeTIFF decodes a page of a supported kind, and refuses any other by its name.
func decodeTIFF(ctx context.Context, data []byte, info imageinfo.Info) (image.Image, error) {
	f := &tiffFile{data: data}
	if err := f.readTags(); err != nil {
		return nil, err
	}
	if err := f.settle(); err != nil {
		return nil, err
	}
	if f.w != info.Width || f.h != info.Height {
		return nil, errTIFF
	}
	return f.decode(ctx)
}

// readTags reads the numbers of the first directory.
func (f *tiffFile) readTags() error {
	d := f.data
	if len(d) < 16 {
		return errTIFF
	}
	f.order = binary.BigEndian
	if d[0] == 'I' {
		f.order = binary.LittleEndian
	}
	f.tags = map[uint16][]uint64{}
	dir, entry, inline := uint64(f.order.Uint32(d[4:])), 12, 4
	big := f.order.Uint16(d[2:]) == 43
	if big {
		dir, entry, inline = f.order.Uint64(d[8:]), 20, 8
	}
	number := func(at uint64, size int) uint64 {
		switch size {
		case 1:
			return uint64(d[at])
		case 2:
			return uint64(f.order.Uint16(d[at:]))
		case 4:
			return uint64(f.order.Uint32(d[at:]))
		}
		return f.order.Uint64(d[at:])
	}
	inside := func(at, n uint64) bool { return at <= uint64(len(d)) && n <= uint64(len(d))-at }
	head := 2
	if big {
		head = 8
	}
	if !inside(dir, uint64(head)) {
		return errTIFF
	}
	n := number(dir, head)
	at := dir + uint64(head)
	for ; n > 0 && inside(at, uint64(entry)); n, at = n-1, at+uint64(entry) {
		tag, kind := f.order.Uint16(d[at:]), f.order.Uint16(d[at+2:])
		count, value := number(at+4, inline), at+4+uint64(inline)
		size := map[uint16]int{1: 1, 3: 2, 4: 4, 13: 4, 16: 8, 18: 8}[kind] // the whole numbers
		if size == 0 || count > mostNumbers(tag) || f.tags[tag] != nil {
			continue
		}
		if count*uint64(size) > uint64(inline) {
			value = number(value, inline)
		}
		if !inside(value, count*uint64(size)) {
			continue
		}
		numbers := make([]uint64, count)
		for i := range numbers {
			numbers[i] = number(value+uint64(i*size), size)
		}
		f.tags[tag] = numbers
	}
	return nil
}

// mostNumbers bounds the numbers that are read of a tag; none of an unused tag.
func mostNumbers(tag uint16) uint64 {
	switch tag {
	case tagStripOffsets, tagStripCounts, tagTileOffsets, tagTileCounts:
		return 1 << 21
	case tagColorMap:
		return 3 << 16
	case tagWidth, tagHeight, tagBits, tagCompression, tagPhotometric, tagFillOrder, tagSamples, tagStripRows, tagPlanar, tagT4Options,
		tagT6Options, tagPredictor, tagTileWidth, tagTileHeight, tagExtraSamples, tagSampleFormat:
		return 64
	}
	return 0
}

// first returns the first number of a tag, or a default when the tag is missing.
func (f *tiffFile) first(tag uint16, missing int) int {
	if v := f.tags[tag]; len(v) > 0 {
		return int(min(v[0], math.MaxInt32))
	}
	return missing
}

// settle determines how the pixels are stored.
func (f *tiffFile) settle() error {
	f.w, f.h = f.first(tagWidth, 0), f.first(tagHeight, 0)
	f.bits, f.samples = f.first(tagBits, 1), f.first(tagSamples, 1)
	f.compression, f.photometric = f.first(tagCompression, 1), f.first(tagPhotometric, 0)
	f.planar = f.first(tagPlanar, 1) == 2 && f.samples > 1
	if f.w <= 0 || f.h <= 0 || f.samples <= 0 {
		return errTIFF
	}
	if err := f.known(); err != nil {
		return err
	}
	f.blockW, f.blockH = f.w, min(f.first(tagStripRows, f.h), f.h)
	f.offsets, f.counts = f.tags[tagStripOffsets], f.tags[tagStripCounts]
	if f.tags[tagTileWidth] != nil {
		f.blockW, f.blockH = f.first(tagTileWidth, 0), f.first(tagTileHeight, 0)
		if f.tags[tagTileOffsets] != nil {
			f.offsets, f.counts = f.tags[tagTileOffsets], f.tags[tagTileCounts]
		}
	}
	if f.blockW <= 0 || f.blockH <= 0 || f.blockW > f.w+1<<10 || f.blockH > f.h+1<<10 {
		return errTIFF
	}
	if f.counts == nil && f.compression == 1 { // as old writers do
		for range f.offsets {
			f.counts = append(f.counts, uint64(len(f.data)))
		}
	}
	return nil
}

// known refuses a kind that decode does not support.
func (f *tiffFile) known() error {
	switch f.compression {
	case 1, 5, 8, 32773, 32946:
	case 2, 3, 4:
		if f.bits != 1 || f.samples != 1 {
			return errTIFF
		}
		switch t4, t6 := f.first(tagT4Options, 0), f.first(tagT6Options, 0); {
		case f.compression == 2:
			return unread("TIFF", "fax compression without line ends")
		case f.compression == 3 && t4 != 0:
			return unread("TIFF", "Group 3 fax with options")
		case f.compression == 4 && t6 != 0:
			return unread("TIFF", "Group 4 fax with options")
		}
	case 6, 7:
		return unread("TIFF", "compressed as JPEG")
	default:
		return unread("TIFF", fmt.Sprintf("compression %d", f.compression))
	}
	for _, b := range f.tags[tagBits] {
		if int(b) != f.bits {
			return unread("TIFF", "samples of different sizes")
		}
	}
	for _, v := range f.tags[tagSampleFormat] {
		if v != 1 && v != 4 {
			return unread("TIFF", "samples that are not whole numbers")
		}
	}
	colours, depths := 1, []int{1, 2, 4, 8, 16}
	switch f.photometric {
	case 0, 1:
	case 2:
		colours, depths = 3, []int{8, 16}
	case 3:
		depths = []int{1, 2, 4, 8}
		if n := len(f.tags[tagColorMap]); n < 3<<min(f.bits, 8) {
			return errTIFF
		}
	case 5:
		return unread("TIFF", "CMYK")
	case 6:
		return unread("TIFF", "YCbCr")
	default:
		return unread("TIFF", fmt.Sprintf("colours of kind %d", f.photometric))
	}
	ok := false
	for _, d := range depths {
		ok = ok || d == f.bits
	}
	if !ok {
		return unread("TIFF", fmt.Sprintf("%d bits a sample", f.bits))
	}
	switch p := f.first(tagPredictor, 1); {
	case p == 2 && f.bits < 8:
		return unread("TIFF", "a predictor of less than 8 bits")
	case p == 2:
		f.predictor = f.compression == 5 || f.compression == 8 || f.compression == 32946
	case p != 1:
		return unread("TIFF", "a predictor of floating point")
	}
	switch extra := f.samples - colours; {
	case extra < 0:
		return errTIFF
	case extra > 1 || extra == 1 && (f.photometric == 3 || f.bits < 8):
		return unread("TIFF", "more samples than colours")
	case extra == 1 && f.first(tagExtraSamples, 2) == 1:
		f.alpha = premultiplied
	case extra == 1: // often called unspecified, or absent
		f.alpha = straightAlpha
	}
	return nil
}
