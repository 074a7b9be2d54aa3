package remote_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/processortest"
	"claimcheck.example/internal/processor/remote"
)

// TestRedirects has a server redirect each request to its path with a slash, and others.
func TestRedirects(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("another server gets the image") }))
	defer other.Close()
	mux := http.NewServeMux()
	to := func(code int, location string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			io.CopyN(io.Discard, r.Body, 5<<20) // or the whole of a smaller image
			w.Header().Set("Location", location)
			w.WriteHeader(code)
		}
	}
	mux.HandleFunc("POST /temporary", to(307, "/model/"))
	mux.HandleFunc("POST /permanent", to(308, "/model/"))
	mux.HandleFunc("POST /twice", to(308, "temporary"))
	mux.HandleFunc("POST /endless", to(307, "/endless"))
	mux.HandleFunc("POST /found", to(302, "/model/?token=secret"))
	mux.HandleFunc("POST /elsewhere", to(307, other.URL+"/?token=secret"))
	mux.HandleFunc("POST /model/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "image/png")
		io.WriteString(w, r.Header.Get("X-Params"))
		io.Copy(w, r.Body)
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	tests := []struct {
		path string
		size int
		log  string // empty: the redirect is followed
	}{
		{"/temporary", 7, ""},
		{"/temporary", 3 << 20, ""},
		{"/permanent", 7, ""},
		{"/twice", 7, ""},
		{"/temporary", 20 << 20, "the image is too large to be sent twice: set PROCESSOR"},
		{"/endless", 7, `answered 307 with the location "` + srv.URL + `/endless"`},
		{"/found", 7, `answered 302 with the location "` + srv.URL + `/model/"`},
		{"/elsewhere", 7, `answered 307 with the location "` + other.URL + `/"`},
	}
	for _, tt := range tests {
		p, err := remote.New(srv.URL+tt.path, remote.Options{})
		if err != nil {
			t.Fatal(err)
		}
		image := bytes.Repeat([]byte("x"), tt.size)
		_, body, err := processortest.Run(t, p, image, `{"a":1}`)
		switch {
		case tt.log == "" && (err != nil || string(body) != `{"a":1}`+string(image)):
			t.Errorf("%s with %d bytes: %d bytes, %v", tt.path, tt.size, len(body), err)
		case tt.log != "" && (job.KindOf(err) != job.Misconfigured || !strings.Contains(err.Error(), tt.log) || strings.Contains(err.Error(), "secret")):
			t.Errorf("%s with %d bytes: %v, want %q", tt.path, tt.size, err, tt.log)
		}
	}
}

// TestClosedConnections has a server keep each connection, and close it on its second
// request without an answer.
func TestClosedConnections(t *testing.T) {
	t.Parallel()
	var requests, closed atomic.Int64
	seen := map[string]bool{} // by the client's address; the requests come one by one
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if seen[r.RemoteAddr] {
			closed.Add(1)
			panic(http.ErrAbortHandler)
		}
		seen[r.RemoteAddr] = true
		image, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "image/png")
		w.Write(image)
	}))
	defer srv.Close()
	p, err := remote.New(srv.URL, remote.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		image := bytes.Repeat([]byte{byte(i)}, 300<<10)
		if _, body, err := processortest.Run(t, p, image, ""); err != nil || !bytes.Equal(body, image) {
			t.Errorf("image %d: %d bytes, %v", i, len(body), err)
		}
	}
	if closed.Load() == 0 {
		t.Errorf("no connection was used twice, in %d requests", requests.Load())
	}
}

// TestRefusalsSayWhy compares what the client and what the operator read.
func TestRefusalsSayWhy(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status                 int
		contentType, body, why string
	}{
		{400, "application/json", `{"detail":"no face\u0007 in the picture."}`, "the processor refused the image (status 400): no face  in the picture"},
		{422, "application/problem+json; charset=utf-8", `{"title":"x","detail":"too dark"}`, "the processor refused the image (status 422): too dark"},
		{413, "application/json", `{"error":"at most 10 MB"}`, "the processor refused the image (status 413): at most 10 MB"},
		{415, "application/json", `{"message":"no GIF"}`, "the processor refused the image (status 415): no GIF"},
		{422, "application/json", `{"detail":[{"msg":"secret"}]}`, "the processor refused the image (status 422)"},
		{422, "application/json", `{"detail":`, "the processor refused the image (status 422)"},
		{400, "text/plain; charset=utf-8", "upside down\nsecret", "the processor refused the image (status 400): upside down"},
		{400, "text/plain", strings.Repeat("x", 500), "the processor refused the image (status 400): " + strings.Repeat("x", 300)},
		{400, "text/html", "secret", "the processor refused the image (status 400)"},
		{404, "text/plain", "secret", "the processor refused the image (status 404)"},
		{503, "text/plain", "secret", "the processor cannot work now (status 503)"},
	}
	for _, tt := range tests {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", tt.contentType)
			w.WriteHeader(tt.status)
			io.WriteString(w, tt.body)
		}))
		p, err := remote.New(srv.URL, remote.Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = processortest.Run(t, p, []byte("picture"), "")
		if job.MessageOf(err) != tt.why {
			t.Errorf("%d %s: the client reads %q, want %q", tt.status, tt.body, job.MessageOf(err), tt.why)
		}
		if !strings.Contains(err.Error(), "processor answered") || !strings.Contains(err.Error(), tt.body[:5]) && !strings.HasPrefix(tt.body, "{") {
			t.Errorf("%d %s: the operator reads %v", tt.status, tt.body, err)
		}
		srv.Close()
	}
}
