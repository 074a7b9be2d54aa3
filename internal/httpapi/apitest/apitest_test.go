package apitest_test

import (
	"bytes"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"claimcheck.example/internal/httpapi"
	"claimcheck.example/internal/httpapi/apitest"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/service"
)

func load(t *testing.T) *apitest.Description {
	t.Helper()
	d, err := apitest.Load()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDescriptionAndRoutesAgree asks each route for its methods.
func TestDescriptionAndRoutesAgree(t *testing.T) {
	t.Parallel()
	h, patterns := httpapi.New(httpapi.Options{Service: &service.Service{}, Auth: httpapi.Anonymous{}, Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	served := map[string][]string{}
	for _, p := range patterns {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodOptions, strings.TrimSuffix(p, "{$}"), nil))
		methods := strings.Split(w.Header().Get("Allow"), ", ")
		served[p] = slices.DeleteFunc(methods, func(m string) bool { return m == http.MethodOptions || m == http.MethodHead })
	}
	if diff := cmp.Diff(served, load(t).Routes()); diff != "" {
		t.Errorf("routes (-served +described):\n%s", diff)
	}
}

// TestEveryKindOfErrorIsAProblemType compares the domain's kinds with what programs can
// go by, and each with the examples.
func TestEveryKindOfErrorIsAProblemType(t *testing.T) {
	t.Parallel()
	const prefix = "urn:claimcheck:problem:"
	want := []string{prefix + "method_not_allowed", prefix + "not_acceptable", prefix + "precondition_failed", prefix + "range_not_satisfiable"}
	for k := job.Unknown; k <= job.Upstream; k++ {
		if k != job.Canceled { // a client that has left reads no answer
			want = append(want, prefix+k.String())
		}
	}
	slices.Sort(want)
	got := load(t).ProblemTypes()
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("problem types (-known +described):\n%s", diff)
	}
	for name, examples := range got {
		if examples == 0 {
			t.Errorf("there is no example of %s", name)
		}
	}
}

