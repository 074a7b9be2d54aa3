package imageinfo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// want is what a format asks for next: size bytes at offset at of the file. With scan
// set it is the first byte 0xFF at or after at, and size is 1. The zero value asks for
// nothing more.
type want struct {
	at   int64
	size int
	scan bool
}

// maxWant bounds want.size, and so a scanner's memory.
const maxWant = 64 << 10

// format follows one file format's structure. Its next is handed exactly the bytes
// that were wanted, and where they lie; it must not keep the slice.
type format interface {
	next(at int64, b []byte) (want, error)
	tally() *tally
}

// open returns the format's machine, and its first want. A nil format: only the name
// of this one is known.
func open(contentType string, maxPixels int64) (format, want) {
	t := tally{Info: Info{ContentType: contentType}, max: maxPixels}
	switch contentType {
	case JPEG:
		return newJPEG(t)
	case PNG:
		return newPNG(t)
	case GIF:
		return newGIF(t)
	case WebP:
		return newWebP(t)
	case TIFF:
		return newTIFF(t)
	case BMP:
		return newBMP(t)
	case HEIC, AVIF:
		return newBoxes(t, &heif{})
	case JXL:
		return newJXL(t)
	}
	return nil, want{}
}

// Scanner is an io.WriteCloser through which a file streams by. Write and Close return
// ErrNotImage, a *MalformedError or a *TooManyPixelsError as soon as it is certain, and
// again from then on. The outcome does not depend on how the bytes are cut into writes.
type Scanner struct {
	maxPixels int64
	head      []byte // the first HeadSize bytes
	pos       int64  // offset of the next byte to be written
	seen      int64  // offset behind the last byte that was handed to f
	f         format // nil until the head is complete, and for formats known by name only
	detected  bool
	info      Info // while there is no f
	w         want
	buf       []byte // the beginning of what is wanted, when it lies in several writes
	err       error
}

// NewScanner returns a scanner that refuses images of more than maxPixels pixels, all
// frames together; zero or less sets no limit.
func NewScanner(maxPixels int64) *Scanner {
	return &Scanner{maxPixels: maxPixels}
}

// Write looks at the next bytes of the file.
func (s *Scanner) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if !s.detected {
		n := min(len(p), HeadSize-len(s.head))
		s.head = append(s.head, p[:n]...)
		if len(s.head) < HeadSize {
			return n, nil
		}
		if err := s.begin(); err != nil {
			return 0, err
		}
		m, err := s.Write(p[n:])
		return n + m, err
	}
	if err := s.feed(p); err != nil {
		s.err = err
		return 0, err
	}
	return len(p), nil
}

// Close says that the last byte was written. A file that ended before its size was
// told is malformed; one that was cut off later is not, but it is not Complete.
func (s *Scanner) Close() error {
	if s.err != nil {
		return s.err
	}
	if !s.detected {
		if err := s.begin(); err != nil {
			return err
		}
	}
	if s.f != nil {
		s.err = ended(s.f.tally())
	}
	return s.err
}

// Info tells what is known so far.
func (s *Scanner) Info() Info {
	if s.f == nil {
		return s.info
	}
	return s.f.tally().result()
}

// begin looks at the head, which is complete.
func (s *Scanner) begin() error {
	s.detected = true
	s.info.ContentType = Detect(s.head)
	if s.info.ContentType == "" {
		s.err = ErrNotImage
		return s.err
	}
	s.f, s.w = open(s.info.ContentType, s.maxPixels)
	s.err = s.feed(s.head)
	return s.err
}

// ended is the verdict on a file that has no more bytes.
func ended(t *tally) error {
	if t.Width == 0 && !t.unknown {
		return t.malformed("it ends before it says its size")
	}
	return nil
}

