package dirstore_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"claimcheck.example/internal/dirstore"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
)

func TestMain(m *testing.M) {
	if root := os.Getenv("DIRSTORE_TEST_WRITE"); root != "" {
		writeForEver(root)
	}
	os.Exit(m.Run())
}

// put stores an object.
func put(tb testing.TB, s *dirstore.Store, section job.Section, id job.ID, data string) {
	tb.Helper()
	g, err := s.Stage(tb.Context(), section, id, "image/png", strings.NewReader(data))
	if err != nil {
		tb.Fatal(err)
	}
	defer g.Discard()
	if _, err := g.Commit(tb.Context(), job.Condition{}); err != nil {
		tb.Fatal(err)
	}
}

// wantKind fails the test unless err is of kind k and its text has all of the words.
func wantKind(tb testing.TB, err error, k job.Kind, words ...string) {
	tb.Helper()
	if err == nil || job.KindOf(err) != k {
		tb.Fatalf("got error %v of kind %v, want kind %v", err, job.KindOf(err), k)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			tb.Errorf("the error %q does not say %q", err, w)
		}
	}
}

// files returns the paths of all files below root, but the key.
func files(tb testing.TB, root string) (all []string) {
	tb.Helper()
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && d.Name() != "upload.key" {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

func TestFileBeginsWithTheBytes(t *testing.T) {
	t.Parallel()
	s, root := store(t)
	id := job.NewID()
	put(t, s, job.Input, id, "the image")
	path := filepath.Join(root, "input", string(id[34:]), string(id))
	raw, err := os.ReadFile(path)
	if err != nil || !strings.HasPrefix(string(raw), "the image") {
		t.Errorf("the file holds %q, %v", raw, err)
	}
	if all := files(t, root); len(all) != 1 {
		t.Errorf("there are files %q, want the object alone", all)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("mode %v, %v: others may read the image", info.Mode(), err)
	}
}

func TestDamagedFileIsCorrupt(t *testing.T) {
	t.Parallel()
	damage := map[string]func([]byte) []byte{
		"cut off":         func(b []byte) []byte { return b[:len(b)/2] },
		"empty":           func([]byte) []byte { return nil },
		"bytes missing":   func(b []byte) []byte { return b[5:] },
		"no trailer":      func([]byte) []byte { return []byte("an image from elsewhere") },
		"a huge trailer":  func(b []byte) []byte { return append(b[:len(b)-12], "\xff\xff\xff\xffclaimck1"...) },
		"trailer of junk": func([]byte) []byte { return []byte("0123456789\x00\x00\x00\x05claimck1") },
	}
	for name, change := range damage {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, root := store(t)
			id := job.NewID()
			put(t, s, job.Output, id, "0123456789")
			path := files(t, root)[0]
			raw, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path, change(raw), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Open(t.Context(), job.Output, id, job.OpenOptions{})
			wantKind(t, err, job.Corrupt)
			g, err := s.Stage(t.Context(), job.Output, id, "image/png", strings.NewReader("anew"))
			if err != nil {
				t.Fatal(err)
			}
			defer g.Discard()
			if _, err := g.Commit(t.Context(), job.Condition{Absent: true}); err != nil {
				t.Errorf("what a crash has left is in the way: %v", err)
			}
			if c, err := s.Stat(t.Context(), job.Output, id); err != nil || c.Size != 4 {
				t.Errorf("got %+v, %v; want the new object", c, err)
			}
		})
	}
}

