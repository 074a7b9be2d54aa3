package httpapi_test

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/app/apptest"
)

var (
	linkKey      = "LINK_KEY=" + strings.Repeat("k", 32)
	otherLinkKey = "LINK_KEY=" + strings.Repeat("o", 32)
	bothLinkKeys = otherLinkKey + "," + strings.Repeat("k", 32)
)

// share makes a link to the output of a job.
func share(t *testing.T, location, body string) (url string, expiresAt time.Time) {
	t.Helper()
	a := apptest.Do(t, http.MethodPost, location+"/links", strings.NewReader(body))
	if a.StatusCode != http.StatusCreated || a.Header.Get("Cache-Control") != "private, no-store" {
		t.Fatalf("link: %s: %s", a.Status, a.Bytes)
	}
	url, _ = a.JSON(t)["url"].(string)
	expiresAt, err := time.Parse(time.RFC3339, a.JSON(t)["expires_at"].(string))
	if err != nil || a.Header.Get("Location") != url {
		t.Fatalf("link: %v, Location %q", err, a.Header.Get("Location"))
	}
	return url, expiresAt
}

func TestLink(t *testing.T) {
	t.Parallel()
	s, location := completed(t, linkKey)
	url, expiresAt := share(t, location, `{"expires_in": 600}`)
	if left := time.Until(expiresAt); left > 600*time.Second || left < 500*time.Second {
		t.Errorf("it expires in %s", left)
	}
	want := apptest.Get(t, location+"/output")
	got := apptest.Get(t, url)
	if got.StatusCode != http.StatusOK || !bytes.Equal(got.Bytes, want.Bytes) {
		t.Fatalf("the link: %s: %d bytes", got.Status, len(got.Bytes))
	}
	for name, value := range map[string]string{
		"Content-Type": "image/png", "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'",
		"Cross-Origin-Resource-Policy": "cross-origin", "ETag": want.Header.Get("ETag"), "Repr-Digest": want.Header.Get("Repr-Digest"),
	} {
		if got.Header.Get(name) != value {
			t.Errorf("%s is %q, want %q", name, got.Header.Get(name), value)
		}
	}
	age, ok := strings.CutPrefix(got.Header.Get("Cache-Control"), "public, max-age=")
	if n, err := strconv.Atoi(age); !ok || err != nil || n > 600 || n < 400 {
		t.Errorf("Cache-Control is %q", got.Header.Get("Cache-Control"))
	}
	if d := got.Header.Get("Content-Disposition"); !strings.HasPrefix(d, "inline;") {
		t.Errorf("Content-Disposition is %q", d)
	}
	if a := apptest.Get(t, url, "Range", "bytes=0-3"); a.StatusCode != 206 || !bytes.Equal(a.Bytes, want.Bytes[:4]) {
		t.Errorf("a range: %s", a.Status)
	}
	if a := apptest.Get(t, url, "Range", "bytes=99999999-"); a.StatusCode != 416 || a.Header.Get("Location") != "" {
		t.Errorf("a range outside: %s, Location %q", a.Status, a.Header.Get("Location"))
	}
	if a := apptest.Get(t, url, "If-None-Match", want.Header.Get("ETag")); a.StatusCode != 304 {
		t.Errorf("known already: %s", a.Status)
	}
	if a := apptest.Do(t, http.MethodHead, url, nil); a.StatusCode != 200 || len(a.Bytes) != 0 || a.Header.Get("Content-Length") != strconv.Itoa(len(want.Bytes)) {
		t.Errorf("HEAD: %s", a.Status)
	}
	download, _ := share(t, location, `{"download": true}`)
	if d := apptest.Get(t, download).Header.Get("Content-Disposition"); !strings.HasPrefix(d, "attachment;") {
		t.Errorf("Content-Disposition of a download is %q", d)
	}
	if _, at := share(t, location, ""); time.Until(at) > time.Hour || time.Until(at) < 50*time.Minute {
		t.Errorf("without a body it expires in %s", time.Until(at))
	}

	// Replaced keys.
	path := strings.TrimPrefix(url, s.URL)
	if a := apptest.Get(t, s.StartBeside(t, bothLinkKeys)+path); a.StatusCode != http.StatusOK {
		t.Errorf("by the second key: %s", a.Status)
	}
	wantNoLink(t, "by another key", s.StartBeside(t, otherLinkKey)+path)
	withoutKey := s.StartBeside(t)
	for _, a := range []apptest.Answer{apptest.Get(t, withoutKey+path), apptest.Do(t, http.MethodPost, withoutKey+strings.TrimPrefix(location, s.URL)+"/links", nil)} {
		if a.StatusCode != 404 || !strings.Contains(a.JSON(t)["detail"].(string), "LINK_KEY") {
			t.Errorf("without a key: %s: %s", a.Status, a.Bytes)
		}
	}

	// The job is gone.
	if a := apptest.Do(t, http.MethodDelete, location, nil); a.StatusCode != 204 {
		t.Fatalf("delete: %s", a.Status)
	}
	wantNoLink(t, "of a deleted job", url)
}

