// Package metadata reads the metadata of picture files and writes it into the files that
// encoders make. Every engine needs it when a job asks to keep metadata.
package metadata

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"io"
	"slices"

	"claimcheck.example/internal/imageinfo"
)

// Metadata is the part of a file beside its pixels that a job can keep.
type Metadata struct {
	ICC  []byte // the colour profile
	EXIF []byte // a TIFF structure, without the prefix of any format
}

// maxProfile bounds a colour profile in bytes; larger ones are ignored.
const maxProfile = 4 << 20

// Read finds the metadata of a file whose structure package imageinfo has checked.
// Damaged or missing parts are nil.
func Read(contentType string, data []byte) Metadata {
	switch contentType {
	case imageinfo.JPEG:
		return jpegMetadata(data)
	case imageinfo.PNG:
		return pngMetadata(data)
	case imageinfo.WebP:
		return webpMetadata(data)
	case imageinfo.TIFF:
		return tiffMetadata(data)
	case imageinfo.HEIC, imageinfo.HEIF, imageinfo.AVIF:
		return heifMetadata(data)
	}
	return Metadata{}
}

const (
	exifPrefix = "Exif\x00\x00"
	iccPrefix  = "ICC_PROFILE\x00"
)

func jpegMetadata(data []byte) (m Metadata) {
	parts := map[byte][]byte{} // parts of the profile, by number
	total := byte(0)
	for b := data[2:]; len(b) >= 4; {
		if b[0] != 0xff || b[1] == 0xff {
			b = b[1:]
			continue
		}
		n := 2 + int(binary.BigEndian.Uint16(b[2:]))
		if b[1] == 0xda || b[1] == 0xd9 || n < 4 || n > len(b) {
			break
		}
		body := b[4:n]
		if exif, ok := bytes.CutPrefix(body, []byte(exifPrefix)); ok && b[1] == 0xe1 && m.EXIF == nil {
			m.EXIF = exif
		}
		if part, ok := bytes.CutPrefix(body, []byte(iccPrefix)); ok && b[1] == 0xe2 && len(part) > 2 {
			parts[part[0]], total = part[2:], part[1]
		}
		b = b[n:]
	}
	for i := 1; i <= int(total) && parts[byte(i)] != nil && len(m.ICC) < maxProfile; i++ {
		m.ICC = append(m.ICC, parts[byte(i)]...)
	}
	if len(parts) != int(total) {
		m.ICC = nil
	}
	return m
}

func pngMetadata(data []byte) (m Metadata) {
	colour, exif := pngChunks(data)
	return Metadata{ICC: colour.profile(), EXIF: exif}
}

func pngChunks(data []byte) (c pngColour, exif []byte) {
	for b := data[8:]; len(b) >= 12; {
		n := int64(binary.BigEndian.Uint32(b))
		if n+12 > int64(len(b)) {
			break
		}
		body := b[8 : 8+n]
		switch string(b[4:8]) {
		case "IHDR":
			c.gray = n > 9 && body[9]&^4 == 0
		case "IDAT":
			c.closed = true
		case "eXIf":
			exif = body
		default:
			if !c.closed {
				c.note(string(b[4:8]), body)
			}
		}
		b = b[12+n:]
	}
	return c, exif
}

func inflate(b []byte) []byte {
	r, err := zlib.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil
	}
	out, err := io.ReadAll(io.LimitReader(r, maxProfile+1))
	if err != nil || len(out) > maxProfile {
		return nil
	}
	return out
}

func webpMetadata(data []byte) (m Metadata) {
	for kind, body := range WebPChunks(data[12:]) {
		switch kind {
		case "ICCP":
			m.ICC = body
		case "EXIF":
			m.EXIF = bytes.TrimPrefix(body, []byte(exifPrefix))
		}
	}
	return m
}

// WebPChunks walks over chunks, without entering frames.
func WebPChunks(b []byte) func(yield func(kind string, body []byte) bool) {
	return func(yield func(string, []byte) bool) {
		for len(b) >= 8 {
			n := int64(binary.LittleEndian.Uint32(b[4:]))
			if n+8 > int64(len(b)) || !yield(string(b[:4]), b[8:8+n]) {
				return
			}
			b = b[min(int64(len(b)), 8+n+n&1):]
		}
	}
}

