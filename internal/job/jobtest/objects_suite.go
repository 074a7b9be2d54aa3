package jobtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"claimcheck.example/internal/job"
)

func testObjects(t *testing.T, open func(t *testing.T) StoreFixture) {
	tests := map[string]func(*testing.T, StoreFixture){
		"objects of all sizes come back as they went":  testSizes,
		"nothing is visible before Commit":             testInvisible,
		"Discard leaves nothing":                       testDiscard,
		"an error of the reader comes back as it is":   testReaderFails,
		"Commit if absent":                             testCommitAbsent,
		"Commit if the tag is as expected":             testCommitTag,
		"Commit under a failed condition may be tried": testCommitRetry,
		"of many commits if absent exactly one wins":   testCommitRace,
		"Open of nothing is NotFound":                  testOpenNothing,
		"Open of a range":                              testRange,
		"Open of a range outside is Invalid":           testRangeOutside,
		"Open if changed":                              testIfNoneMatch,
		"Remove":                                       testRemove,
		"Remove if the tag is as expected":             testRemoveTag,
		"the sections are apart":                       testSections,
		"an ended context is Canceled":                 testObjectsCanceled,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// put stores an object and returns its tag.
func put(t testing.TB, s job.Store, section job.Section, id job.ID, data string) string {
	t.Helper()
	g := stage(t, s, section, id, data)
	tag, err := g.Commit(t.Context(), job.Condition{})
	must(t, err)
	return tag
}

func stage(t testing.TB, s job.Store, section job.Section, id job.ID, data string) job.Staged {
	t.Helper()
	g, err := s.Stage(t.Context(), section, id, "image/png", strings.NewReader(data))
	must(t, err)
	t.Cleanup(g.Discard)
	return g
}

func get(t testing.TB, s job.Store, section job.Section, id job.ID, opts job.OpenOptions) (*job.Content, string) {
	t.Helper()
	c, err := s.Open(t.Context(), section, id, opts)
	must(t, err)
	data, err := io.ReadAll(c.Body)
	must(t, err)
	must(t, c.Body.Close())
	return c, string(data)
}

func testSizes(t *testing.T, s StoreFixture) {
	part := int64(s.PartBytes)
	for i, size := range []int64{0, 1, 1000, part/20 - 1, part / 20, part/20 + 1, part - 1, part, part + 1, 2 * part, 3*part + 17} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			id, seed := job.NewID(), uint64(i)
			g, err := s.Stage(t.Context(), job.Input, id, "image/tiff", Bytes(seed, size))
			must(t, err)
			defer g.Discard()
			if g.Size() != size {
				t.Errorf("Staged.Size is %d, want %d", g.Size(), size)
			}
			want := sha256.New()
			_, err = io.Copy(want, Bytes(seed, size))
			must(t, err)
			if got := g.SHA256(); got != hex.EncodeToString(want.Sum(nil)) {
				t.Errorf("Staged.SHA256 is %s, want %x", got, want.Sum(nil))
			}
			tag, err := g.Commit(t.Context(), job.Condition{Absent: true})
			must(t, err)

			c, err := s.Open(t.Context(), job.Input, id, job.OpenOptions{})
			must(t, err)
			defer c.Body.Close()
			got := sha256.New()
			n, err := io.Copy(got, c.Body)
			must(t, err)
			if n != size || !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
				t.Errorf("read %d bytes with SHA-256 %x, want %d with %x", n, got.Sum(nil), size, want.Sum(nil))
			}
			if c.Size != size || c.TotalSize != size || c.ContentType != "image/tiff" || c.Tag != tag || c.LastModified.IsZero() || c.Range != "" || c.NotModified {
				t.Errorf("got content %+v, want %d bytes of image/tiff with tag %s", c, size, tag)
			}
			stat, err := s.Stat(t.Context(), job.Input, id)
			must(t, err)
			if stat.Size != size || stat.TotalSize != size || stat.ContentType != "image/tiff" || stat.Tag != tag {
				t.Errorf("got stat %+v, want %d bytes of image/tiff with tag %s", stat, size, tag)
			}
		})
	}
}

func testInvisible(t *testing.T, s StoreFixture) {
	for _, size := range []int64{10, 2*int64(s.PartBytes) + 1} {
		id := job.NewID()
		g, err := s.Stage(t.Context(), job.Output, id, "image/png", Bytes(1, size))
		must(t, err)
		defer g.Discard()
		_, err = s.Stat(t.Context(), job.Output, id)
		wantKind(t, err, job.NotFound)
		_, err = g.Commit(t.Context(), job.Condition{})
		must(t, err)
		_, err = s.Stat(t.Context(), job.Output, id)
		must(t, err)
	}
}

