package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/uuid"

	"claimcheck.example/internal/client"
)

// files are the files of a folder, as of an [os.Root], or all files.
type files interface {
	Lstat(name string) (fs.FileInfo, error)
	OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error)
	Link(from, to string) error
	Rename(from, to string) error
	Remove(name string) error
}

// allFiles are the files of this machine.
type allFiles struct{}

func (allFiles) Lstat(name string) (fs.FileInfo, error) { return os.Lstat(name) }
func (allFiles) OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	return os.OpenFile(name, flag, perm)
}
func (allFiles) Link(from, to string) error   { return os.Link(from, to) }
func (allFiles) Rename(from, to string) error { return os.Rename(from, to) }
func (allFiles) Remove(name string) error     { return os.Remove(name) }

// keep writes an output into a file, which appears as a whole or not at all, and only by
// force in place of another.
func keep(ctx context.Context, path string, r *client.Result, force bool) error {
	err := save(ctx, allFiles{}, path, r, force)
	if errors.Is(err, fs.ErrExist) && !force {
		return errExists(path)
	}
	return err
}

func errExists(path string) error {
	return fmt.Errorf("%s exists; choose another place with -o, or overwrite it with --force", path)
}

// save writes an output into a file. Without force it returns [fs.ErrExist] if the file
// exists, also if the file begins to exist while the output arrives.
func save(ctx context.Context, in files, path string, r *client.Result, force bool) error {
	if _, err := in.Lstat(path); err == nil && !force {
		return fs.ErrExist
	}
	name := filepath.Join(filepath.Dir(path), ".claimcheck-"+uuid.NewString())
	part, err := in.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666) // less the umask
	if err != nil {
		return err
	}
	defer in.Remove(name)
	defer part.Close()
	if err := copyOutput(ctx, part, r); err != nil {
		return err
	}
	if err := part.Close(); err != nil {
		return err
	}
	if force {
		return in.Rename(name, path)
	}
	err = in.Link(name, path)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported) {
		return renameToNew(in, name, path)
	}
	return err
}

// renameToNew renames a file on a file system without hard links. Rename replaces what
// exists, so an empty file takes the new name first.
func renameToNew(in files, name, path string) error {
	claim, err := in.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	claim.Close()
	if err := in.Rename(name, path); err != nil {
		in.Remove(path)
		return err
	}
	return nil
}

// copyOutput writes the whole of an output, or fails.
func copyOutput(ctx context.Context, w io.Writer, r *client.Result) error {
	n, err := io.Copy(w, r.Body)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("the output broke off after %d bytes: %w; fetch it again", n, err)
	case r.Size >= 0 && n != r.Size:
		return fmt.Errorf("the output broke off after %d of %d bytes; fetch it again", n, r.Size)
	}
	return nil
}