// TestLongType has a trailer that one look at the end of the file does not show whole.
func TestLongType(t *testing.T) {
	t.Parallel()
	s, _ := store(t)
	id, long := job.NewID(), "image/"+strings.Repeat("x", 2000)
	g, err := s.Stage(t.Context(), job.Input, id, long, strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Discard()
	if _, err := g.Commit(t.Context(), job.Condition{Absent: true}); err != nil {
		t.Fatal(err)
	}
	if c, err := s.Stat(t.Context(), job.Input, id); err != nil || c.ContentType != long || c.Size != 1 {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestMissingFolderIsMisconfigured(t *testing.T) {
	t.Parallel()
	s := dirstore.New(filepath.Join(t.TempDir(), "not", "mounted"), dirstore.Options{})
	id := job.NewID()
	wantKind(t, s.Ready(t.Context()), job.Misconfigured, "claimcheck provision")
	_, err := s.Stage(t.Context(), job.Input, id, "image/png", strings.NewReader("x"))
	wantKind(t, err, job.Misconfigured, "mount its disk")
	_, err = s.Open(t.Context(), job.Input, id, job.OpenOptions{})
	wantKind(t, err, job.Misconfigured)
	_, err = s.Sweep(t.Context(), time.Now())
	wantKind(t, err, job.Misconfigured)
	wantKind(t, s.Remove(t.Context(), job.Input, id, ""), job.Misconfigured)
}

func TestNameOfAnObjectIsAnIdentifier(t *testing.T) {
	t.Parallel()
	s, root := store(t)
	if err := os.WriteFile(filepath.Join(root, "secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, id := range []job.ID{"", "..", "../../secret", "0190163d-8694-739b-aea5-966c26f8ad91/../x", "x"} {
		_, err := s.Open(t.Context(), job.Input, id, job.OpenOptions{})
		wantKind(t, err, job.NotFound)
		_, err = s.Stage(t.Context(), job.Input, id, "image/png", strings.NewReader("x"))
		wantKind(t, err, job.NotFound)
		wantKind(t, s.Remove(t.Context(), job.Input, id, ""), job.NotFound)
	}
}

func TestProvisionTwice(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "a", "b")
	for i, want := range []bool{true, false} {
		if made, err := dirstore.Provision(root); err != nil || made != want {
			t.Errorf("call %d made something: %v, %v; want %v", i, made, err, want)
		}
	}
	if err := dirstore.New(root, dirstore.Options{}).Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestTwoProcesses has two stores of one folder, as two processes have, commit under a tag.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	s, root := store(t)
	id := job.NewID()
	for round := range 20 {
		put(t, s, job.Output, id, fmt.Sprint("round ", round))
		c, err := s.Stat(t.Context(), job.Output, id)
		if err != nil {
			t.Fatal(err)
		}
		var winners atomic.Int64
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				g, err := dirstore.New(root, dirstore.Options{}).Stage(t.Context(), job.Output, id, "image/png", strings.NewReader(fmt.Sprint(round, i)))
				if err != nil {
					t.Error(err)
					return
				}
				defer g.Discard()
				switch _, err = g.Commit(t.Context(), job.Condition{Tag: c.Tag}); {
				case err == nil:
					winners.Add(1)
				case job.KindOf(err) != job.Conflict:
					t.Error(err)
				}
			})
		}
		group.Wait()
		if winners := winners.Load(); winners != 1 {
			t.Fatalf("round %d: %d commits under one tag succeeded, want 1", round, winners)
		}
	}
	if left := files(t, filepath.Join(root, "tmp")); len(left) != 0 {
		t.Errorf("left in tmp: %q", left)
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	s, root := store(t)
	old, young := job.NewID(), job.NewID()
	put(t, s, job.Input, old, "old")
	put(t, s, job.Output, old, "old")
	age := func(path string, d time.Duration) {
		then := time.Now().Add(-d)
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range files(t, root) {
		age(path, 8*24*time.Hour)
	}
	put(t, s, job.Input, young, "young")
	for name, d := range map[string]time.Duration{"orphan": 25 * time.Hour, "upload": 23 * time.Hour} {
		path := filepath.Join(root, "tmp", name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		age(path, d)
	}
	removed, err := s.Sweep(t.Context(), time.Now().Add(-7*24*time.Hour))
	if err != nil || removed != 2 {
		t.Errorf("Sweep removed %d, %v; want 2", removed, err)
	}
	var left []string
	for _, path := range files(t, root) {
		left = append(left, filepath.Base(path))
	}
	if strings.Join(left, " ") != string(young)+" upload" {
		t.Errorf("left are %q, want the young object and the young upload", left)
	}
}

// TestFlatMemory stages and reads an object of 64 MiB.
func TestFlatMemory(t *testing.T) { // not parallel: it measures the process
	s, _ := store(t)
	id := job.NewID()
	const size = 64 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	g, err := s.Stage(t.Context(), job.Input, id, "image/tiff", io.LimitReader(zeros{}, size))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Discard()
	if _, err := g.Commit(t.Context(), job.Condition{Absent: true}); err != nil {
		t.Fatal(err)
	}
	c, err := s.Open(t.Context(), job.Input, id, job.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, c.Body)
	if err := c.Body.Close(); err != nil || n != size {
		t.Errorf("read %d bytes, %v", n, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
		t.Errorf("%d bytes were allocated for an object of %d", got, size)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestKill ends a process that writes without pause, and looks at what it leaves: whole
// objects, and files in tmp.
func TestKill(t *testing.T) {
	t.Parallel()
	s, root := store(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), "DIRSTORE_TEST_WRITE="+root)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		named := make([]byte, 10*37) // ten objects, acknowledged
		_, err = io.ReadFull(out, named)
		_ = cmd.Process.Kill()
		rest, _ := io.ReadAll(out)
		_ = cmd.Wait()
		if err != nil {
			t.Fatal(err)
		}
		for name := range strings.FieldsSeq(string(named) + string(rest)) {
			if id, err := job.ParseID(name); err == nil {
				if _, err := s.Stat(t.Context(), job.Input, id); err != nil {
					t.Errorf("an object that was acknowledged: %v", err)
				}
			}
		}
	}
	for _, path := range files(t, filepath.Join(root, "input")) {
		c, err := s.Open(t.Context(), job.Input, job.ID(filepath.Base(path)), job.OpenOptions{})
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if n, err := io.Copy(io.Discard, c.Body); err != nil || n != written {
			t.Errorf("%s: %d bytes, %v", path, n, err)
		}
		c.Body.Close()
	}
}

// written is the size of the objects that writeForEver writes.
const written = 200_000

// writeForEver writes objects and prints their names, until it is killed or its output
// closed.
func writeForEver(root string) {
	s := dirstore.New(root, dirstore.Options{})
	for i := uint64(0); ; i++ {
		id := job.NewID()
		if err := writeOne(s, id, i); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if _, err := fmt.Println(id); err != nil {
			os.Exit(1)
		}
	}
}

func writeOne(s *dirstore.Store, id job.ID, seed uint64) error {
	ctx := context.Background()
	g, err := s.Stage(ctx, job.Input, id, "image/png", jobtest.Bytes(seed, written))
	if err != nil {
		return err
	}
	defer g.Discard()
	_, err = g.Commit(ctx, job.Condition{Absent: true})
	return err
}

func TestFolder(t *testing.T) {
	t.Parallel()
	tests := map[string]string{ // URL, folder; empty for an error
		"file:///var/lib/claimcheck":          "/var/lib/claimcheck",
		"file:///var/lib/claimcheck/":         "/var/lib/claimcheck",
		"file://localhost/srv/a%20b":          "/srv/a b",
		"file:///":                            "",
		"file://":                             "",
		"file:relative":                       "",
		"file://server/share":                 "",
		"/var/lib/claimcheck":                 "",
		"s3://bucket":                         "",
		"file:///var/lib/claimcheck?sync=off": "",
		"file:///%zz":                         "",
	}
	for in, want := range tests {
		if got, err := dirstore.Folder(in); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestRanges(t *testing.T) {
	t.Parallel()
	s, _ := store(t)
	id, empty := job.NewID(), job.NewID()
	put(t, s, job.Output, id, "0123456789")
	put(t, s, job.Output, empty, "")
	tests := []struct {
		id            job.ID
		header, want  string
		part, invalid bool
	}{
		{id, "bytes=0-", "0123456789", true, false},
		{id, "bytes=-20", "0123456789", true, false},
		{id, "bytes=9-9", "9", true, false},
		{id, "bytes=-0", "", false, true},
		{id, "bytes=10-", "", false, true},
		{id, "bytes=5-4", "0123456789", false, false},
		{id, "bytes=a-b", "0123456789", false, false},
		{id, "bytes=+1-2", "0123456789", false, false},
		{id, "bytes=--2", "0123456789", false, false},
		{id, "bytes=1-2,4-5", "0123456789", false, false},
		{id, "items=1-2", "0123456789", false, false},
		{id, "bytes=99999999999999999999-", "0123456789", false, false},
		{empty, "bytes=0-0", "", false, true},
		{empty, "bytes=-5", "", false, true},
	}
	for _, tt := range tests {
		c, err := s.Open(t.Context(), job.Output, tt.id, job.OpenOptions{Range: tt.header})
		if tt.invalid {
			wantKind(t, err, job.Invalid)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.header, err)
			continue
		}
		data, err := io.ReadAll(c.Body)
		c.Body.Close()
		if err != nil || string(data) != tt.want || (c.Range != "") != tt.part {
			t.Errorf("%s: got %q of %+v, %v; want %q", tt.header, data, c, err, tt.want)
		}
	}
}
