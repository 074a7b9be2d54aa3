package embedded

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"slices"

	"claimcheck.example/internal/imageinfo"
)

// decodeJPEG decodes what package image/jpeg decodes correctly and refuses the rest. It
// repairs headers first: missing Huffman tables of a camera, a missing end, a missing or
// misplaced marker of the colours.
func decodeJPEG(ctx context.Context, data []byte, info imageinfo.Info) (image.Image, error) {
	f, err := parseJPEG(data)
	if err != nil {
		return nil, err
	}
	if f.w != info.Width || f.h != info.Height {
		return nil, jpeg.FormatError("size")
	}
	if err := f.decodable(); err != nil {
		return nil, err
	}
	m, err := jpeg.Decode(reader(ctx, append([][]byte{f.header()}, append(f.scans, []byte("\xff\xd9"))...)...))
	if e, ok := errors.AsType[jpeg.UnsupportedError](err); ok {
		return nil, unread("JPEG", string(e))
	}
	return m, err
}

// jpegFile is a JPEG file (ITU-T T.81) in parts.
type jpegFile struct {
	frame      byte // its marker, SOF0 to SOF15
	precision  byte
	w, h       int
	components []jpegComponent
	tables     []byte // DQT, DHT and DRI segments before the first scan
	jfif       bool
	adobe      bool
	transform  byte // Adobe's
	huffman    bool // the file has a Huffman table
	// scans are the parts of the picture in the file from the first SOS on.
	scans   [][]byte
	end     int // of the last scan
	restart []jpegRestart
}

type jpegComponent struct {
	id, h, v byte
	table    byte
}

// jpegRestart is a scan of one component.
type jpegRestart struct {
	component int
	interval  int // zero: no restart markers
}

func parseJPEG(data []byte) (*jpegFile, error) {
	f := &jpegFile{}
	interval := 0
	for at := 2; ; {
		// Skip anything before a marker, as libjpeg does.
		i := bytes.IndexByte(data[at:], 0xff)
		if i < 0 || at+i+1 >= len(data) {
			break
		}
		at += i
		code := data[at+1]
		if code == 0xff { // padding
			at++
			continue
		}
		if code <= 1 || code >= 0xd0 && code <= 0xd8 { // without a length
			at += 2
			continue
		}
		if code == 0xd9 || at+4 > len(data) {
			break
		}
		end := at + 2 + int(binary.BigEndian.Uint16(data[at+2:]))
		if end > len(data) || end < at+4 {
			break
		}
		segment, body := data[at:end], data[at+4:end]
		at = end
		inScans := len(f.scans) > 0
		switch {
		case code == 0xc4 || code == 0xdb: // DHT, DQT
			f.huffman = f.huffman || code == 0xc4
			if inScans {
				f.add(data, at-len(segment), at)
			} else {
				f.tables = append(f.tables, segment...)
			}
		case code == 0xdd && len(body) >= 2: // DRI
			interval = int(binary.BigEndian.Uint16(body))
			if inScans {
				f.add(data, at-len(segment), at)
			} else {
				f.tables = append(f.tables, segment...)
			}
		case code == 0xe0 && bytes.HasPrefix(body, []byte("JFIF\x00")):
			f.jfif = true
		case code == 0xee && len(body) >= 12 && bytes.HasPrefix(body, []byte("Adobe")):
			f.adobe, f.transform = true, body[11]
		case code >= 0xc0 && code <= 0xcf && code != 0xc8 && code != 0xcc && f.frame == 0:
			if len(body) < 6 || len(body) < 6+3*int(body[5]) {
				return nil, jpeg.FormatError("short frame header")
			}
			f.frame, f.precision = code, body[0]
			f.h, f.w = int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:]))
			for c := range int(body[5]) {
				b := body[6+3*c:]
				f.components = append(f.components, jpegComponent{b[0], b[1] >> 4, b[1] & 15, b[2]})
			}
		case code == 0xda:
			from := at - len(segment)
			at = scanEnd(data, at)
			f.add(data, from, at)
			if len(body) > 1 && body[0] == 1 && len(f.restart) <= mostParts {
				c := slices.IndexFunc(f.components, func(c jpegComponent) bool { return c.id == body[1] })
				f.restart = append(f.restart, jpegRestart{c, interval})
			}
		}
	}
	if len(f.scans) > mostParts || len(f.restart) > mostParts {
		return nil, jpeg.FormatError("too many segments")
	}
	if f.frame == 0 || len(f.scans) == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	return f, nil
}

// mostParts bounds the parts of a file, since each takes memory.
const mostParts = 1 << 12

// add adds a part of the file to the scans.
func (f *jpegFile) add(data []byte, from, to int) {
	if last := len(f.scans) - 1; last >= 0 && f.end == from {
		f.scans[last] = data[from-len(f.scans[last]) : to]
	} else if len(f.scans) <= mostParts {
		f.scans = append(f.scans, data[from:to])
	}
	f.end = to
}

