package imageinfo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// want says what a format needs next: size bytes at offset at of the file. With scan set
// it is the first byte 0xFF at or after at, and size is 1. The zero value means nothing
// more.
type want struct {
	at   int64
	size int
	scan bool
}

// maxWant bounds want.size, and so a scanner's memory.
const maxWant = 64 << 10

// format parses the structure of one file format. Its next receives exactly the wanted
// bytes and their offset; it must not keep the slice.
type format interface {
	next(at int64, b []byte) (want, error)
	tracker() *tracker
}

// open returns the parser of a format, and its first want. A nil format: only the
// format's name is known.
func open(contentType string, maxPixels int64) (format, want) {
	t := tracker{Info: Info{ContentType: contentType}, max: maxPixels}
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

// Scanner is an io.WriteCloser that inspects a file while it streams through. Write and
// Close return ErrNotImage, a *MalformedError or a *TooManyPixelsError as soon as it is
// certain, and again from then on. The result does not depend on how the bytes are split
// into writes.
type Scanner struct {
	maxPixels int64
	head      []byte // the first HeadSize bytes
	pos       int64  // offset of the next written byte
	seen      int64  // offset after the last byte given to f
	f         format // nil until the head is complete, and for formats that are not parsed
	detected  bool
	info      Info // used while f is nil
	w         want
	buf       []byte // the beginning of the wanted bytes, when several writes contain them
	err       error
}

// NewScanner returns a scanner that refuses images of more than maxPixels pixels, all
// frames together; zero or less sets no limit.
func NewScanner(maxPixels int64) *Scanner {
	return &Scanner{maxPixels: maxPixels}
}

// Write inspects the next bytes of the file.
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

// Close says that the file is complete. A file that ends before its size is known is
// malformed; one that is cut off later is not, but it is not Complete.
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
		s.err = ended(s.f.tracker())
	}
	return s.err
}

// Info returns what is known so far.
func (s *Scanner) Info() Info {
	if s.f == nil {
		return s.info
	}
	return s.f.tracker().result()
}

// begin inspects the complete head.
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

// ended returns the verdict on a file that has ended.
func ended(t *tracker) error {
	if t.Width == 0 && !t.unknown {
		return t.malformed("it ends before it says its size")
	}
	return nil
}

// feed gives the parser the bytes it wants from p, the bytes at pos.
func (s *Scanner) feed(p []byte) error {
	start := s.pos
	s.pos += int64(len(p))
	for s.f != nil && s.w.size > 0 {
		if s.w.at < s.seen {
			// It refers back. Only the head is still in memory.
			if s.w.scan || s.w.at+int64(s.w.size) > int64(len(s.head)) {
				s.f.tracker().unknown = true
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

// ReadInfo describes the file of size bytes in r, with the errors of Scanner, and those
// of r with their cause. It also parses what a stream cannot: structures that refer back.
// When r ends before size it answers as for a truncated file, so that the head of a large
// object is usually enough.
func ReadInfo(r io.ReaderAt, size, maxPixels int64) (Info, error) {
	return readInfo(r, size, maxPixels, func(*tracker) bool { return false })
}

// ReadSize is ReadInfo that stops once it knows the pixels. It does not return what comes
// after them, such as an orientation, nor whether the file is Complete.
func ReadSize(r io.ReaderAt, size, maxPixels int64) (Info, error) {
	return readInfo(r, size, maxPixels, func(t *tracker) bool { return t.settled })
}

func readInfo(r io.ReaderAt, size, maxPixels int64, enough func(*tracker) bool) (Info, error) {
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
	for w.size > 0 && !enough(f.tracker()) {
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
			return f.tracker().result(), fmt.Errorf("read image: %w", err)
		}
		if w, err = f.next(at, b); err != nil {
			return f.tracker().result(), err
		}
	}
	return f.tracker().result(), ended(f.tracker())
}

// window reads a file through one buffer, so that many small reads become few.
type window struct {
	r    io.ReaderAt
	size int64
	at   int64 // of buf
	buf  []byte
}

// read returns the n bytes at offset at, valid until the next call; fewer only with
// io.EOF.
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
