// Package apitest holds answers against the description of the API. A test whose
// requests are answered through [Handler] fails when an answer's path, method, status,
// header or body is not in openapi.yaml.
package apitest

import (
	"net/http"
	"strings"
	"sync"
	"testing"
)

// Handler answers as h does, and fails t for answers that are not as described,
// whichever client they are for. The API is at h's root. No request may be under way
// when t ends.
func Handler(t testing.TB, h http.Handler) http.Handler {
	t.Helper()
	d, err := described()
	if err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &recorder{ResponseWriter: w}
		h.ServeHTTP(rec, r)
		if rec.status == clientClosedRequest || rec.status == 0 {
			return
		}
		resp := &http.Response{StatusCode: rec.status, Header: rec.header, Request: r}
		for _, err := range d.Check(resp, rec.body) {
			t.Errorf("%s %s is answered by %d %s, and openapi.yaml does not say so: %v", r.Method, r.URL.Path, rec.status, http.StatusText(rec.status), err)
		}
	})
}

// clientClosedRequest is the status for a client that has left.
const clientClosedRequest = 499

// described is the description, loaded once for all tests.
var described = sync.OnceValues(Load)

// recorder remembers an answer's header as it is sent, and its body where that is JSON.
// Unwrap keeps the controller's reach.
type recorder struct {
	http.ResponseWriter
	status int
	header http.Header
	body   []byte
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= 200 {
		r.status, r.header = status, r.Header().Clone()
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	if ct := r.header.Get("Content-Type"); strings.Contains(ct, "json") || len(r.body) == 0 {
		r.body = append(r.body, p...)
	}
	return r.ResponseWriter.Write(p)
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
