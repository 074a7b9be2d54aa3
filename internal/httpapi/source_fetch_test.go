package httpapi_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"claimcheck.example/internal/app/apptest"
)

// host is a server with images. It counts the requests.
func host(t *testing.T) (base string, asked *atomic.Int32) {
	t.Helper()
	asked = &atomic.Int32{}
	img := small(t)
	sum := sha256.Sum256(img)
	digest := func(b []byte) string { return "sha-256=:" + base64.StdEncoding.EncodeToString(b) + ":" }
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch r.URL.Path {
		case "/small.png", "/other.png":
			w.Write(img)
		case "/labelled":
			w.Header().Set("Content-Type", "text/html")
			w.Write(img)
		case "/digest":
			w.Header().Set("Content-Digest", digest(sum[:]))
			w.Header().Set("Repr-Digest", "unknown=:AAAA:, "+digest(sum[:]))
			w.Write(img)
		case "/wrong-content":
			w.Header().Set("Content-Digest", digest(make([]byte, 32)))
			w.Write(img)
		case "/wrong-repr":
			w.Header().Set("Repr-Digest", digest(make([]byte, 32)))
			w.Write(img)
		case "/malformed":
			w.Header().Set("Repr-Digest", "sha-256=:AAAA:")
			w.Write(img)
		case "/text":
			fmt.Fprint(w, strings.Repeat("this is not an image. ", 1000))
		case "/empty":
		case "/moved":
			http.Redirect(w, r, "/small.png", http.StatusMovedPermanently)
		case "/inside":
			http.Redirect(w, r, "https://127.0.0.2/small.png", http.StatusFound)
		case "/large", "/endless":
			if r.URL.Path == "/large" {
				w.Header().Set("Content-Length", "2000000")
			}
			w.Write(img)
			for {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		case "/breaks":
			w.Header().Set("Content-Length", fmt.Sprint(len(img)))
			w.Write(img[:len(img)/2])
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

func fetch(t *testing.T, s *apptest.System, source string, header ...string) apptest.Answer {
	t.Helper()
	body := fmt.Sprintf(`{"source": {"url": %q}, "params": {"width": 3}}`, source)
	return apptest.Do(t, http.MethodPost, s.URL+"/jobs", strings.NewReader(body), append(header, "Content-Type", "application/json")...)
}

func TestSources(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, "OUTBOUND_ALLOW=127.0.0.1", "MAX_IMAGE_BYTES=1000000", "MAX_INLINE_BYTES=1KiB")
	base, asked := host(t)
	s.StartWorker(t)
	form := func(fields ...part) apptest.Answer { return postForm(t, s, fields...) }
	field := func(name, value string) part { return part{disposition(`name="` + name + `"`), []byte(value)} }
	for name, a := range map[string]apptest.Answer{
		"JSON":         fetch(t, s, base+"/small.png", "Prefer", "wait=20"),
		"a form":       form(field("params", `{"width": 3}`), field("source", base+"/small.png")),
		"a form, last": form(field("source", base+"/small.png"), field("params", `{"width": 3}`)),
		"the query":    apptest.Do(t, http.MethodPost, s.URL+"/jobs?params=%7B%22width%22%3A3%7D&source="+url.QueryEscape(base+"/small.png"), nil),
		"a redirect":   fetch(t, s, base+"/moved"),
		"digests":      fetch(t, s, base+"/digest"),
		"a wrong type": fetch(t, s, base+"/labelled"),
	} {
		if a.StatusCode != http.StatusAccepted && a.StatusCode != http.StatusCreated {
			t.Errorf("%s: %s: %s", name, a.Status, a.Bytes)
			continue
		}
		done := apptest.Await(t, s.URL+"/jobs/"+a.JSON(t)["job_id"].(string))
		input := done.JSON(t)["input"].(map[string]any)
		sum := sha256.Sum256(small(t))
		if done.JSON(t)["status"] != "completed" || input["sha256"] != fmt.Sprintf("%x", sum) || input["content_type"] != "image/png" || strings.Contains(string(done.Bytes), "source") {
			t.Errorf("%s: %s", name, done.Bytes)
		}
		if out := done.JSON(t)["output"].(map[string]any); out["width"] != 3.0 {
			t.Errorf("%s: params did not arrive: %s", name, done.Bytes)
		}
	}
	before, jobs := asked.Load(), s.Count()["SQS SendMessage"]
	for source, want := range map[string]string{
		base + "/missing":                  "422 the source cannot be fetched: the server answers 404 Not Found",
		base + "/breaks":                   "422 the source cannot be fetched: the server breaks off the connection",
		base + "/wrong-content":            "422 the source cannot be fetched: the server sends other bytes than its digest (sha-256) says",
		base + "/wrong-repr":               "422 the source cannot be fetched: the server sends other bytes than its digest (sha-256) says",
		base + "/malformed":                "422 the source cannot be fetched: the server answers with a malformed Repr-Digest",
		base + "/text":                     "415 the file is not an image by its content",
		base + "/empty":                    "400 the image is empty",
		base + "/large":                    "413 ",
		base + "/endless":                  "413 ",
		base + "/inside":                   "400 the source cannot be fetched: this address is not allowed",
		"http://127.0.0.2/small.png":       "400 the source cannot be fetched: the URL must begin with https://",
		"https://127.0.0.2/small.png":      "400 the source cannot be fetched: this address is not allowed",
		"https://169.254.169.254/":         "400 the source cannot be fetched: this address is not allowed",
		"https://[::ffff:169.254.169.254]": "400 the source cannot be fetched: this address is not allowed",
		"https://user:sesame@example.com/": "400 the source cannot be fetched: the URL must not contain a user name or a password",
		"ftp://127.0.0.1/small.png":        "400 the source cannot be fetched: the URL must begin with https://",
		"small.png":                        "400 the source cannot be fetched: this is not an absolute URL",
		"":                                 "400 source is empty",
	} {
		a := fetch(t, s, source)
		if got := fmt.Sprint(a.StatusCode, " ", a.JSON(t)["detail"]); !strings.HasPrefix(got, want) || a.JSON(t)["job_id"] != nil {
			t.Errorf("%s: got %s, want %s", source, a.Bytes, want)
		}
	}
	if n := asked.Load() - before; n != 10 {
		t.Errorf("%d requests came", n)
	}
	for name, a := range map[string]apptest.Answer{
		"two fields":              form(field("source", base+"/small.png"), field("source", base+"/small.png")),
		"a source and an image":   form(field("source", base+"/small.png"), part{disposition(`name="image"; filename="a.png"`), small(t)}),
		"an image and a source":   form(part{disposition(`name="image"; filename="a.png"`), small(t)}, field("source", base+"/small.png")),
		"a query and a body":      apptest.Do(t, http.MethodPost, s.URL+"/jobs?source="+url.QueryEscape(base+"/small.png"), bytes.NewReader(small(t)), "Content-Type", "image/png"),
		"a query twice":           apptest.Do(t, http.MethodPost, s.URL+"/jobs?source=a&source=b", nil),
		"an empty query":          apptest.Do(t, http.MethodPost, s.URL+"/jobs?source=", nil),
		"an announcement besides": apptest.Do(t, http.MethodPost, s.URL+"/jobs", strings.NewReader(`{"source": {"url": "`+base+`/small.png"}, "size_bytes": 3}`), "Content-Type", "application/json"),
		"an unknown member":       apptest.Do(t, http.MethodPost, s.URL+"/jobs", strings.NewReader(`{"source": {"url": "`+base+`/small.png", "header": "a"}}`), "Content-Type", "application/json"),
		"a string":                apptest.Do(t, http.MethodPost, s.URL+"/jobs", strings.NewReader(`{"source": "`+base+`/small.png"}`), "Content-Type", "application/json"),
	} {
		if a.StatusCode != http.StatusBadRequest || name == "a string" && !strings.Contains(a.JSON(t)["detail"].(string), "sha256, params, cancel_after and webhook") {
			t.Errorf("%s: %s: %s", name, a.Status, a.Bytes)
		}
	}
	if n := asked.Load() - before; n != 10 {
		t.Errorf("%d requests came for malformed submits", n-10)
	}
	if n := s.Count()["SQS SendMessage"]; n != jobs {
		t.Errorf("%d jobs came of refused sources", n-jobs)
	}
}

// TestSourcesUnderAKey: the key covers the URL and the params, and a repeat fetches nothing.
func TestSourcesUnderAKey(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, "OUTBOUND_ALLOW=127.0.0.1")
	base, asked := host(t)
	first := fetch(t, s, base+"/small.png", "Idempotency-Key", "k")
	again := fetch(t, s, base+"/small.png", "Idempotency-Key", "k")
	if first.StatusCode != 202 || again.StatusCode != 202 || first.JSON(t)["job_id"] != again.JSON(t)["job_id"] || asked.Load() != 1 {
		t.Errorf("first %s, again %s, %d requests", first.Bytes, again.Bytes, asked.Load())
	}
	ct, body := apptest.Form(t, small(t), "params", `{"width": 3}`)
	for name, a := range map[string]apptest.Answer{
		"another URL with the same image": fetch(t, s, base+"/other.png", "Idempotency-Key", "k"),
		"the image itself":                apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(body), "Content-Type", ct, "Idempotency-Key", "k"),
		"other params":                    apptest.Do(t, http.MethodPost, s.URL+"/jobs?source="+url.QueryEscape(base+"/small.png"), nil, "Idempotency-Key", "k"),
	} {
		if a.StatusCode != http.StatusUnprocessableEntity || a.JSON(t)["type"] != "urn:claimcheck:problem:mismatch" {
			t.Errorf("%s: %s: %s", name, a.Status, a.Bytes)
		}
	}
	if asked.Load() != 1 {
		t.Errorf("%d requests came", asked.Load())
	}
	if a := fetch(t, s, base+"/missing", "Idempotency-Key", "new"); a.StatusCode != 422 {
		t.Errorf("a source that is missing: %s", a.Status)
	}
	if a := fetch(t, s, base+"/small.png", "Idempotency-Key", "new"); a.StatusCode != 202 {
		t.Errorf("the key of a refused submit is used up: %s: %s", a.Status, a.Bytes)
	}
}