// scanEnd returns the position of the marker that ends the entropy-coded data at at.
func scanEnd(data []byte, at int) int {
	for {
		i := bytes.IndexByte(data[at:], 0xff)
		if i < 0 || at+i+1 >= len(data) {
			return len(data)
		}
		at += i
		if c := data[at+1]; c != 0 && c != 0xff && (c < 0xd0 || c > 0xd7) {
			return at
		}
		at++
	}
}

// decodable refuses what package image/jpeg cannot decode, or decodes wrongly.
func (f *jpegFile) decodable() error {
	switch {
	case f.frame == 0xc3 || f.frame == 0xcb:
		return unreadable("JPEG", "lossless coding")
	case f.frame > 0xc8:
		return unread("JPEG", "arithmetic coding")
	case f.frame > 0xc2:
		return unreadable("JPEG", "hierarchical coding")
	case f.precision != 8:
		return unreadable("JPEG", "more than 8 bits a sample")
	}
	switch n := len(f.components); {
	case n == 1:
		return nil
	case n != 3 && n != 4:
		return unreadable("JPEG", fmt.Sprintf("%d components", n))
	case n == 4 && !f.adobe:
		return unread("JPEG", "CMYK without Adobe's marker")
	}
	first := f.components[0]
	for i, c := range f.components {
		if c.h < 1 || c.v < 1 || c.h > 4 || c.v > 4 {
			return jpeg.FormatError("sampling factor")
		}
		if c.h == 3 || c.v == 3 || first.h%c.h != 0 || first.v%c.v != 0 || first.v == 4 ||
			i == 2 && (c.h != f.components[1].h || c.v != f.components[1].v) {
			return unread("JPEG", "unusual sampling of the colours")
		}
	}
	if last := f.components[1]; len(f.components) == 3 && f.isRGB() && (last.h != first.h || last.v != first.v) {
		return unread("JPEG", "red, green and blue of different sampling")
	}
	for _, r := range f.restart {
		if r.component < 0 {
			continue
		}
		c := f.components[r.component]
		if r.interval > 0 && c.h*c.v > 1 {
			return unread("JPEG", "restart markers in a scan of one component")
		}
		// Package image/jpeg counts the blocks of a component by the picture's size.
		across := func(pixels, most, factor int) (right, counted int) {
			right = (((pixels*factor+most-1)/most + 7) / 8)
			counted = min((pixels+8*most-1)/(8*most)*factor, (pixels+7)/8)
			return right, counted
		}
		right, counted := across(f.w, int(first.h), int(c.h))
		rightV, countedV := across(f.h, int(first.v), int(c.v))
		if right != counted || rightV != countedV {
			return unread("JPEG", "unusual sampling of the colours")
		}
	}
	return nil
}

// header returns all before the first scan, in a form that states the colours as libjpeg
// infers them.
func (f *jpegFile) header() []byte {
	b := []byte("\xff\xd8")
	switch {
	case len(f.components) == 4:
		b = append(b, "\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"...)
		b = append(b, f.transform)
	case len(f.components) == 3 && f.isRGB():
		b = append(b, "\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"...)
	default:
		b = append(b, "\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"...)
	}
	if !f.huffman {
		b = append(b, standardHuffman()...)
	}
	b = append(b, f.tables...)
	frame := f.frame
	if frame == 0xc0 { // extended: the same with tables 2 and 3 allowed
		frame = 0xc1
	}
	b = append(b, 0xff, frame)
	b = binary.BigEndian.AppendUint16(b, uint16(8+3*len(f.components)))
	b = append(b, f.precision)
	b = binary.BigEndian.AppendUint16(b, uint16(f.h))
	b = binary.BigEndian.AppendUint16(b, uint16(f.w))
	b = append(b, byte(len(f.components)))
	for _, c := range f.components {
		if len(f.components) == 1 {
			c.h, c.v = 1, 1 // other factors mean the same here
		}
		b = append(b, c.id, c.h<<4|c.v, c.table)
	}
	return b
}

func (f *jpegFile) isRGB() bool {
	switch {
	case f.jfif:
		return false
	case f.adobe:
		return f.transform == 0
	}
	c := f.components
	return c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B'
}

// standardHuffman returns a DHT segment with the tables of T.81, annex K.3, which frames
// of Motion JPEG omit. The encoder of the standard library writes them into every file.
func standardHuffman() []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewRGBA(image.Rect(0, 0, 1, 1)), nil); err != nil {
		return nil // a buffer accepts everything
	}
	f, err := parseJPEG(b.Bytes())
	if err != nil {
		return nil
	}
	return f.tables // with quantization tables, which the file's own replace
}