func wantNoLink(t *testing.T, what, url string) {
	t.Helper()
	a := apptest.Get(t, url)
	if a.StatusCode != 404 || !strings.HasPrefix(a.JSON(t)["detail"].(string), "this link is not valid") || a.Header.Get("Cache-Control") != "private, no-cache" || a.Header.Get("Location") != "" {
		t.Errorf("a link %s: %s: %s", what, a.Status, a.Bytes)
	}
}

// TestForgedLinks changes each byte of a token, and its spelling. Nothing of it reaches
// storage.
func TestForgedLinks(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, linkKey)
	ct, body := apptest.Form(t, small(t))
	location := apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(body), "Content-Type", ct).Header.Get("Location")
	before := s.Count()
	url, _ := share(t, location, "")
	if n := s.Count(); n["S3 GetObject"] != before["S3 GetObject"]+1 || n["S3 PutObject"] != before["S3 PutObject"] {
		t.Errorf("a link makes the calls %v, before %v", n, before)
	}
	base, token := url[:strings.LastIndexByte(url, '/')+1], url[strings.LastIndexByte(url, '/')+1:]
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	forged := []string{"x", token[1:], token + "A", token + "=", token + "%0A", strings.ToUpper(token), token[:len(token)-1], token[:len(token)-1] + "~"}
	for i := range raw {
		other := bytes.Clone(raw)
		other[i] ^= 1
		forged = append(forged, base64.RawURLEncoding.EncodeToString(other))
	}
	// The last character has bits that count for nothing: they must be zero.
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, token[len(token)-1])
	forged = append(forged, token[:len(token)-1]+string(alphabet[last|1]))
	before = s.Count()
	for _, f := range forged {
		if f != token {
			wantNoLink(t, f, base+f)
		}
	}
	if n := s.Count(); n["S3 GetObject"] != before["S3 GetObject"] {
		t.Errorf("forged links read storage: %v, before %v", n, before)
	}
	for body, want := range map[string]int{
		`{"expires_in": 59}`: 400, `{"expires_in": 604801}`: 400, `{"expires_in": -1}`: 400, `{"expires_in": 9223372036854775807}`: 400, `{"expires_in": 60.5}`: 400,
		`{"expires_in": "60"}`: 400, `{"expires": 60}`: 400, `[]`: 400, `{`: 400, `{"download": 1}`: 400, `{"download": true} {}`: 400, strings.Repeat(" ", 2000): 400,
		`{"expires_in": 60}`: 201, `{"expires_in": 604800}`: 201, `{}`: 201,
	} {
		if a := apptest.Do(t, http.MethodPost, location+"/links", strings.NewReader(body)); a.StatusCode != want {
			t.Errorf("%.40s: %s: %s", body, a.Status, a.Bytes)
		}
	}
	if a := apptest.Do(t, http.MethodPost, s.URL+"/jobs/0199f1c2-7d3a-7c11-9a52-5f0f6f3b8e21/links", nil); a.StatusCode != 404 {
		t.Errorf("of no job: %s", a.Status)
	}
}

// TestLinkOfAJobThatIsNotOver: the link is there before the output, and ends with this life
// of the job, although its key names another job later.
func TestLinkOfAJobThatIsNotOver(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, linkKey)
	submit := func(header ...string) apptest.Answer {
		ct, body := apptest.Form(t, small(t))
		return apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(body), append(header, "Content-Type", ct, "Idempotency-Key", "again")...)
	}
	location := submit().Header.Get("Location")
	url, _ := share(t, location, "")
	id := location[strings.LastIndexByte(location, '/')+1:]
	a := apptest.Get(t, url)
	if a.StatusCode != 404 || a.Header.Get("Retry-After") == "" || strings.Contains(string(a.Bytes), id) || !strings.Contains(a.JSON(t)["detail"].(string), "no output behind this link yet") {
		t.Errorf("of a pending job: %s, Retry-After %q: %s", a.Status, a.Header.Get("Retry-After"), a.Bytes)
	}
	if a := apptest.Do(t, http.MethodPost, location+"/cancel", nil); a.StatusCode != 202 {
		t.Fatalf("cancel: %s", a.Status)
	}
	if a := apptest.Get(t, url); a.StatusCode != 404 || a.Header.Get("Retry-After") != "" || strings.Contains(string(a.Bytes), id) {
		t.Errorf("of a canceled job: %s: %s", a.Status, a.Bytes)
	}
	if a := apptest.Do(t, http.MethodDelete, location, nil); a.StatusCode != 204 {
		t.Fatalf("delete: %s", a.Status)
	}
	s.StartWorker(t)
	next := submit("Prefer", "wait=20")
	if next.StatusCode != http.StatusCreated || next.JSON(t)["job_id"] != id {
		t.Fatalf("the next job of the key: %s: %s", next.Status, next.Bytes)
	}
	wantNoLink(t, "of a former life", url)
	if now, _ := share(t, location, ""); apptest.Get(t, now).StatusCode != 200 || now == url {
		t.Error("the next job has no link of its own")
	}
}
