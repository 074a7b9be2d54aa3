package httpapi_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/app/apptest"
)

// offer is an upload as a client reads it out of an answer.
type offer struct {
	method, url string
	header      map[string]string
}

func offerOf(t *testing.T, a apptest.Answer) offer {
	t.Helper()
	up, ok := a.JSON(t)["upload"].(map[string]any)
	if !ok {
		t.Fatalf("%s offers no upload: %s", a.Status, a.Bytes)
	}
	o := offer{up["method"].(string), up["url"].(string), map[string]string{}}
	for name, value := range up["headers"].(map[string]any) {
		o.header[name] = value.(string)
	}
	if until, err := time.Parse(time.RFC3339, up["expires_at"].(string)); err != nil || time.Until(until) <= 0 || time.Until(until) > time.Hour {
		t.Errorf("the upload expires at %v: %v", up["expires_at"], err)
	}
	return o
}

// put follows the offer with any HTTP client's means; header replaces some of its own.
func (o offer) put(t *testing.T, body []byte, header ...string) *http.Response {
	t.Helper()
	sent := maps.Clone(o.header)
	for i := 0; i < len(header); i += 2 {
		sent[header[i]] = header[i+1]
	}
	req, err := http.NewRequestWithContext(t.Context(), o.method, o.url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range sent {
		if name != "Content-Length" { // the client's own business: it is body's length
			req.Header.Set(name, value)
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp
}

func announce(t *testing.T, s *apptest.System, contentType string, size int, header ...string) apptest.Answer {
	t.Helper()
	body := fmt.Appendf(nil, `{"content_type":%q,"size_bytes":%d,"params":{"width":3}}`, contentType, size)
	a := apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(body), append(header, "Content-Type", "application/json")...)
	if a.StatusCode != http.StatusAccepted || a.JSON(t)["status"] != "pending" {
		t.Fatalf("announcement: %s: %s", a.Status, a.Bytes)
	}
	return a
}

func commit(t *testing.T, location string) apptest.Answer {
	t.Helper()
	return apptest.Do(t, http.MethodPost, location+"/commit", nil)
}

// TestDirectUpload leaves an image in storage by a request that the service has signed,
// and takes the check for it.
func TestDirectUpload(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	s.StartWorker(t)
	img := small(t)
	announced := announce(t, s, "image/png", len(img), "Idempotency-Key", "k")
	location := announced.Header.Get("Location")
	if again := announce(t, s, "image/png", len(img), "Idempotency-Key", "k"); again.Header.Get("Location") != location {
		t.Errorf("the key names %s and %s", location, again.Header.Get("Location"))
	}
	if a := commit(t, location); a.StatusCode != http.StatusConflict || a.JSON(t)["location"] != location {
		t.Errorf("commit before the upload: %s: %s", a.Status, a.Bytes)
	}
	status := apptest.Get(t, location)
	if status.StatusCode != http.StatusOK || status.JSON(t)["status"] != "pending" {
		t.Errorf("status before the upload: %s: %s", status.Status, status.Bytes)
	}
	if a := apptest.Get(t, location+"/output"); a.StatusCode != http.StatusNotFound || a.Header.Get("Location") != location {
		t.Errorf("output before the upload: %s: %s", a.Status, a.Bytes)
	}
	// The offer of the status is as good as that of the announcement.
	if resp := offerOf(t, status).put(t, img); resp.StatusCode != http.StatusOK {
		t.Fatalf("upload: %s", resp.Status)
	}
	if resp := offerOf(t, announced).put(t, img); resp.StatusCode != http.StatusPreconditionFailed {
		t.Errorf("a second upload: %s", resp.Status)
	}
	for range 2 { // it may be repeated
		if a := commit(t, location); a.StatusCode != http.StatusAccepted || a.JSON(t)["upload"] != nil {
			t.Fatalf("commit: %s: %s", a.Status, a.Bytes)
		}
	}
	end := apptest.Await(t, location).JSON(t)
	if end["status"] != "completed" || end["input"].(map[string]any)["content_type"] != "image/png" || end["output"].(map[string]any)["width"] != 3.0 {
		t.Errorf("the job is %v", end)
	}
	if a := commit(t, location); a.StatusCode != http.StatusAccepted {
		t.Errorf("commit after the end: %s: %s", a.Status, a.Bytes)
	}
}

// TestDirectUploadIsBoundToWhatWasAnnounced tries to put something else behind the
// signature: storage itself refuses.
func TestDirectUploadIsBoundToWhatWasAnnounced(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	img := small(t)
	announced := announce(t, s, "image/png", len(img))
	o, location := offerOf(t, announced), announced.Header.Get("Location")
	other := offerOf(t, announce(t, s, "image/png", len(img)))
	tests := map[string]struct {
		offer  offer
		body   []byte
		header []string
	}{
		"a byte more":       {o, append(bytes.Clone(img), 0), nil},
		"a byte less":       {o, img[1:], nil},
		"nothing":           {o, nil, nil},
		"another type":      {o, img, []string{"Content-Type", "text/html"}},
		"to replace":        {o, img, []string{"If-None-Match", ""}},
		"another job's URL": {offer{o.method, swapQuery(o.url, other.url), o.header}, img, nil},
		"to read":           {offer{http.MethodGet, o.url, o.header}, nil, nil},
		"to delete":         {offer{http.MethodDelete, o.url, o.header}, nil, nil},
	}
	for name, tt := range tests {
		if resp := tt.offer.put(t, tt.body, tt.header...); resp.StatusCode != http.StatusForbidden && resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", name, resp.Status)
		}
		if a := commit(t, location); a.StatusCode != http.StatusConflict {
			t.Errorf("commit after %s: %s: %s", name, a.Status, a.Bytes)
		}
	}
	if n := s.Count()["SQS SendMessage"]; n != 0 {
		t.Errorf("%d messages were sent", n)
	}
}

// swapQuery is url with the query, and so the signature, of another.
func swapQuery(url, from string) string {
	path, _, _ := bytes.Cut([]byte(url), []byte("?"))
	_, query, _ := bytes.Cut([]byte(from), []byte("?"))
	return string(path) + "?" + string(query)
}

// TestCommitRefusesWhatASubmitWould uploads what a submit would not take; the commit
// finds out without a worker's help.
func TestCommitRefusesWhatASubmitWould(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		contentType string
		body        []byte
		want        int
	}{
		"HTML":                         {"image/png", []byte("<!DOCTYPE html><script>alert(1)</script>"), 415},
		"an SVG with a script":         {"image/png", []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>`), 415},
		"one byte":                     {"image/png", []byte{0x89}, 415},
		"another kind of image":        {"image/jpeg", small(t), 415},
		"an image of too many pixels":  {"image/png", pngOf(50_000, 50_000), 413},
		"an animation of many frames":  {"image/gif", animation(t, 30), 413},
		"a TIFF of too many pages":     {"image/tiff", manyDirectories(1000), 413},
		"a PNG of nothing but a start": {"image/png", small(t)[:20], 415},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := apptest.Start(t, "MAX_IMAGE_PIXELS=10000")
			announced := announce(t, s, tt.contentType, len(tt.body))
			location := announced.Header.Get("Location")
			if resp := offerOf(t, announced).put(t, tt.body); resp.StatusCode != http.StatusOK {
				t.Fatalf("upload: %s", resp.Status)
			}
			refused := commit(t, location)
			if refused.StatusCode != tt.want || refused.JSON(t)["location"] != location {
				t.Errorf("commit: %s: %s", refused.Status, refused.Bytes)
			}
			status := apptest.Get(t, location)
			if m := status.JSON(t); status.StatusCode != http.StatusOK || m["status"] != "failed" || m["message"] != refused.JSON(t)["detail"] || m["upload"] != nil {
				t.Errorf("status: %s: %s", status.Status, status.Bytes)
			}
			if a := apptest.Get(t, location+"/output"); a.StatusCode != http.StatusNotFound {
				t.Errorf("output: %s", a.Status)
			}
			// The input is gone at once; what is left is the document, which says so, and its
			// place in the list.
			if left := s.Keys(t); len(left) != 2 || !strings.HasPrefix(left[0], "jobs/") || !strings.HasPrefix(left[1], "lists/") {
				t.Errorf("left are %v", left)
			}
			if a := apptest.Do(t, http.MethodDelete, location, nil); a.StatusCode != http.StatusNoContent {
				t.Errorf("delete: %s: %s", a.Status, a.Bytes)
			}
			wantNothing(t, s)
		})
	}
}

// TestTooLargeImageIsOfferedAnUpload submits an image that is too large for a submit
// but not for a job, in every form of a submit. The refusal carries what a client needs
// to bring the image in nevertheless.
func TestTooLargeImageIsOfferedAnUpload(t *testing.T) {
	t.Parallel()
	photo := rainier(t)
	form, formBody := apptest.Form(t, photo, "params", `{"width":30}`)
	query := "?params=%7B%22width%22%3A30%7D"
	tests := map[string]struct {
		query, contentType string
		body               io.Reader
	}{
		"form":                 {"", form, bytes.NewReader(formBody)},
		"form without length":  {"", form, chunked{bytes.NewReader(formBody)}},
		"bare":                 {query, "image/jpeg", bytes.NewReader(photo)},
		"bare without length":  {query, "image/jpeg", chunked{bytes.NewReader(photo)}},
		"bare under the wrong": {query, "image/png", bytes.NewReader(photo)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := apptest.Start(t, "MAX_INLINE_BYTES=20KiB")
			s.StartWorker(t)
			refused := apptest.Do(t, http.MethodPost, s.URL+"/jobs"+tt.query, tt.body, "Content-Type", tt.contentType)
			location := refused.Header.Get("Location")
			problem := refused.JSON(t)
			if refused.StatusCode != http.StatusRequestEntityTooLarge || location == "" || problem["location"] != location || problem["detail"] == "" {
				t.Fatalf("submit: %s: %s", refused.Status, refused.Bytes)
			}
			o := offerOf(t, refused)
			if got := o.header["Content-Type"]; got != "image/jpeg" {
				t.Errorf("the upload is of %q", got)
			}
			if resp := o.put(t, photo); resp.StatusCode != http.StatusOK {
				t.Fatalf("upload: %s", resp.Status)
			}
			if a := commit(t, location); a.StatusCode != http.StatusAccepted {
				t.Fatalf("commit: %s: %s", a.Status, a.Bytes)
			}
			if end := apptest.Await(t, location).JSON(t); end["status"] != "completed" || end["output"].(map[string]any)["width"] != 30.0 {
				t.Errorf("the job is %v", end)
			}
		})
	}
	t.Run("more than a job may weigh", func(t *testing.T) {
		t.Parallel()
		s := apptest.Start(t, "MAX_INLINE_BYTES=20KiB", "MAX_IMAGE_BYTES=40KiB")
		for name, body := range map[string]io.Reader{"with length": bytes.NewReader(photo), "without": chunked{bytes.NewReader(photo)}} {
			a := apptest.Do(t, http.MethodPost, s.URL+"/jobs", body, "Content-Type", "image/jpeg")
			if a.StatusCode != http.StatusRequestEntityTooLarge || a.JSON(t)["upload"] != nil || a.Header.Get("Location") != "" {
				t.Errorf("%s: %s: %s", name, a.Status, a.Bytes)
			}
		}
		wantNothing(t, s)
	})
	t.Run("what is not an image", func(t *testing.T) {
		t.Parallel()
		s := apptest.Start(t, "MAX_INLINE_BYTES=20KiB")
		if a := apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(make([]byte, 50<<10)), "Content-Type", "image/jpeg"); a.StatusCode != http.StatusUnsupportedMediaType {
			t.Errorf("%s: %s", a.Status, a.Bytes)
		}
		wantNothing(t, s)
	})
}

// chunked hides a body's length from the client.
type chunked struct{ io.Reader }

// TestAnnouncedDigest announces an image with its digest, in each form. Bytes with another
// one are not stored, and the job has the digest from its commit on.
func TestAnnouncedDigest(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	img := small(t)
	sum := sha256.Sum256(img)
	other := bytes.Clone(img)
	other[len(other)-1]++
	announce := func(digest string) apptest.Answer {
		t.Helper()
		body := fmt.Appendf(nil, `{"content_type":"image/png","size_bytes":%d,"sha256":%q}`, len(img), digest)
		return apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(body), "Content-Type", "application/json")
	}
	for _, digest := range []string{"x", "00", strings.Repeat("0", 63), strings.Repeat("0", 65), "sha-256=:AAAA:", "sha-512=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":", "sha-256=" + hex.EncodeToString(sum[:])} {
		if a := announce(digest); a.StatusCode != http.StatusBadRequest || !strings.Contains(string(a.Bytes), "64 hexadecimal digits") {
			t.Errorf("%s: %s: %s", digest, a.Status, a.Bytes)
		}
	}
	for _, digest := range []string{
		hex.EncodeToString(sum[:]), strings.ToUpper(hex.EncodeToString(sum[:])), "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":",
	} {
		announced := announce(digest)
		if announced.StatusCode != http.StatusAccepted {
			t.Fatalf("%s: %s: %s", digest, announced.Status, announced.Bytes)
		}
		location := announced.Header.Get("Location")
		if resp := offerOf(t, announced).put(t, other); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: other bytes: %s", digest, resp.Status)
		}
		if a := commit(t, location); a.StatusCode != http.StatusConflict {
			t.Errorf("%s: commit of other bytes: %s: %s", digest, a.Status, a.Bytes)
		}
		if resp := offerOf(t, apptest.Get(t, location)).put(t, img); resp.StatusCode != http.StatusOK {
			t.Errorf("%s: the announced bytes: %s", digest, resp.Status)
		}
		if a := commit(t, location); a.StatusCode != http.StatusAccepted {
			t.Errorf("%s: commit: %s: %s", digest, a.Status, a.Bytes)
		}
		input, _ := apptest.Get(t, location).JSON(t)["input"].(map[string]any)
		if input["sha256"] != nil && input["sha256"] != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: the status says %v", digest, input)
		}
	}
}
