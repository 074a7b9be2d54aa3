package dirstore_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"claimcheck.example/internal/dirstore"
	"claimcheck.example/internal/job"
)

// announced returns the path and the query of a signed upload.
func announced(t *testing.T, s *dirstore.Store, id job.ID, contentType string, size int64, ttl time.Duration) url.Values {
	t.Helper()
	u, err := s.PresignInput(t.Context(), id, job.Media{ContentType: contentType, SizeBytes: size}, ttl)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := url.Parse(u.URL)
	if err != nil || parsed.Path != "/jobs/"+string(id)+"/upload" || u.Method != "PUT" || u.Headers["Content-Type"] != contentType {
		t.Fatalf("got %+v, %v", u, err)
	}
	if left := time.Until(u.ExpiresAt); left > ttl {
		t.Errorf("it expires in %v, want %v at most", left, ttl)
	}
	return parsed.Query()
}

func TestUpload(t *testing.T) {
	t.Parallel()
	s, root := store(t)
	id, other := job.NewID(), job.NewID()
	q := announced(t, s, id, "image/png", 5, time.Hour)
	change := func(name, value string) url.Values {
		c := url.Values{"expires": q["expires"], "signature": q["signature"]}
		c.Set(name, value)
		return c
	}
	tests := map[string]struct {
		id          job.ID
		query       url.Values
		contentType string
		size        int64
		body        string
		want        job.Kind
	}{
		"another job":       {other, q, "image/png", 5, "12345", job.Denied},
		"another type":      {id, q, "image/gif", 5, "12345", job.Denied},
		"another size":      {id, q, "image/png", 6, "123456", job.Denied},
		"another expiry":    {id, change("expires", "99999999999"), "image/png", 5, "12345", job.Denied},
		"no expiry":         {id, change("expires", ""), "image/png", 5, "12345", job.Denied},
		"another signature": {id, change("signature", strings.Repeat("A", 43)), "image/png", 5, "12345", job.Denied},
		"no signature":      {id, url.Values{"expires": q["expires"]}, "image/png", 5, "12345", job.Denied},
		"nothing":           {id, nil, "image/png", 5, "12345", job.Denied},
		"a short body":      {id, q, "image/png", 5, "1234", job.Invalid},
		"a long body":       {id, q, "image/png", 5, "123456", job.Invalid},
		"expired":           {id, announced(t, s, id, "image/png", 5, -time.Second), "image/png", 5, "12345", job.Denied},
	}
	for name, tt := range tests {
		err := s.AcceptInput(t.Context(), tt.id, tt.query, tt.contentType, tt.size, strings.NewReader(tt.body))
		if job.KindOf(err) != tt.want || job.MessageOf(err) == "" {
			t.Errorf("%s: got %v of kind %v, want kind %v", name, err, job.KindOf(err), tt.want)
		}
	}
	if left := files(t, root); len(left) != 0 {
		t.Errorf("refused uploads left %q", left)
	}
	broken := errors.New("the client hung up")
	err := s.AcceptInput(t.Context(), id, q, "image/png", 5, io.MultiReader(strings.NewReader("123"), iotest.ErrReader(broken)))
	if err != broken {
		t.Errorf("got %v, want the reader's own error", err)
	}
	if err := s.AcceptInput(t.Context(), id, q, "image/png", 5, strings.NewReader("12345")); err != nil {
		t.Fatal(err)
	}
	wantKind(t, s.AcceptInput(t.Context(), id, q, "image/png", 5, strings.NewReader("67890")), job.Conflict)
	c, err := s.Open(t.Context(), job.Input, id, job.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Body.Close()
	if data, err := io.ReadAll(c.Body); string(data) != "12345" || c.ContentType != "image/png" {
		t.Errorf("stored is %q of %s, %v", data, c.ContentType, err)
	}
}

// TestUploadKeys changes the key: while both are given the signatures of both are good.
func TestUploadKeys(t *testing.T) {
	t.Parallel()
	_, root := store(t)
	old, fresh := strings.Repeat("old!", 8), strings.Repeat("new!", 8)
	with := func(keys ...string) *dirstore.Store {
		return dirstore.New(root, dirstore.Options{UploadKeys: keys})
	}
	accept := func(s *dirstore.Store, id job.ID, q url.Values) error {
		return s.AcceptInput(t.Context(), id, q, "image/png", 1, strings.NewReader("x"))
	}
	a, b := job.NewID(), job.NewID()
	qa := announced(t, with(old), a, "image/png", 1, time.Hour)
	qb := announced(t, with(fresh, old), b, "image/png", 1, time.Hour)
	wantKind(t, accept(with(old), b, qb), job.Denied)
	wantKind(t, accept(with(), a, qa), job.Denied)
	wantKind(t, accept(with(fresh), a, qa), job.Denied)
	if err := errors.Join(accept(with(fresh, old), a, qa), accept(with(fresh), b, qb)); err != nil {
		t.Error(err)
	}
}

// TestUploadDigest uploads by a URL that is signed with a digest: no other bytes are taken,
// and the digest cannot be taken away.
func TestUploadDigest(t *testing.T) {
	t.Parallel()
	s, _ := store(t)
	id := job.NewID()
	sum := sha256.Sum256([]byte("12345"))
	u, err := s.PresignInput(t.Context(), id, job.Media{ContentType: "image/png", SizeBytes: 5, SHA256: hex.EncodeToString(sum[:])}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := url.Parse(u.URL)
	if err != nil {
		t.Fatal(err)
	}
	q := parsed.Query()
	accept := func(q url.Values, body string) error {
		return s.AcceptInput(t.Context(), id, q, "image/png", 5, strings.NewReader(body))
	}
	wantKind(t, accept(q, "54321"), job.Invalid)
	wantKind(t, accept(url.Values{"expires": q["expires"], "signature": q["signature"]}, "54321"), job.Denied)
	other := sha256.Sum256([]byte("54321"))
	wantKind(t, accept(url.Values{"expires": q["expires"], "signature": q["signature"], "sha256": {hex.EncodeToString(other[:])}}, "54321"), job.Denied)
	if err := accept(q, "12345"); err != nil {
		t.Error(err)
	}
}
