//go:build vips && linux

package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"claimcheck.example/internal/imageinfo"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging"
)

// jpegStream is a JPEG file that is decoded while it arrives.
type jpegStream struct {
	in   *bufio.Reader
	scan *imageinfo.Scanner // sees all that is read
	left int64              // bytes still allowed
	max  int64
	err  error // the error that ended reading, other than io.EOF

	pending []byte // read already, not yet passed on
	ended   bool
}

func newJPEGStream(r io.Reader, limits imaging.Limits) *jpegStream {
	s := &jpegStream{scan: imageinfo.NewScanner(limits.MaxPixels), left: limits.MaxInputBytes, max: limits.MaxInputBytes}
	s.in = bufio.NewReaderSize(&inspected{s, r}, 64<<10)
	return s
}

// inspected is the arriving file, bounded and seen by the scanner.
type inspected struct {
	s *jpegStream
	r io.Reader
}

func (i *inspected) Read(p []byte) (int, error) {
	n, err := i.r.Read(p)
	if i.s.left -= int64(n); i.s.left < 0 {
		return 0, job.Errorf(job.TooLarge, "the image has more than %d bytes, the most that is processed", i.s.max)
	}
	if _, serr := i.s.scan.Write(p[:n]); serr != nil {
		return 0, imaging.Refusal(serr)
	}
	if err == io.EOF {
		if serr := i.s.scan.Close(); serr != nil {
			return 0, imaging.Refusal(serr)
		}
	}
	return n, err
}

// maxHead bounds all before the first scan of a JPEG: profile, thumbnails, notes of the
// camera.
const maxHead = 32 << 20

// readHead reads up to the first scan, and keeps what it read for libjpeg.
func (s *jpegStream) readHead() ([]byte, error) {
	// The scanner knows nothing of a file shorter than HeadSize before its end.
	if _, err := s.in.Peek(imageinfo.HeadSize); err != nil && err != io.EOF {
		return nil, err
	}
	var head bytes.Buffer
	take := func(n int) error {
		if head.Len()+n > maxHead {
			return job.Errorf(job.Invalid, "the image has more than %d bytes of metadata", maxHead)
		}
		_, err := io.CopyN(&head, s.in, int64(n))
		return err
	}
	next := func() (byte, error) {
		if err := take(1); err != nil {
			return 0, err
		}
		return head.Bytes()[head.Len()-1], nil
	}
	err := func() error {
		if err := take(2); err != nil { // SOI
			return err
		}
		for {
			b, err := next()
			if err != nil {
				return err
			}
			if b != 0xff {
				continue
			}
			for b == 0xff {
				if b, err = next(); err != nil {
					return err
				}
			}
			if b == 0x00 || b == 0x01 || 0xd0 <= b && b <= 0xd9 { // without a length
				continue
			}
			if err := take(2); err != nil {
				return err
			}
			n := int(binary.BigEndian.Uint16(head.Bytes()[head.Len()-2:]))
			if err := take(max(n-2, 0)); err != nil {
				return err
			}
			if b == 0xda {
				return nil
			}
		}
	}()
	s.pending = head.Bytes()
	if err != nil && err != io.EOF {
		return nil, err
	}
	return s.pending, nil
}

// Read implements io.Reader. It appends one more end marker: libjpeg treats a missing one
// as a truncated picture, and this way reports only parts that are really missing.
func (s *jpegStream) Read(p []byte) (n int, err error) {
	if len(s.pending) > 0 {
		n = copy(p, s.pending)
		s.pending = s.pending[n:]
		return n, nil
	}
	if s.ended || s.err != nil {
		return 0, io.EOF
	}
	n, err = s.in.Read(p)
	switch {
	case n > 0:
		return n, nil
	case err == io.EOF:
		s.ended = true
		s.pending = []byte{0xff, 0xd9}
		return s.Read(p)
	}
	s.err = fmt.Errorf("read input: %w", err)
	return 0, err
}

// damaged interprets libjpeg's warnings about the decoded picture. In a file with an end
// marker, stray bytes between markers do no harm.
func (s *jpegStream) damaged(warnings string) bool {
	return warnings != "" && (!s.scan.Info().Complete || strings.Contains(warnings, "premature end"))
}
