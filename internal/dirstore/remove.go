package dirstore

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"claimcheck.example/internal/job"
)

// Remove implements job.Objects.
func (s *Store) Remove(ctx context.Context, section job.Section, id job.ID, tag string) error {
	if err := ctx.Err(); err != nil {
		return s.translate(ctx, "remove", err)
	}
	folder, file, err := s.path(section, id)
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Dir(folder)); errors.Is(err, fs.ErrNotExist) {
		return s.misconfigured("remove", err)
	}
	err = removeIf(ctx, folder, file, func() error {
		if tag == "" {
			return nil
		}
		if _, err := os.Lstat(file); err != nil {
			return err
		}
		return hasTag(file, tag)
	})
	if errors.Is(err, fs.ErrNotExist) && job.KindOf(err) == job.Unknown {
		return nil
	}
	return s.translate(ctx, "remove", err)
}

// removeIf removes a file durably unless the check, under the folder's lock, returns an error.
func removeIf(ctx context.Context, folder, file string, check func() error) error {
	unlock, err := lock(ctx, folder)
	if err != nil {
		return err
	}
	err = check()
	if err == nil {
		err = os.Remove(file)
	}
	unlock()
	if err != nil {
		return err
	}
	return syncFolder(folder)
}

// orphanAge is the minimum age of an orphan in tmp: no upload takes that long.
const orphanAge = 24 * time.Hour

// Sweep removes the objects that were written before, and the files that crashed
// processes have left in tmp. It returns how many objects it removed.
func (s *Store) Sweep(ctx context.Context, before time.Time) (removed int, err error) {
	orphans := time.Now().Add(-orphanAge)
	if err := sweepFolder(ctx, filepath.Join(s.root, tmp), func(path string, info fs.FileInfo) error {
		if !info.ModTime().Before(orphans) {
			return nil
		}
		return ignoreMissing(os.Remove(path))
	}); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return 0, s.misconfigured("sweep", err)
		}
		return 0, s.translate(ctx, "sweep", err)
	}
	for _, section := range []job.Section{job.Input, job.Output} {
		root := filepath.Join(s.root, string(section))
		parts, err := os.ReadDir(root)
		if err != nil {
			return removed, s.misconfigured("sweep", err)
		}
		for _, part := range parts {
			folder := filepath.Join(root, part.Name())
			err := sweepFolder(ctx, folder, func(path string, info fs.FileInfo) error {
				if !info.ModTime().Before(before) {
					return nil
				}
				err := removeIf(ctx, folder, path, func() error { return unchanged(path, info) })
				if err == nil {
					removed++
				}
				return ignoreMissing(err)
			})
			if err != nil {
				return removed, s.translate(ctx, "sweep", err)
			}
		}
	}
	return removed, nil
}

// errReplaced means that another write replaced the file meanwhile.
var errReplaced = errors.New("replaced")

func unchanged(path string, before fs.FileInfo) error {
	now, err := os.Lstat(path)
	if err == nil && (!os.SameFile(before, now) || !now.ModTime().Equal(before.ModTime())) {
		return errReplaced
	}
	return err
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errReplaced) {
		return nil
	}
	return err
}

// sweepNames bounds the names of a folder that are in memory at once.
const sweepNames = 1000

// sweepFolder calls sweep for each file in a folder.
func sweepFolder(ctx context.Context, folder string, sweep func(path string, info fs.FileInfo) error) error {
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer d.Close()
	for {
		entries, err := d.ReadDir(sweepNames)
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				return err
			}
			info, err := e.Info()
			if err != nil || !info.Mode().IsRegular() {
				continue // it is gone, or none of ours
			}
			if err := sweep(filepath.Join(folder, e.Name()), info); err != nil {
				return err
			}
		}
		if len(entries) == 0 || err != nil {
			return nil
		}
	}
}
