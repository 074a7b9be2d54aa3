package dirstore

import (
	"context"
	"crypto/rand"
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

// Stage implements job.Objects: it writes the bytes to a file that is not an object yet. It
// uses one buffer of 128 KiB for an object of any size.
func (s *Store) Stage(ctx context.Context, section job.Section, id job.ID, contentType string, r io.Reader) (job.Staged, error) {
	folder, file, err := s.path(section, id)
	if err != nil {
		return nil, err
	}
	if err := s.makeFolder(folder); err != nil {
		return nil, s.translate(ctx, "stage", err)
	}
	g := &staged{store: s, next: filepath.Join(s.root, tmp, string(id)+"-"+rand.Text()), folder: folder, file: file}
	if err := g.open(); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, s.misconfigured("stage", err)
		}
		return nil, s.translate(ctx, "stage", err)
	}
	if err := g.fill(ctx, contentType, r); err != nil {
		g.Discard()
		return nil, err
	}
	return g, nil
}

// staged is job.Staged: a file without a name among the objects.
type staged struct {
	store        *Store
	f            *os.File // nil after the end
	tmp          string   // the name of f in tmp; empty for a file without a name
	next         string   // a second name in tmp, for the moment before a rename
	folder, file string   // the future places of f
	failed       error    // why f will never be durable
	size         int64
	sum          string
}

// open creates the file: without a name where the system supports that, else in tmp.
func (g *staged) open() (err error) {
	if g.store.unnamed() {
		g.f, err = openUnnamed(g.folder)
		return err
	}
	g.tmp = g.next + "-staged"
	g.f, err = os.OpenFile(g.tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	return err
}

// link gives the file one more name.
func (g *staged) link(name string) error {
	if g.tmp == "" {
		return linkUnnamed(g.f, name)
	}
	return os.Link(g.tmp, name)
}

// canUnname reports whether a folder supports files without a name that get one later.
func canUnname(folder string) bool {
	f, err := openUnnamed(folder)
	if err != nil {
		return false
	}
	defer f.Close()
	probe := filepath.Join(folder, "probe-"+rand.Text())
	if linkUnnamed(f, probe) != nil {
		return false
	}
	return os.Remove(probe) == nil
}

// fill writes the bytes of r and the trailer. It returns an error of r unchanged.
func (g *staged) fill(ctx context.Context, contentType string, r io.Reader) error {
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
			if _, werr := g.f.Write((*buffer)[:n]); werr != nil {
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
		_, err = g.f.Write(end)
	}
	return g.store.translate(ctx, "stage", err)
}

// Size implements job.Staged.
func (g *staged) Size() int64 { return g.size }

// SHA256 implements job.Staged.
func (g *staged) SHA256() string { return g.sum }

// Commit implements job.Staged. The tag is the SHA-256 of the bytes.
func (g *staged) Commit(ctx context.Context, c job.Condition) (string, error) {
	err := ctx.Err()
	if err == nil {
		err = g.failed
	}
	if err == nil {
		err = g.name(ctx, c)
	}
	if err == nil {
		err = g.sync(ctx)
	}
	if err != nil {
		return "", g.store.translate(ctx, "commit", err)
	}
	g.end()
	return g.sum, nil
}

// name names the file under the condition. It accepts a name from an earlier Commit that
// failed later. The remains of an object that was not durable at a crash are not an object.
func (g *staged) name(ctx context.Context, c job.Condition) error {
	if c.Tag == "" { // mostly there is nothing yet, and link(2) needs no lock
		err := g.link(g.file)
		if !errors.Is(err, fs.ErrExist) {
			return g.placed(err)
		}
		if same, serr := g.named(); serr != nil || same {
			return serr
		}
		if c.Absent && !damaged(g.file) {
			return job.Wrap(job.Conflict, err, sayConflict)
		}
	}
	unlock, err := lock(ctx, g.folder)
	if err != nil {
		return g.placed(err)
	}
	defer unlock()
	if same, err := g.named(); err != nil || same {
		return err
	}
	switch {
	case c.Tag != "":
		if err := hasTag(g.file, c.Tag); err != nil {
			return err
		}
	case c.Absent && !damaged(g.file):
		return job.Wrap(job.Conflict, fs.ErrExist, sayConflict)
	}
	if err := g.syncFile(); err != nil { // before it replaces what is durable
		return err
	}
	if err := g.link(g.next); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.Rename(g.next, g.file)
}

// sync makes the file and its name durable concurrently. If the name is durable first and a
// crash loses bytes, the trailer shows it.
func (g *staged) sync(ctx context.Context) error {
	file := make(chan error, 1)
	go func() { file <- g.syncFile() }()
	name := syncFolder(g.folder)
	if err := <-file; err != nil {
		_ = removeIf(ctx, g.folder, g.file, func() error {
			if same, _ := g.named(); !same {
				return errReplaced
			}
			return nil
		})
		return err
	}
	return name
}

// syncFile makes the bytes durable. After one failure the system may report success the next
// time, so the failure stays.
func (g *staged) syncFile() error {
	if g.failed == nil {
		g.failed = g.f.Sync()
	}
	return g.failed
}

// placed marks an error on the folder of an object as a missing folder.
func (g *staged) placed(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return g.store.misconfigured("commit", err)
	}
	return err
}

// named reports whether the file has its name among the objects.
func (g *staged) named() (bool, error) {
	ours, err := g.f.Stat()
	if err != nil {
		return false, err
	}
	there, err := os.Lstat(g.file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(ours, there), err
}

// damaged reports whether the file of an object is not whole.
func damaged(file string) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	_, _, err = readTrailer(f)
	return errors.Is(err, errDamaged)
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
func (g *staged) Discard() { g.end() }

// end removes the file, unless it has a name among the objects. Sweep removes what stays in
// tmp after a failure.
func (g *staged) end() {
	if g.f == nil {
		return
	}
	_ = g.f.Close() // it is durable, or of no more use
	if g.tmp != "" {
		_ = os.Remove(g.tmp)
	}
	g.f = nil
}