// TestCheck takes an answer that is as described and bends it.
func TestCheck(t *testing.T) {
	t.Parallel()
	d := load(t)
	const receipt = `{"job_id":"0199f1c2-7d3a-7c11-9a52-5f0f6f3b8e21","status":"pending","location":"http://x/jobs/1","created_at":"2026-11-22T10:42:00Z"}`
	tests := map[string]struct {
		method, path string
		status       int
		header       map[string]string
		body         string
		want         string // in an error; empty: none
	}{
		"as described":           {body: receipt},
		"a path":                 {path: "/tasks", body: receipt, want: "path is not described"},
		"a path that is none":    {path: "/tasks", status: 404, header: map[string]string{"Content-Type": "application/problem+json", "Location": ""}, body: `{"type":"urn:claimcheck:problem:not_found","title":"Not Found","status":404,"detail":"no"}`},
		"a method":               {method: "PATCH", body: receipt, want: "method is not described"},
		"a status":               {status: 203, body: receipt, want: "status is not described"},
		"a header":               {header: map[string]string{"X-Powered-By": "us"}, body: receipt, want: "X-Powered-By is not described"},
		"a missing header":       {header: map[string]string{"Location": ""}, body: receipt, want: "Location is missing"},
		"a header's value":       {header: map[string]string{"Retry-After": "soon"}, body: receipt, want: "header Retry-After"},
		"a body's type":          {header: map[string]string{"Content-Type": "text/plain"}, body: receipt, want: `type "text/plain" is not described`},
		"no JSON":                {body: "receipt", want: "invalid character"},
		"a member":               {body: strings.Replace(receipt, "{", `{"bucket":"b",`, 1), want: "bucket"},
		"a missing member":       {body: strings.Replace(receipt, "location", "url", 1), want: "location"},
		"a member's value":       {body: strings.Replace(receipt, "pending", "thinking", 1), want: "pending"},
		"a member's format":      {body: strings.Replace(receipt, "2026-11-22T", "yesterday ", 1), want: "date-time"},
		"a problem's status":     {status: 400, header: map[string]string{"Content-Type": "application/problem+json"}, body: `{"type":"urn:claimcheck:problem:invalid","title":"Bad","status":401,"detail":"no"}`, want: "status 401"},
		"a problem's type":       {status: 400, header: map[string]string{"Content-Type": "application/problem+json"}, body: `{"type":"about:blank","title":"Bad","status":400,"detail":"no"}`, want: "urn:claimcheck:problem:invalid"},
		"a body where none is":   {method: "DELETE", path: "/jobs/1", status: 204, header: map[string]string{"Location": ""}, body: "gone", want: "body is not described"},
		"options, on every path": {method: "OPTIONS", path: "/anything", status: 204, header: map[string]string{"Allow": "GET"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			method, path, status := tt.method, tt.path, tt.status
			if method == "" {
				method = http.MethodPost
			}
			if path == "" {
				path = "/jobs"
			}
			if status == 0 {
				status = http.StatusAccepted
			}
			resp := &http.Response{StatusCode: status, Request: httptest.NewRequest(method, "http://x"+path, nil), Header: http.Header{
				"Content-Type": {"application/json"}, "Location": {"http://x/jobs/1"}, "X-Request-Id": {"6f0b4d2e-4b0e-4d2b-8a70-0c9f3c1f7f11"},
			}}
			for k, v := range tt.header {
				if resp.Header.Set(k, v); v == "" {
					resp.Header.Del(k)
				}
			}
			errs := d.Check(resp, []byte(tt.body))
			if tt.want == "" {
				if len(errs) > 0 {
					t.Errorf("refused: %v", errs)
				}
				return
			}
			if !slices.ContainsFunc(errs, func(err error) bool { return strings.Contains(err.Error(), tt.want) }) {
				t.Errorf("errors are %v, want one with %q", errs, tt.want)
			}
		})
	}
}

// failing is a test that only counts its failures.
type failing struct {
	testing.TB
	failures int
}

func (f *failing) Errorf(string, ...any) { f.failures++ }

func TestHandlerFailsTheTest(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		body string
		want int
	}{
		"as described":      {`{"status":"ok"}`, 0},
		"a member too many": {`{"status":"ok","bucket":"b"}`, 1},
	} {
		f := &failing{TB: t}
		h := apitest.Handler(f, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("X-Request-Id", "6f0b4d2e-4b0e-4d2b-8a70-0c9f3c1f7f11")
			io.WriteString(w, tt.body[:5])
			io.WriteString(w, tt.body[5:])
		}))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/health", nil))
		if f.failures != tt.want || w.Body.String() != tt.body {
			t.Errorf("%s: %d failures, and the client gets %s", name, f.failures, w.Body)
		}
	}
}

func TestDescriptionIsServed(t *testing.T) {
	t.Parallel()
	h, _ := httpapi.New(httpapi.Options{Service: &service.Service{}, Auth: httpapi.Anonymous{}, Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	server := httptest.NewServer(apitest.Handler(t, h))
	t.Cleanup(server.Close)
	client := server.Client()
	for _, path := range []string{"/openapi.yaml", "/docs", "/params", "/", "/page/icon.svg", "/page/upload.js", "/page/page.js", "/health"} {
		resp, err := client.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		etag := resp.Header.Get("ETag")
		if etag == "" {
			continue
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("If-None-Match", etag)
		if resp, err = client.Do(req); err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusNotModified {
			t.Errorf("%s: %s for what is known already", path, resp.Status)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/openapi.yaml", nil))
	if !bytes.Equal(w.Body.Bytes(), httpapi.OpenAPI()) || w.Header().Get("Content-Type") != "application/yaml" {
		t.Errorf("openapi.yaml is %d bytes of %s", w.Body.Len(), w.Header().Get("Content-Type"))
	}
}
