package jobtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"claimcheck.example/internal/job"
)

// Stage implements job.Objects. It keeps the bytes in memory, which only a twin may do.
func (s *Store) Stage(ctx context.Context, section job.Section, id job.ID, contentType string, r io.Reader) (job.Staged, error) {
	return run(ctx, &s.Faults, OpStage, func() (job.Staged, error) {
		data, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, canceled(err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.staged++
		return &staged{store: s, place: place{section, id}, contentType: contentType, data: data}, nil
	})
}

// staged is the twin of job.Staged.
type staged struct {
	store       *Store
	place       place
	contentType string
	data        []byte

	// ended is guarded by store.mu.
	ended bool
}

// CommitRequests implements job.CommitCounter.
func (s *staged) CommitRequests() int { return 1 }

func (g *staged) Size() int64 { return int64(len(g.data)) }

func (g *staged) SHA256() string {
	sum := sha256.Sum256(g.data)
	return hex.EncodeToString(sum[:])
}

func (g *staged) Commit(ctx context.Context, c job.Condition) (string, error) {
	return run(ctx, &g.store.Faults, OpCommit, func() (string, error) {
		s := g.store
		s.mu.Lock()
		defer s.mu.Unlock()
		if g.ended {
			// A repeated commit succeeds after a lost answer.
			if o, ok := s.objects[g.place]; ok && o.tag == tagOf(g.data) {
				return o.tag, nil
			}
			return "", job.Errorf(job.Conflict, "the object was changed by another request")
		}
		old, ok := s.objects[g.place]
		if !s.IgnoreConditions && ((c.Absent && ok) || (c.Tag != "" && (!ok || old.tag != c.Tag))) {
			return "", job.Errorf(job.Conflict, "the object was changed by another request")
		}
		o := object{data: g.data, contentType: g.contentType, tag: tagOf(g.data), modified: time.Now()}
		s.objects[g.place] = o
		g.end()
		return o.tag, nil
	})
}

func (g *staged) Discard() {
	g.store.mu.Lock()
	defer g.store.mu.Unlock()
	g.end()
}

// end marks the staged object as ended; the caller has locked store.mu.
func (g *staged) end() {
	if !g.ended {
		g.ended = true
		g.store.staged--
	}
}

// Open implements job.Objects.
func (s *Store) Open(ctx context.Context, section job.Section, id job.ID, opts job.OpenOptions) (*job.Content, error) {
	return run(ctx, &s.Faults, OpOpen, func() (*job.Content, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		o, ok := s.objects[place{section, id}]
		if !ok {
			return nil, job.Errorf(job.NotFound, "there is no %s of job %s", section, id)
		}
		c := o.content()
		if opts.IfNoneMatch == o.tag {
			c.NotModified, c.Size, c.Body = true, 0, io.NopCloser(bytes.NewReader(nil))
			return c, nil
		}
		data := o.data
		if opts.Range != "" {
			from, to, err := parseRange(opts.Range, len(o.data))
			if err != nil {
				return nil, err
			}
			data = o.data[from:to]
			c.Range = fmt.Sprintf("bytes %d-%d/%d", from, to-1, len(o.data))
		}
		c.Size = int64(len(data))
		s.bodies++
		c.Body = &body{Reader: bytes.NewReader(data), close: sync.OnceFunc(func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.bodies--
		})}
		return c, nil
	})
}

type body struct {
	io.Reader
	close func()
}

func (b *body) Close() error {
	b.close()
	return nil
}

// Stat implements job.Objects.
func (s *Store) Stat(ctx context.Context, section job.Section, id job.ID) (*job.Content, error) {
	return run(ctx, &s.Faults, OpStat, func() (*job.Content, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		o, ok := s.objects[place{section, id}]
		if !ok {
			return nil, job.Errorf(job.NotFound, "there is no %s of job %s", section, id)
		}
		return o.content(), nil
	})
}

// Remove implements job.Objects.
func (s *Store) Remove(ctx context.Context, section job.Section, id job.ID, tag string) error {
	_, err := run(ctx, &s.Faults, OpRemove, func() (struct{}, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		p := place{section, id}
		if o, ok := s.objects[p]; ok && tag != "" && o.tag != tag {
			return struct{}{}, job.Errorf(job.Conflict, "the %s of job %s was changed by another request", section, id)
		}
		delete(s.objects, p)
		return struct{}{}, nil
	})
	return err
}

func (o object) content() *job.Content {
	n := int64(len(o.data))
	return &job.Content{ContentType: o.contentType, Size: n, TotalSize: n, Tag: o.tag, LastModified: o.modified}
}

// parseRange returns the half-open section of n bytes that a Range header of one byte
// range selects (RFC 9110, section 14.1.2).
func parseRange(header string, n int) (from, to int, err error) {
	outside := job.Errorf(job.Invalid, "the range %q is outside of the %d bytes", header, n)
	first, last, ok := strings.Cut(strings.TrimPrefix(header, "bytes="), "-")
	if !ok {
		return 0, 0, outside
	}
	a, errFirst := strconv.Atoi(first)
	b, errLast := strconv.Atoi(last)
	switch {
	case first == "" && errLast == nil && b > 0 && n > 0:
		return max(0, n-b), n, nil
	case errFirst == nil && a < n && last == "":
		return a, n, nil
	case errFirst == nil && errLast == nil && a < n && a <= b:
		return a, min(b+1, n), nil
	}
	return 0, 0, outside
}