func testDiscard(t *testing.T, s StoreFixture) {
	for _, size := range []int64{10, int64(s.PartBytes) + 1} {
		id := job.NewID()
		g, err := s.Stage(t.Context(), job.Input, id, "image/png", Bytes(1, size))
		must(t, err)
		g.Discard()
		g.Discard()
		_, err = s.Stat(t.Context(), job.Input, id)
		wantKind(t, err, job.NotFound)

		put(t, s, job.Input, id, "kept")
		again, err := s.Stage(t.Context(), job.Input, id, "image/png", Bytes(1, size))
		must(t, err)
		_, err = again.Commit(t.Context(), job.Condition{})
		must(t, err)
		again.Discard()
		if _, err = s.Stat(t.Context(), job.Input, id); err != nil {
			t.Errorf("Discard after Commit took the object away: %v", err)
		}
	}
}

func testReaderFails(t *testing.T, s StoreFixture) {
	broken := errors.New("the client hung up")
	for _, size := range []int64{0, 10, int64(s.PartBytes), 2*int64(s.PartBytes) + 1} {
		id := job.NewID()
		_, err := s.Stage(t.Context(), job.Input, id, "image/png", io.MultiReader(Bytes(1, size), failing{broken}))
		if err != broken {
			t.Errorf("after %d bytes: got error %v, want the reader's own", size, err)
		}
		_, err = s.Stat(t.Context(), job.Input, id)
		wantKind(t, err, job.NotFound)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func testCommitAbsent(t *testing.T, s StoreFixture) {
	id := job.NewID()
	put(t, s, job.Input, id, "first")
	_, err := stage(t, s, job.Input, id, "second").Commit(t.Context(), job.Condition{Absent: true})
	wantKind(t, err, job.Conflict)
	if _, data := get(t, s, job.Input, id, job.OpenOptions{}); data != "first" {
		t.Errorf("a lost Commit changed the object to %q", data)
	}
	big, err := s.Stage(t.Context(), job.Input, id, "image/png", Bytes(1, int64(s.PartBytes)+1))
	must(t, err)
	defer big.Discard()
	_, err = big.Commit(t.Context(), job.Condition{Absent: true})
	wantKind(t, err, job.Conflict)
}

func testCommitTag(t *testing.T, s StoreFixture) {
	id := job.NewID()
	_, err := stage(t, s, job.Output, id, "nothing there").Commit(t.Context(), job.Condition{Tag: "0123"})
	wantKind(t, err, job.Conflict)
	first := put(t, s, job.Output, id, "first")
	second, err := stage(t, s, job.Output, id, "second").Commit(t.Context(), job.Condition{Tag: first})
	must(t, err)
	_, err = stage(t, s, job.Output, id, "third").Commit(t.Context(), job.Condition{Tag: first})
	wantKind(t, err, job.Conflict)
	if c, data := get(t, s, job.Output, id, job.OpenOptions{}); data != "second" || c.Tag != second {
		t.Errorf("got %q with tag %s, want \"second\" with %s", data, c.Tag, second)
	}
}

func testCommitRetry(t *testing.T, s StoreFixture) {
	for _, size := range []int64{10, int64(s.PartBytes) + 1} {
		id := job.NewID()
		tag := put(t, s, job.Output, id, "in the way")
		g, err := s.Stage(t.Context(), job.Output, id, "image/png", Bytes(1, size))
		must(t, err)
		defer g.Discard()
		_, err = g.Commit(t.Context(), job.Condition{Absent: true})
		wantKind(t, err, job.Conflict)
		_, err = g.Commit(t.Context(), job.Condition{Tag: tag})
		must(t, err)
		if c, _ := get(t, s, job.Output, id, job.OpenOptions{}); c.Size != size {
			t.Errorf("got %d bytes, want the %d of the second Commit", c.Size, size)
		}
	}
}

func testCommitRace(t *testing.T, s StoreFixture) {
	id := job.NewID()
	winner := race(t, func(i int) (string, error) {
		data := fmt.Sprint("racer ", i)
		g, err := s.Stage(t.Context(), job.Output, id, "image/png", strings.NewReader(data))
		if err != nil {
			return "", err
		}
		defer g.Discard()
		_, err = g.Commit(t.Context(), job.Condition{Absent: true})
		return data, err
	})
	if _, data := get(t, s, job.Output, id, job.OpenOptions{}); data != winner {
		t.Errorf("stored is %q, but %q got success", data, winner)
	}
}

func testOpenNothing(t *testing.T, s StoreFixture) {
	_, err := s.Open(t.Context(), job.Output, job.NewID(), job.OpenOptions{})
	wantKind(t, err, job.NotFound)
	_, err = s.Stat(t.Context(), job.Output, job.NewID())
	wantKind(t, err, job.NotFound)
}

func testRange(t *testing.T, s StoreFixture) {
	id := job.NewID()
	tag := put(t, s, job.Output, id, "0123456789")
	tests := []struct{ header, want, contentRange string }{
		{"bytes=0-3", "0123", "bytes 0-3/10"},
		{"bytes=4-4", "4", "bytes 4-4/10"},
		{"bytes=7-", "789", "bytes 7-9/10"},
		{"bytes=-2", "89", "bytes 8-9/10"},
		{"bytes=8-99", "89", "bytes 8-9/10"},
	}
	for _, tt := range tests {
		c, data := get(t, s, job.Output, id, job.OpenOptions{Range: tt.header})
		if data != tt.want || c.Range != tt.contentRange || c.Size != int64(len(tt.want)) || c.TotalSize != 10 || c.Tag != tag {
			t.Errorf("%s: got %q of %+v, want %q with Content-Range %q", tt.header, data, c, tt.want, tt.contentRange)
		}
	}
}

func testRangeOutside(t *testing.T, s StoreFixture) {
	id := job.NewID()
	put(t, s, job.Output, id, "0123456789")
	_, err := s.Open(t.Context(), job.Output, id, job.OpenOptions{Range: "bytes=10-12"})
	wantKind(t, err, job.Invalid)
}

func testIfNoneMatch(t *testing.T, s StoreFixture) {
	id := job.NewID()
	tag := put(t, s, job.Output, id, "0123456789")
	c, data := get(t, s, job.Output, id, job.OpenOptions{IfNoneMatch: tag})
	if !c.NotModified || data != "" || c.Tag != tag {
		t.Errorf("got %q of %+v, want not modified with tag %s", data, c, tag)
	}
	c, data = get(t, s, job.Output, id, job.OpenOptions{IfNoneMatch: "00112233445566778899aabbccddeeff"})
	if c.NotModified || data != "0123456789" {
		t.Errorf("got %q of %+v, want the whole object", data, c)
	}
}

func testRemove(t *testing.T, s StoreFixture) {
	id := job.NewID()
	put(t, s, job.Output, id, "x")
	must(t, s.Remove(t.Context(), job.Output, id, ""))
	_, err := s.Stat(t.Context(), job.Output, id)
	wantKind(t, err, job.NotFound)
	if err := s.Remove(t.Context(), job.Output, id, ""); err != nil {
		t.Errorf("Remove of what is gone: %v", err)
	}
}

func testRemoveTag(t *testing.T, s StoreFixture) {
	id := job.NewID()
	first := put(t, s, job.Output, id, "first")
	second := put(t, s, job.Output, id, "second")
	wantKind(t, s.Remove(t.Context(), job.Output, id, first), job.Conflict)
	must(t, s.Remove(t.Context(), job.Output, id, second))
	if err := s.Remove(t.Context(), job.Output, id, second); err != nil {
		t.Errorf("Remove of what is gone: %v", err)
	}
}

func testSections(t *testing.T, s StoreFixture) {
	j := create(t, s)
	put(t, s, job.Input, j.ID, "in")
	put(t, s, job.Output, j.ID, "out")
	must(t, s.Remove(t.Context(), job.Input, j.ID, ""))
	if _, data := get(t, s, job.Output, j.ID, job.OpenOptions{}); data != "out" {
		t.Errorf("got output %q", data)
	}
	_, err := s.Load(t.Context(), j.ID)
	must(t, err)
}

func testObjectsCanceled(t *testing.T, s StoreFixture) {
	id, ctx := job.NewID(), ended(t)
	put(t, s, job.Input, id, "x")
	_, err := s.Open(ctx, job.Input, id, job.OpenOptions{})
	wantKind(t, err, job.Canceled)
	_, err = s.Stat(ctx, job.Input, id)
	wantKind(t, err, job.Canceled)
	wantKind(t, s.Remove(ctx, job.Input, id, ""), job.Canceled)
	_, err = stage(t, s, job.Input, id, "y").Commit(ctx, job.Condition{})
	wantKind(t, err, job.Canceled)
	_, err = s.Stage(ctx, job.Input, id, "image/png", Bytes(1, 2*int64(s.PartBytes)))
	wantKind(t, err, job.Canceled)
}
