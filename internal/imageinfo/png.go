package imageinfo

import (
	"encoding/binary"
	"math"
)

// pngFile parses the chunks of a PNG file (ISO/IEC 15948). It counts the frames of an
// animation by their fcTL chunks, not by acTL's promise; a default image that is not a
// frame of the animation counts as well.
type pngFile struct {
	t     tracker
	state func(p *pngFile, at int64, b []byte) (want, error)
	end   int64 // end of the current chunk, including its checksum
	data  bool  // IDAT was seen
	// animated: acTL was seen, which comes before IDAT or not at all.
	animated bool
}

func newPNG(t tracker) (format, want) {
	return &pngFile{t: t, state: (*pngFile).header}, want{at: 8, size: 8 + 13}
}

func (p *pngFile) tracker() *tracker                     { return &p.t }
func (p *pngFile) next(at int64, b []byte) (want, error) { return p.state(p, at, b) }

func (p *pngFile) header(at int64, b []byte) (want, error) {
	if n := binary.BigEndian.Uint32(b); n != 13 || string(b[4:8]) != "IHDR" {
		return want{}, p.t.malformed("first chunk is %q of length %d", b[4:8], n)
	}
	if err := p.t.canvas(int64(binary.BigEndian.Uint32(b[8:])), int64(binary.BigEndian.Uint32(b[12:]))); err != nil {
		return want{}, err
	}
	return p.chunkAt(at + int64(len(b)) + 4), nil
}

func (p *pngFile) chunkAt(at int64) want {
	p.state = (*pngFile).chunk
	return want{at: at, size: 8}
}

func (p *pngFile) chunk(at int64, b []byte) (want, error) {
	n := binary.BigEndian.Uint32(b)
	if n > math.MaxInt32 {
		return want{}, p.t.malformed("chunk %q of length %d", b[4:8], n)
	}
	p.end = at + 8 + int64(n) + 4
	var err error
	switch string(b[4:8]) {
	case "IDAT":
		if !p.data {
			p.animated = p.animated || p.t.Frames > 0
			if p.t.Frames == 0 {
				err = p.t.frame(int64(p.t.Width), int64(p.t.Height))
			}
		}
		p.data, p.t.settled = true, !p.animated
	case "acTL":
		p.animated = true
	case "fcTL":
		// The default image was counted when IDAT came first; where an fcTL comes
		// before IDAT, that image is the animation's first frame and counts here.
		err = p.t.frame(int64(p.t.Width), int64(p.t.Height))
	case "eXIf":
		if 0 < n && n <= maxWant && p.t.Orientation == 0 {
			p.state = (*pngFile).exif
			return want{at: at + 8, size: int(n)}, nil
		}
	case "IEND":
		if !p.data {
			return want{}, p.t.malformed("it ends without a picture")
		}
		p.state = (*pngFile).last
		return want{at: p.end - 4, size: 4}, nil
	}
	return p.chunkAt(p.end), err
}

func (p *pngFile) exif(_ int64, b []byte) (want, error) {
	p.t.Orientation = exifOrientation(b)
	return p.chunkAt(p.end), nil
}

// last handles the last checksum.
func (p *pngFile) last(int64, []byte) (want, error) {
	p.t.Complete = true
	return want{}, nil
}