// feed hands the machine what it wants out of p, the bytes at pos.
func (s *Scanner) feed(p []byte) error {
	start := s.pos
	s.pos += int64(len(p))
	for s.f != nil && s.w.size > 0 {
		if s.w.at < s.seen {
			// It refers back. Only the head is still there.
			if s.w.scan || s.w.at+int64(s.w.size) > int64(len(s.head)) {
				s.f.tally().unknown = true
				s.w = want{}
				return nil
			}
			if err := s.step(s.w.at, s.head[s.w.at:s.w.at+int64(s.w.size)]); err != nil {
				return err
			}
			continue
		}
		from := s.w.at + int64(len(s.buf)) - start // in p
		if from >= int64(len(p)) {
			return nil
		}
		rest := p[from:]
		switch {
		case s.w.scan:
			i := bytes.IndexByte(rest, 0xff)
			if i < 0 {
				s.w.at = s.pos
				return nil
			}
			if err := s.step(start+from+int64(i), rest[i:i+1]); err != nil {
				return err
			}
		case len(s.buf) == 0 && len(rest) >= s.w.size:
			if err := s.step(s.w.at, rest[:s.w.size]); err != nil {
				return err
			}
		default:
			n := min(s.w.size-len(s.buf), len(rest))
			s.buf = append(s.buf, rest[:n]...)
			if len(s.buf) < s.w.size {
				return nil
			}
			b := s.buf
			s.buf = s.buf[:0]
			if err := s.step(s.w.at, b); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Scanner) step(at int64, b []byte) (err error) {
	s.seen = max(s.seen, at+int64(len(b)))
	s.w, err = s.f.next(at, b)
	return err
}

// ReadInfo tells what the file of size bytes in r is, with the errors of Scanner, and
// those of r with their cause. It sees what a stream cannot: structures that refer
// back. When r ends before size it answers from what there is, as for a file that was
// cut off, so that the head of a large object is enough to learn most.
func ReadInfo(r io.ReaderAt, size, maxPixels int64) (Info, error) {
	return readInfo(r, size, maxPixels, func(*tally) bool { return false })
}

// ReadSize is ReadInfo that reads on no further than it takes to know the pixels. What
// comes behind them, an orientation for instance, and whether the file is Complete, it
// does not tell.
func ReadSize(r io.ReaderAt, size, maxPixels int64) (Info, error) {
	return readInfo(r, size, maxPixels, func(t *tally) bool { return t.settled })
}

func readInfo(r io.ReaderAt, size, maxPixels int64, enough func(*tally) bool) (Info, error) {
	win := window{r: r, size: size}
	head, err := win.read(0, int(min(size, HeadSize)))
	if err != nil && !errors.Is(err, io.EOF) {
		return Info{}, fmt.Errorf("read image: %w", err)
	}
	contentType := Detect(head)
	if contentType == "" {
		return Info{}, ErrNotImage
	}
	f, w := open(contentType, maxPixels)
	if f == nil {
		return Info{ContentType: contentType}, nil
	}
	for w.size > 0 && !enough(f.tally()) {
		at, b := w.at, []byte(nil)
		if w.scan {
			at, b, err = win.scan(w.at)
		} else {
			b, err = win.read(w.at, w.size)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return f.tally().result(), fmt.Errorf("read image: %w", err)
		}
		if w, err = f.next(at, b); err != nil {
			return f.tally().result(), err
		}
	}
	return f.tally().result(), ended(f.tally())
}

// window reads a file through one buffer, so that many small wants cost few reads.
type window struct {
	r    io.ReaderAt
	size int64
	at   int64 // of buf
	buf  []byte
}

// read returns the n bytes at offset at, good until the next call; fewer only with io.EOF.
func (w *window) read(at int64, n int) ([]byte, error) {
	if at < w.at || at+int64(n) > w.at+int64(len(w.buf)) {
		if at >= w.size {
			return nil, io.EOF
		}
		if cap(w.buf) == 0 {
			w.buf = make([]byte, maxWant)
		}
		w.at, w.buf = at, w.buf[:min(maxWant, w.size-at)]
		m, err := w.r.ReadAt(w.buf, at)
		w.buf = w.buf[:m]
		if m < n {
			if err == nil {
				err = io.EOF
			}
			return w.buf, err
		}
	}
	return w.buf[at-w.at:][:n], nil
}

// scan returns the first byte 0xFF at or after at.
func (w *window) scan(at int64) (int64, []byte, error) {
	for {
		if _, err := w.read(at, 1); err != nil {
			return 0, nil, err
		}
		rest := w.buf[at-w.at:]
		if i := bytes.IndexByte(rest, 0xff); i >= 0 {
			return at + int64(i), rest[i : i+1], nil
		}
		at += int64(len(rest))
	}
}
