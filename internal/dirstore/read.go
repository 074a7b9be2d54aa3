package dirstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"claimcheck.example/internal/job"
)

// Open implements job.Objects. The body reads the file as it was at the time of Open, even if
// the object is removed or replaced meanwhile.
func (s *Store) Open(ctx context.Context, section job.Section, id job.ID, opts job.OpenOptions) (*job.Content, error) {
	f, c, err := s.open(ctx, section, id)
	if err != nil {
		return nil, err
	}
	if opts.IfNoneMatch == c.Tag {
		c.NotModified, c.Size, c.Body = true, 0, io.NopCloser(bytes.NewReader(nil))
		f.Close()
		return c, nil
	}
	begin := int64(0)
	if opts.Range != "" {
		first, length, ok, err := parseRange(opts.Range, c.TotalSize)
		if err != nil {
			f.Close()
			return nil, err
		}
		if ok {
			begin, c.Size = first, length
			c.Range = fmt.Sprintf("bytes %d-%d/%d", first, first+length-1, c.TotalSize)
		}
	}
	c.Body = &body{ctx: ctx, store: s, r: io.NewSectionReader(f, begin, c.Size), f: f}
	return c, nil
}

// Stat implements job.Objects.
func (s *Store) Stat(ctx context.Context, section job.Section, id job.ID) (*job.Content, error) {
	f, c, err := s.open(ctx, section, id)
	if err != nil {
		return nil, err
	}
	f.Close()
	return c, nil
}

// open opens the file of an object and describes its content.
func (s *Store) open(ctx context.Context, section job.Section, id job.ID) (*os.File, *job.Content, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, s.translate(ctx, "open", err)
	}
	_, file, err := s.path(section, id)
	if err != nil {
		return nil, nil, err
	}
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		if _, serr := os.Stat(s.root + "/" + string(section)); serr != nil {
			return nil, nil, s.misconfigured("open", serr) // the disk is not there: the object may be
		}
	}
	if err != nil {
		return nil, nil, s.translate(ctx, "open", err)
	}
	t, info, err := readTrailer(f)
	if err != nil {
		f.Close()
		if errors.Is(err, errDamaged) {
			return nil, nil, job.Wrap(job.Corrupt, fmt.Errorf("open %s: %w", file, err), sayCorrupt)
		}
		return nil, nil, s.translate(ctx, "open", err)
	}
	return f, &job.Content{ContentType: t.ContentType, Size: t.Size, TotalSize: t.Size, Tag: t.SHA256, LastModified: info.ModTime()}, nil
}

// body reads an object, or a part of it.
type body struct {
	ctx   context.Context
	store *Store
	r     io.Reader
	f     *os.File
}

// Read implements io.Reader; its errors have a kind.
func (b *body) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, b.store.translate(b.ctx, "read", err)
	}
	n, err := b.r.Read(p)
	if err != nil && err != io.EOF {
		err = b.store.translate(b.ctx, "read", err)
	}
	return n, err
}

// Close implements io.Closer.
func (b *body) Close() error { return b.f.Close() }

// parseRange returns the part of size bytes that a Range header of one range selects. For an
// invalid header ok is false, and everything is selected, as RFC 9110 requires.
func parseRange(header string, size int64) (first, length int64, ok bool, err error) {
	spec, found := strings.CutPrefix(header, "bytes=")
	from, to, dash := strings.Cut(strings.TrimSpace(spec), "-")
	if !found || !dash {
		return 0, 0, false, nil
	}
	if from == "" { // the last bytes
		n, ok := parsePosition(to)
		if !ok {
			return 0, 0, false, nil
		}
		n = min(n, size)
		if n == 0 {
			return 0, 0, false, job.Errorf(job.Invalid, sayRange)
		}
		return size - n, n, true, nil
	}
	first, ok = parsePosition(from)
	last, lastOK := parsePosition(to)
	if to == "" {
		last, lastOK = size-1, true
	}
	switch {
	case !ok || !lastOK || to != "" && last < first:
		return 0, 0, false, nil
	case first >= size:
		return 0, 0, false, job.Errorf(job.Invalid, sayRange)
	}
	return first, min(last, size-1) - first + 1, true, nil
}

// parsePosition reads a number of digits only.
func parsePosition(s string) (int64, bool) {
	n, err := strconv.ParseUint(s, 10, 63)
	return int64(n), err == nil
}
