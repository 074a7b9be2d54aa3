package embedded

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/png"
	"io"

	"claimcheck.example/internal/imageinfo"
	"claimcheck.example/internal/processor/imaging/metadata"
	"claimcheck.example/internal/processor/input"
)

// decodePNG hands package image/png the chunks that make the picture, in order, without
// those that the format says to ignore.
func decodePNG(ctx context.Context, data []byte, info imageinfo.Info) (image.Image, error) {
	f, err := parsePNG(data)
	if err != nil {
		return nil, err
	}
	if int(binary.BigEndian.Uint32(f.ihdr)) != info.Width || int(binary.BigEndian.Uint32(f.ihdr[4:])) != info.Height {
		return nil, png.FormatError("size")
	}
	if metadata.HighDynamicRange(info.ContentType, data) {
		return nil, unreadable("PNG", "high dynamic range by cICP")
	}
	end := pngChunk(nil, "IEND", nil)
	m, err := png.Decode(reader(ctx, f.header(), f.idat, end))
	if _, ok := errors.AsType[png.FormatError](err); ok {
		// More pixels than the picture has, or data after them.
		r, w := io.Pipe()
		go func() { w.CloseWithError(f.exactly(ctx, w)) }()
		defer r.Close()
		m, err = png.Decode(io.MultiReader(bytes.NewReader(f.header()), r, bytes.NewReader(end)))
	}
	if e, ok := errors.AsType[png.UnsupportedError](err); ok {
		return nil, unreadable("PNG", string(e))
	}
	return m, err
}

// pngFile is a PNG file (ISO/IEC 15948) in parts.
type pngFile struct {
	ihdr       []byte // the chunk's data
	plte, trns []byte // likewise
	idat       []byte // the chunks, which follow each other
}

const pngSignature = "\x89PNG\r\n\x1a\n"

func parsePNG(data []byte) (*pngFile, error) {
	f := &pngFile{}
	open := false // the last chunk was an IDAT
	for b := data[len(pngSignature):]; len(b) >= 12; {
		n := int64(binary.BigEndian.Uint32(b))
		if n+12 > int64(len(b)) {
			return nil, io.ErrUnexpectedEOF
		}
		body := b[8 : 8+n]
		switch kind := string(b[4:8]); {
		case kind == "IHDR" && f.ihdr == nil:
			f.ihdr = body
		case kind == "PLTE" && f.plte == nil:
			f.plte = body
		case kind == "tRNS" && f.trns == nil && f.idat == nil:
			f.trns = body
		case kind == "IDAT" && f.idat == nil:
			f.idat = b[:12+n]
			open = true
		case kind == "IDAT" && open:
			f.idat = f.idat[:len(f.idat)+12+int(n)]
		default:
			open = false
		}
		b = b[12+n:]
	}
	if len(f.ihdr) != 13 || f.idat == nil {
		return nil, io.ErrUnexpectedEOF
	}
	return f, nil
}

// header returns the chunks before the pixels.
func (f *pngFile) header() []byte {
	b := pngChunk([]byte(pngSignature), "IHDR", f.ihdr)
	depth, kind := f.ihdr[8], f.ihdr[9]
	plte, trns := 0, 0 // bytes allowed there
	switch kind {
	case 0:
		trns = 2
	case 2:
		trns = 6
	case 3:
		plte = min(len(f.plte), 3<<min(depth, 8))
		trns = len(f.trns)
		if trns > plte/3 {
			trns = 0
		}
	}
	if plte > 0 {
		b = pngChunk(b, "PLTE", f.plte[:plte])
	}
	if trns > 0 && len(f.trns) == trns {
		b = pngChunk(b, "tRNS", f.trns)
	}
	return b
}

// exactly writes IDAT chunks for exactly the picture's pixels.
func (f *pngFile) exactly(ctx context.Context, w io.Writer) error {
	z, err := zlib.NewReader(bufio.NewReader(input.NewReader(ctx, &idatReader{chunks: f.idat})))
	if err != nil {
		return err
	}
	out := zlibWriter(w)
	if _, err := io.CopyN(out, z, f.size()); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	return out.Close()
}

// idatReader reads the data of chunks.
type idatReader struct{ chunks, data []byte }

func (r *idatReader) Read(p []byte) (int, error) {
	for len(r.data) == 0 {
		if len(r.chunks) == 0 {
			return 0, io.EOF
		}
		end := 8 + int(binary.BigEndian.Uint32(r.chunks))
		if crc32.ChecksumIEEE(r.chunks[4:end]) != binary.BigEndian.Uint32(r.chunks[end:]) {
			return 0, png.FormatError("invalid checksum")
		}
		r.data, r.chunks = r.chunks[8:end], r.chunks[end+4:]
	}
	n := copy(p, r.data)
	r.data = r.data[n:]
	return n, nil
}

// zlibWriter writes IDAT chunks from an uncompressed stream.
func zlibWriter(w io.Writer) io.WriteCloser {
	z, _ := zlib.NewWriterLevel(chunkWriter{w}, zlib.NoCompression) // a valid level
	return z
}

// chunkWriter makes an IDAT chunk of each write.
type chunkWriter struct{ w io.Writer }

func (c chunkWriter) Write(p []byte) (int, error) {
	if _, err := c.w.Write(pngChunk(nil, "IDAT", p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// size returns the bytes of the pixels and of the filters of their rows.
func (f *pngFile) size() (n int64) {
	w, h := int64(binary.BigEndian.Uint32(f.ihdr)), int64(binary.BigEndian.Uint32(f.ihdr[4:]))
	channels := map[byte]int64{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[f.ihdr[9]]
	pass := func(x0, y0, dx, dy int64) {
		cols, rows := (w-x0+dx-1)/dx, (h-y0+dy-1)/dy
		if cols > 0 && rows > 0 {
			n += rows * (1 + (cols*channels*int64(f.ihdr[8])+7)/8)
		}
	}
	if f.ihdr[12] == 0 {
		pass(0, 0, 1, 1)
		return n
	}
	for _, p := range [7][4]int64{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}} {
		pass(p[0], p[1], p[2], p[3])
	}
	return n
}

// pngChunk appends a chunk.
func pngChunk(b []byte, kind string, body []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
	from := len(b)
	b = append(append(b, kind...), body...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[from:]))
}