func tiffMetadata(data []byte) (m Metadata) {
	const tagProfile = 34675
	for _, e := range tiffEntries(data) {
		if e.tag == tagProfile {
			m.ICC = e.bytes(data)
		}
	}
	return m
}

// JPEGSegments returns the metadata as JPEG application segments.
func (m Metadata) JPEGSegments() (b []byte) {
	segment := func(code byte, prefix string, body []byte) {
		b = append(b, 0xff, code)
		b = binary.BigEndian.AppendUint16(b, uint16(2+len(prefix)+len(body)))
		b = append(append(b, prefix...), body...)
	}
	const room = 0xffff - 2
	if m.EXIF != nil && len(m.EXIF) <= room-len(exifPrefix) {
		segment(0xe1, exifPrefix, m.EXIF)
	}
	parts := slices.Collect(slices.Chunk(m.ICC, room-len(iccPrefix)-2))
	if len(parts) <= 0xff {
		for i, part := range parts {
			segment(0xe2, iccPrefix+string([]byte{byte(i + 1), byte(len(parts))}), part)
		}
	}
	return b
}

// PNGChunks returns the metadata as PNG chunks.
func (m Metadata) PNGChunks() (b []byte) {
	chunk := func(kind string, body []byte) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
		from := len(b)
		b = append(append(b, kind...), body...)
		b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[from:]))
	}
	if m.ICC != nil {
		z := bytes.NewBufferString("icc\x00\x00")
		w := zlib.NewWriter(z)
		w.Write(m.ICC) // a buffer accepts everything
		w.Close()
		chunk("iCCP", z.Bytes())
	}
	if m.EXIF != nil {
		chunk("eXIf", m.EXIF)
	}
	return b
}

// Inserter writes a blob after a number of bytes.
type Inserter struct {
	W    io.Writer
	Left int // bytes before the blob
	Blob []byte
}

func (i *Inserter) Write(p []byte) (n int, err error) {
	if i.Left > 0 {
		n, err = i.W.Write(p[:min(i.Left, len(p))])
		if i.Left -= n; err != nil || i.Left > 0 {
			return n, err
		}
		p = p[n:]
	}
	if i.Blob != nil {
		if _, err := i.W.Write(i.Blob); err != nil {
			return n, err
		}
		i.Blob = nil
	}
	if len(p) == 0 {
		return n, nil
	}
	m, err := i.W.Write(p)
	return n + m, err
}

// WebPWithProfile turns a simple lossless WebP file into an extended one with a profile.
func WebPWithProfile(file, icc []byte, width, height int, alpha bool) []byte {
	flags := byte(0x20)
	if alpha {
		flags |= 0x10
	}
	le24 := func(b []byte, v int) []byte { return append(b, byte(v), byte(v>>8), byte(v>>16)) }
	b := append([]byte("RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00"), flags, 0, 0, 0)
	b = le24(le24(b, width-1), height-1)
	b = append(b, "ICCP"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(icc)))
	b = append(b, icc...)
	if len(icc)%2 == 1 {
		b = append(b, 0)
	}
	b = append(b, file[12:]...)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-8))
	return b
}

// WebPWithoutMetadata removes EXIF and XMP from a WebP file, in place: libvips 8.14
// writes EXIF even when asked to leave it out.
func WebPWithoutMetadata(file []byte) []byte {
	if len(file) < 12 {
		return file
	}
	const exif, xmp = 0x08, 0x04 // of VP8X's flags
	out := file[:12]
	for kind, body := range WebPChunks(file[12:]) {
		if kind == "EXIF" || kind == "XMP " {
			continue
		}
		if kind == "VP8X" && len(body) > 0 {
			body[0] &^= exif | xmp
		}
		out = append(out, kind...)
		out = binary.LittleEndian.AppendUint32(out, uint32(len(body)))
		if out = append(out, body...); len(body)%2 == 1 {
			out = append(out, 0)
		}
	}
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
	return out
}
