package dirstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"claimcheck.example/internal/job"
)

// Store is job.Objects on a folder. It is safe for concurrent use, by several processes
// of a machine.
type Store struct {
	root    string
	opts    Options
	buffers sync.Pool // of *[]byte, for reading what is stored
	unnamed func() bool
	made    sync.Map // the folders of objects that are known to be durable, and of sections that have been looked at
	making  sync.Mutex
}

var _ job.Objects = (*Store)(nil)

// Options of a Store. The zero value is good for production.
type Options struct {
	// UploadKeys sign direct uploads: the first signs, and signatures of any of them are
	// valid. None: the key that Provision stores in the folder.
	UploadKeys []string
}

// New returns the store of a folder that Provision has prepared.
func New(root string, opts Options) *Store {
	return &Store{
		root: root, opts: opts, buffers: sync.Pool{New: func() any { b := make([]byte, bufferBytes); return &b }},
		unnamed: sync.OnceValue(func() bool { return canUnname(filepath.Join(root, tmp)) }),
	}
}

// bufferBytes is the memory of a Stage.
const bufferBytes = 128 << 10

// Folder returns the folder that a URL of the form file:///folder names.
func Folder(rawURL string) (string, error) {
	u, err := url.Parse(rawURL)
	switch {
	case err != nil:
		return "", errors.New("it is not a URL")
	case u.Scheme != "file" || u.Host != "" && u.Host != "localhost" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("write it like file:///var/lib/claimcheck")
	case !filepath.IsAbs(u.Path) || filepath.Clean(u.Path) == string(filepath.Separator):
		return "", errors.New("name a folder by its absolute path, like file:///var/lib/claimcheck")
	}
	return filepath.Clean(u.Path), nil
}

const tmp = "tmp"

// folders are the folders that Provision creates below the root.
var folders = []string{string(job.Input), string(job.Output), tmp}

// Provision creates the missing folders of a store, with access for the account of this
// process only, and reports whether any was missing.
func Provision(root string) (made bool, err error) {
	for _, name := range folders {
		path := filepath.Join(root, name)
		if _, err := os.Stat(path); err == nil {
			continue
		}
		if err := os.MkdirAll(path, 0o700); err != nil {
			return made, fmt.Errorf("provision: %w", err)
		}
		made = true
	}
	if _, err := os.Stat(filepath.Join(root, keyFile)); err != nil {
		if err := makeKey(root); err != nil {
			return made, fmt.Errorf("provision: %w", err)
		}
		made = true
	}
	if made {
		err = errors.Join(syncFolder(root), syncFolder(filepath.Dir(root)))
	}
	return made, err
}

// Ready implements part of job.Store: it reports whether the folders exist and are writable.
func (s *Store) Ready(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return s.translate(ctx, "look at the folder", err)
	}
	for _, name := range folders {
		if err := writable(filepath.Join(s.root, name)); err != nil {
			return s.misconfigured("look at the folder", err)
		}
	}
	return nil
}

// path returns the folder of an object, and its file.
func (s *Store) path(section job.Section, id job.ID) (folder, file string, err error) {
	if _, err := job.ParseID(string(id)); err != nil {
		return "", "", err // nothing else may become part of a path
	}
	folder = filepath.Join(s.root, string(section), string(id[len(id)-2:]))
	return folder, filepath.Join(folder, string(id)), nil
}

// makeFolder creates the folder of an object if it is missing. Another process may have
// created it a moment ago without making it durable, so each process makes all folders of a
// section durable once.
func (s *Store) makeFolder(folder string) error {
	if _, ok := s.made.Load(folder); ok {
		return nil
	}
	s.making.Lock()
	defer s.making.Unlock()
	section := filepath.Dir(folder)
	if _, looked := s.made.Load(section); !looked {
		there, err := os.ReadDir(section)
		if err != nil {
			return s.misconfigured("look for folders", err)
		}
		if err := syncFolder(section); err != nil {
			return err
		}
		for _, d := range there {
			s.made.Store(filepath.Join(section, d.Name()), true)
		}
		s.made.Store(section, true)
	}
	if _, ok := s.made.Load(folder); ok {
		return nil
	}
	err := os.Mkdir(folder, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		return s.misconfigured("make a folder", err)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := syncFolder(section); err != nil {
		return err
	}
	s.made.Store(folder, true)
	return nil
}

// syncFolder makes the names in a folder durable.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
