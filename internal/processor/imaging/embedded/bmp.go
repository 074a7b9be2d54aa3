package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"image"
	"io"

	"golang.org/x/image/bmp"

	"claimcheck.example/internal/imageinfo"
)

// decodeBMP hands the picture to package bmp under the one header that it knows, whatever
// header the file has.
func decodeBMP(ctx context.Context, data []byte, info imageinfo.Info) (image.Image, error) {
	f, err := parseBMP(data)
	if err != nil {
		return nil, err
	}
	if int(f.w) != info.Width || int(max(f.h, -f.h)) != info.Height {
		return nil, errBMP
	}
	m, err := bmp.Decode(reader(ctx, f.header(), f.pixels))
	if err != nil {
		return nil, err
	}
	if n, ok := m.(*image.NRGBA); ok {
		f.arrange(n.Pix)
	}
	return m, nil
}

// bmpFile is a Windows or OS/2 bitmap in parts.
type bmpFile struct {
	w, h    int32 // h is negative when the top row comes first
	bits    uint16
	palette []byte // 4 bytes a colour
	pixels  []byte
	// order has the place of red, green, blue and alpha among four bytes; 4 means no alpha.
	order [4]int
}

var errBMP = errors.New("malformed BMP")

func parseBMP(data []byte) (*bmpFile, error) {
	le := binary.LittleEndian
	if len(data) < 26 {
		return nil, io.ErrUnexpectedEOF
	}
	size := int(le.Uint32(data[14:]))
	if size < 12 || 14+size > len(data) {
		return nil, io.ErrUnexpectedEOF
	}
	f := &bmpFile{order: [4]int{2, 1, 0, 4}}
	h := data[14 : 14+size]
	var compression, colours uint32
	entry := 4
	if size == 12 {
		f.w, f.h, f.bits, entry = int32(le.Uint16(h[4:])), int32(le.Uint16(h[6:])), le.Uint16(h[10:]), 3
	} else {
		f.w, f.h, f.bits = int32(le.Uint32(h[4:])), int32(le.Uint32(h[8:])), le.Uint16(h[14:])
		if size >= 20 {
			compression = le.Uint32(h[16:])
		}
		if size >= 36 {
			colours = le.Uint32(h[32:])
		}
	}
	at := 14 + size
	switch {
	case (size == 16 || size == 64) && compression > 2:
		return nil, unreadable("BMP", "OS/2 compression")
	case compression == 1 || compression == 2:
		return nil, unreadable("BMP", "run lengths")
	case compression == 4 || compression == 5:
		return nil, unreadable("BMP", "JPEG or PNG inside")
	case compression > 6:
		return nil, unreadable("BMP", "unknown compression")
	case f.bits == 16:
		return nil, unreadable("BMP", "16 bits a pixel")
	case f.bits == 32 && compression != 0:
		masks := h[min(40, size):]
		if size == 40 {
			n := 12
			if compression == 6 {
				n = 16
			}
			if at+n > len(data) {
				return nil, io.ErrUnexpectedEOF
			}
			masks = data[at : at+n]
			at += n
		}
		for i := range f.order {
			f.order[i] = 4
			if 4*i+4 > len(masks) {
				continue
			}
			switch le.Uint32(masks[4*i:]) {
			case 0:
			case 0xff:
				f.order[i] = 0
			case 0xff00:
				f.order[i] = 1
			case 0xff0000:
				f.order[i] = 2
			case 0xff000000:
				f.order[i] = 3
			default:
				return nil, unreadable("BMP", "channels of other than 8 bits")
			}
		}
		if f.order[0] == 4 || f.order[1] == 4 || f.order[2] == 4 {
			return nil, unreadable("BMP", "channels of other than 8 bits")
		}
	case f.bits == 32 && size >= 108:
		f.order[3] = 3
	case f.bits != 1 && f.bits != 2 && f.bits != 4 && f.bits != 8 && f.bits != 24 && f.bits != 32:
		return nil, unreadable("BMP", "an unusual number of bits a pixel")
	}
	offset := int64(le.Uint32(data[10:]))
	if f.bits <= 8 {
		n := 1 << f.bits
		if 0 < colours && colours < uint32(n) {
			n = int(colours)
		}
		if offset > int64(at) {
			n = min(n, int(offset-int64(at))/entry)
		}
		f.palette = make([]byte, 4<<f.bits) // indices beyond it are black
		for i := range n {
			if at+entry > len(data) {
				return nil, io.ErrUnexpectedEOF
			}
			copy(f.palette[4*i:], data[at:at+3])
			at += entry
		}
	}
	if offset < int64(14+size) || offset > int64(len(data)) {
		return nil, errBMP
	}
	f.pixels = data[offset:]
	return f, nil
}

// header returns the header that a file of the same picture has under Windows 3 or, with
// four channels, Windows 95.
func (f *bmpFile) header() []byte {
	size := uint32(40)
	if f.bits == 32 {
		size = 108
	}
	le := binary.LittleEndian
	b := append([]byte("BM"), make([]byte, 8)...)
	b = le.AppendUint32(b, 14+size+uint32(len(f.palette)))
	b = le.AppendUint32(b, size)
	b = le.AppendUint32(b, uint32(f.w))
	b = le.AppendUint32(b, uint32(f.h))
	b = le.AppendUint16(le.AppendUint16(b, 1), f.bits)
	b = append(b, make([]byte, 14+size-uint32(len(b)))...)
	if f.bits <= 8 {
		le.PutUint32(b[14+32:], 1<<f.bits)
	}
	return append(b, f.palette...)
}

// arrange moves channels that were read as blue, green, red and alpha to their places.
// When all pixels are transparent it makes them opaque: many programs leave the fourth
// byte at zero.
func (f *bmpFile) arrange(pix []byte) {
	alpha := byte(0)
	for i := 0; i < len(pix); i += 4 {
		raw := [5]byte{pix[i+2], pix[i+1], pix[i], pix[i+3], 0xff}
		for c, at := range f.order {
			pix[i+c] = raw[at]
		}
		alpha |= pix[i+3]
	}
	if alpha == 0 {
		for i := 3; i < len(pix); i += 4 {
			pix[i] = 0xff
		}
	}
}
