package dirstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"claimcheck.example/internal/job"
)

// Stage implements job.Objects: it writes the bytes to a file in tmp and makes them
// durable. It holds one buffer of 128 KiB, whatever the size of the object.
func (s *Store) Stage(ctx context.Context, section job.Section, id job.ID, contentType string, r io.Reader) (job.Staged, error) {
	folder, file, err := s.path(section, id)
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Join(s.root, tmp), string(id)+"-*")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, s.misconfigured("stage", err)
	}
	if err != nil {
		return nil, s.translate(ctx, "stage", err)
	}
	g := &staged{store: s, tmp: f.Name(), folder: folder, file: file}
	err = g.fill(ctx, f, contentType, r)
	if cerr := f.Close(); err == nil {
		err = s.translate(ctx, "stage", cerr)
	}
	if err != nil {
		g.Discard()
		return nil, err
	}
	return g, nil
}

// staged is job.Staged: a durable file that has no name yet among the objects.
type staged struct {
	store        *Store
	tmp          string // the file; empty once it is gone from tmp
	folder, file string // its future places
	size         int64
	sum          string
}

// fill writes what r brings, and the trailer. An error of r comes back as it is.
func (g *staged) fill(ctx context.Context, f *os.File, contentType string, r io.Reader) error {
	buffer := g.store.buffers.Get().(*[]byte)
	defer g.store.buffers.Put(buffer)
	sha := sha256.New()
	for idle := 0; ; {
		if err := ctx.Err(); err != nil {
			return g.store.translate(ctx, "stage", err)
		}
		n, err := r.Read(*buffer)
		if n > 0 {
			idle = 0
			sha.Write((*buffer)[:n])
			g.size += int64(n)
			if _, werr := f.Write((*buffer)[:n]); werr != nil {
				return g.store.translate(ctx, "stage", werr)
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if idle++; n == 0 && idle == 100 {
			return io.ErrNoProgress
		}
	}
	g.sum = hex.EncodeToString(sha.Sum(nil))
	end, err := trailer{ContentType: contentType, SHA256: g.sum, Size: g.size}.encode()
	if err == nil {
		_, err = f.Write(end)
	}
	if err == nil {
		err = f.Sync()
	}
	return g.store.translate(ctx, "stage", err)
}

// Size implements job.Staged.
func (g *staged) Size() int64 { return g.size }

// SHA256 implements job.Staged.
func (g *staged) SHA256() string { return g.sum }

// Commit implements job.Staged. The tag is the SHA-256 of the bytes.
func (g *staged) Commit(ctx context.Context, c job.Condition) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", g.store.translate(ctx, "commit", err)
	}
	if err := g.store.makeFolder(g.folder); err != nil {
		return "", g.store.translate(ctx, "commit", err)
	}
	if err := g.name(ctx, c); err != nil {
		return "", g.store.translate(ctx, "commit", err)
	}
	if err := syncFolder(g.folder); err != nil {
		return "", g.store.translate(ctx, "commit", err)
	}
	g.remove()
	return g.sum, nil
}

// name gives the file its name under the condition. The name that it has already, from a
// Commit that failed thereafter, is as good.
func (g *staged) name(ctx context.Context, c job.Condition) error {
	if c.Tag == "" { // mostly there is nothing yet, and link(2) needs no lock
		err := os.Link(g.tmp, g.file)
		if !errors.Is(err, fs.ErrExist) {
			return g.placed(err)
		}
		if same, serr := sameFile(g.tmp, g.file); serr != nil || same {
			return serr
		}
		if c.Absent {
			return job.Wrap(job.Conflict, err, sayConflict)
		}
	}
	unlock, err := lock(ctx, g.folder)
	if err != nil {
		return g.placed(err)
	}
	defer unlock()
	if same, err := sameFile(g.tmp, g.file); err != nil || same {
		return err
	}
	if c.Tag != "" {
		if err := hasTag(g.file, c.Tag); err != nil {
			return err
		}
	}
	// By a second name and not by the file itself, which another Commit may want.
	next := g.tmp + "-next"
	if err := os.Link(g.tmp, next); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.Rename(next, g.file)
}

// placed says of an error on the folder of an object that the folder is missing.
func (g *staged) placed(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return g.store.misconfigured("commit", err)
	}
	return err
}

// sameFile reports whether both paths name one file.
func sameFile(a, b string) (bool, error) {
	x, err := os.Lstat(a)
	if err != nil {
		return false, fmt.Errorf("the staged file is gone: %v", err)
	}
	y, err := os.Lstat(b)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(x, y), err
}

// hasTag returns a Conflict unless the object has the tag.
func hasTag(file, tag string) error {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return job.Wrap(job.Conflict, err, sayConflict)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	t, _, err := readTrailer(f)
	if err == nil && t.SHA256 != tag {
		err = job.Wrap(job.Conflict, fmt.Errorf("the object has tag %s", t.SHA256), sayConflict)
	}
	return err
}

// Discard implements job.Staged.
func (g *staged) Discard() { g.remove() }

// remove takes the file out of tmp. What stays there after a failure is swept.
func (g *staged) remove() {
	if g.tmp != "" {
		_ = os.Remove(g.tmp)
		g.tmp = ""
	}
}
