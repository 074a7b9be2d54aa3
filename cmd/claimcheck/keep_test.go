package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"claimcheck.example/internal/client"
)

// linkless are files whose Link fails.
type linkless struct {
	allFiles
	err error
}

func (l linkless) Link(from, to string) error {
	return &os.LinkError{Op: "link", Old: from, New: to, Err: l.err}
}

// TestSaveWithoutHardLinks saves an output where files cannot be linked, under a new name and
// under one that begins to exist while the output arrives.
func TestSaveWithoutHardLinks(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		link     error
		arriving string // what another program writes under the name meanwhile
		want     error
	}{
		{name: "as Linux says it", link: syscall.EPERM},
		{name: "as macOS says it", link: syscall.ENOTSUP},
		{name: "the name is taken", link: syscall.EPERM, arriving: "mine", want: fs.ErrExist},
		{name: "another failure", link: syscall.EIO, want: syscall.EIO},
		{name: "another failure, and the name is taken", link: syscall.EIO, arriving: "mine", want: syscall.EIO},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "new.png")
			body := &onRead{Reader: strings.NewReader("output"), do: func() {
				if tt.arriving != "" {
					if err := os.WriteFile(path, []byte(tt.arriving), 0o600); err != nil {
						t.Error(err)
					}
				}
			}}
			err := save(t.Context(), linkless{err: tt.link}, path, &client.Result{Body: io.NopCloser(body), Size: 6}, false)
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			want := map[string]string{}
			switch {
			case tt.arriving != "":
				want["new.png"] = tt.arriving
			case tt.want == nil:
				want["new.png"] = "output"
			}
			left, err := os.ReadDir(dir)
			if err != nil || len(left) != len(want) {
				t.Errorf("the folder has %v, %v; want %v", left, err, want)
			}
			for name, content := range want {
				if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != content {
					t.Errorf("%s has %q, %v; want %q", name, b, err, content)
				}
			}
		})
	}
}
