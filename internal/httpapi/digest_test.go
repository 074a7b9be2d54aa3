package httpapi_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"

	"claimcheck.example/internal/app/apptest"
)

func sha256Of(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

func sha512Of(b []byte) string {
	sum := sha512.Sum512(b)
	return "sha-512=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

// TestContentDigest submits in each form with right, wrong and malformed digests. What is
// refused leaves nothing in storage and nothing in the queue.
func TestContentDigest(t *testing.T) {
	t.Parallel()
	image, other := small(t), []byte("something else")
	large := append(bytes.Clone(image), bytes.Repeat([]byte("."), 6<<20)...) // sent in parts
	formType, form := apptest.Form(t, image, "params", `{"width": 3}`)
	announcement := []byte(`{"content_type": "image/png", "size_bytes": 100}`)
	bodies := map[string]struct {
		contentType string
		body        []byte
	}{
		"bare":           {"image/png", image},
		"bare and large": {"image/png", large},
		"form":           {formType, form},
		"announcement":   {"application/json", announcement},
	}
	tests := map[string]struct {
		digest func(body []byte) []string
		status int
		word   string
	}{
		"right":                        {func(b []byte) []string { return []string{sha256Of(b)} }, 202, ""},
		"right by the other algorithm": {func(b []byte) []string { return []string{sha512Of(b)} }, 202, ""},
		"right twice":                  {func(b []byte) []string { return []string{sha512Of(b), sha256Of(b)} }, 202, ""},
		"of an unknown algorithm":      {func([]byte) []string { return []string{"crc32c=:AAAAAA==:"} }, 202, ""},
		"wrong":                        {func([]byte) []string { return []string{sha256Of(other)} }, 400, "does not match its Content-Digest (sha-256)"},
		"wrong by one of two":          {func(b []byte) []string { return []string{sha256Of(b) + "," + sha512Of(other)} }, 400, "(sha-512)"},
		"of the image in a form":       {func([]byte) []string { return []string{sha256Of(append(bytes.Clone(image), 0))} }, 400, "does not match its"},
		"no dictionary":                {func([]byte) []string { return []string{"=:AAAA:"} }, 400, "malformed"},
		"no byte sequence":             {func([]byte) []string { return []string{`sha-256="` + strings.Repeat("A", 43) + `="`} }, 400, "no digest of 32 bytes"},
		"a list":                       {func([]byte) []string { return []string{"sha-256=(:AAAA:)"} }, 400, "no digest of 32 bytes"},
		"too short":                    {func([]byte) []string { return []string{"sha-512=:AAAA:"} }, 400, "no digest of 64 bytes"},
		"no base64":                    {func([]byte) []string { return []string{"sha-256=:?:"} }, 400, "malformed"},
	}
	for name, tt := range tests {
		for form, b := range bodies {
			t.Run(name+"/"+form, func(t *testing.T) {
				t.Parallel()
				s := apptest.Start(t)
				header := []string{"Content-Type", b.contentType, "Content-Digest", strings.Join(tt.digest(b.body), ", ")}
				a := apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(b.body), header...)
				if a.StatusCode != tt.status || !strings.Contains(string(a.Bytes), tt.word) {
					t.Fatalf("%s: %s, want %d with %q", a.Status, a.Bytes, tt.status, tt.word)
				}
				if tt.status == 400 {
					wantNothing(t, s)
				}
			})
		}
	}
}

// A client that learns its digest while it sends tells it behind the body.
func TestContentDigestInATrailer(t *testing.T) {
	t.Parallel()
	image := small(t)
	tests := map[string]struct {
		digest string
		status int
	}{
		"right":     {sha512Of(image), 202},
		"wrong":     {sha256Of([]byte("other")), 400},
		"malformed": {"sha-256=1", 400},
		"missing":   {"", 202},
	}
	for name, tt := range tests {
		s := apptest.Start(t)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/jobs", io.MultiReader(bytes.NewReader(image)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "image/png")
		req.Trailer = http.Header{"Content-Digest": nil}
		if tt.digest != "" {
			req.Trailer.Set("Content-Digest", tt.digest)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != tt.status {
			t.Errorf("%s: %s, want %d", name, resp.Status, tt.status)
		}
		if tt.status == 400 {
			wantNothing(t, s)
		}
	}
}

// TestDigestsOfInputAndOutput checks that what was left and what came back can be checked
// by the one who left it, the whole and its parts.
func TestDigestsOfInputAndOutput(t *testing.T) {
	t.Parallel()
	s, location := completed(t)
	whole := apptest.Get(t, location+"/output")
	want := sha256Of(whole.Bytes)
	for name, header := range map[string][]string{"whole": nil, "a part": {"Range", "bytes=2-5"}} {
		if a := apptest.Get(t, location+"/output", header...); a.Header.Get("Repr-Digest") != want {
			t.Errorf("%s: Repr-Digest is %q, want %q", name, a.Header.Get("Repr-Digest"), want)
		}
	}
	if a := apptest.Do(t, http.MethodHead, location+"/output", nil); a.Header.Get("Repr-Digest") != want {
		t.Errorf("HEAD: Repr-Digest is %q, want %q", a.Header.Get("Repr-Digest"), want)
	}
	status := apptest.Get(t, location)
	if got, want := status.Header.Get("Repr-Digest"), sha256Of(status.Bytes); got != want {
		t.Errorf("status: Repr-Digest is %q, want %q", got, want)
	}
	wantSums(t, status, small(t), whole.Bytes)

	// What was uploaded directly is known once a worker has read it.
	a := announce(t, s, "image/png", len(small(t)))
	offerOf(t, a).put(t, small(t))
	commit(t, a.Header.Get("Location"))
	status = apptest.Await(t, a.Header.Get("Location"))
	wantSums(t, status, small(t), apptest.Get(t, status.JSON(t)["location"].(string)).Bytes)
}

func wantSums(t *testing.T, status apptest.Answer, input, output []byte) {
	t.Helper()
	for name, b := range map[string][]byte{"input": input, "output": output} {
		sum := sha256.Sum256(b)
		if got := status.JSON(t)[name].(map[string]any)["sha256"]; got != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: sha256 is %v, want %x", name, got, sum)
		}
	}
}
