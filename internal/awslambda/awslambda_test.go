package awslambda_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"claimcheck.example/internal/awslambda"
)

func event(method, body string, encoded bool) *awslambda.Event {
	e := &awslambda.Event{}
	e.RawPath, e.Body, e.IsBase64Encoded = "/", body, encoded
	e.RequestContext.DomainName = "x.example"
	e.RequestContext.HTTP.Method = method
	return e
}

// ask has a handler answer an event, and reads the answer as Lambda's client does.
func ask(t *testing.T, h http.HandlerFunc, e *awslambda.Event) (*events.LambdaFunctionURLStreamingResponse, []byte, error) {
	t.Helper()
	flushed := false
	f := awslambda.Function{API: h, Flush: func() { flushed = true }}
	v, err := f.Handle(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	r := v.(*events.LambdaFunctionURLStreamingResponse)
	b, err := io.ReadAll(r.Body)
	if flushed {
		t.Error("the client waits for the flush")
	}
	r.Close()
	if !flushed && r.StatusCode != http.StatusBadRequest {
		t.Error("not flushed before the next event")
	}
	return r, b, err
}

// TestLengths sends bodies plain and encoded: the handler knows their lengths.
func TestLengths(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "a", "ab", "abc", "abcd"} {
		for _, encoded := range []bool{false, true} {
			sent := body
			if encoded {
				sent = base64.StdEncoding.EncodeToString([]byte(body))
			}
			_, got, err := ask(t, func(w http.ResponseWriter, r *http.Request) {
				if r.ContentLength != int64(len(body)) {
					t.Errorf("%q, encoded %v: length %d", body, encoded, r.ContentLength)
				}
				io.Copy(w, r.Body)
			}, event("POST", sent, encoded))
			if err != nil || string(got) != body {
				t.Errorf("%q, encoded %v: %q, %v", body, encoded, got, err)
			}
		}
	}
}

// TestBrokenAnswer aborts answers: the reader gets an error, and the process lives.
func TestBrokenAnswer(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		length string
		abort  bool
		want   string
	}{
		"aborted, of known length":   {"10", true, "broke off"},
		"aborted, of unknown length": {"", true, "broke off"},
		"too short":                  {"10", false, "6 bytes early"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, got, err := ask(t, func(w http.ResponseWriter, _ *http.Request) {
				if tt.length != "" {
					w.Header().Set("Content-Length", tt.length)
				}
				io.WriteString(w, "half")
				if tt.abort {
					panic(http.ErrAbortHandler)
				}
			}, event("GET", "", false))
			if string(got) != "half" || err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

// TestStream reads the first part of an answer before the second is written.
func TestStream(t *testing.T) {
	t.Parallel()
	read := make(chan struct{})
	f := awslambda.Function{Flush: func() {}, API: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "first")
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		<-read
		io.WriteString(w, "second")
	})}
	v, err := f.Handle(t.Context(), event("GET", "", false))
	if err != nil {
		t.Fatal(err)
	}
	answer := v.(*events.LambdaFunctionURLStreamingResponse)
	first := make([]byte, 5)
	if _, err := io.ReadFull(answer.Body, first); err != nil || string(first) != "first" {
		t.Errorf("%q, %v", first, err)
	}
	close(read)
	if rest, err := io.ReadAll(answer.Body); err != nil || string(rest) != "second" {
		t.Errorf("%q, %v", rest, err)
	}
	answer.Close()
}

// TestHead answers HEAD with a body, which goes no further.
func TestHead(t *testing.T) {
	t.Parallel()
	r, body, err := ask(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "4")
		io.WriteString(w, "body")
	}, event("HEAD", "", false))
	if err != nil || r.StatusCode != 200 || r.Headers["Content-Length"] != "4" || len(body) != 0 {
		t.Errorf("%d %v: %q, %v", r.StatusCode, r.Headers, body, err)
	}
}

func TestMalformedPath(t *testing.T) {
	t.Parallel()
	e := event("GET", "", false)
	e.RawPath = "/jobs/%zz"
	r, body, err := ask(t, func(http.ResponseWriter, *http.Request) { t.Error("the handler is asked") }, e)
	if err != nil || r.StatusCode != 400 || !json.Valid(body) {
		t.Errorf("%d: %q, %v", r.StatusCode, body, err)
	}
}

// TestTimeIsNearlyOver gives the handler less time than the invocation has.
func TestTimeIsNearlyOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := awslambda.Function{Flush: func() {}, API: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			io.WriteString(w, "not yet")
		})}
		for timeout, want := range map[time.Duration]time.Duration{3 * time.Second: 2700 * time.Millisecond, time.Minute: 59 * time.Second} {
			begin := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			v, err := f.Handle(ctx, event("GET", "", false))
			if err != nil {
				t.Fatal(err)
			}
			r := v.(*events.LambdaFunctionURLStreamingResponse)
			if b, err := io.ReadAll(r.Body); string(b) != "not yet" || err != nil || time.Since(begin) != want {
				t.Errorf("of %s: %q after %s, %v", timeout, b, time.Since(begin), err)
			}
			r.Close()
			cancel()
		}
	})
}

// TestClientIsGone closes an answer unread: the handler's context ends, and Close waits
// for the handler.
func TestClientIsGone(t *testing.T) {
	t.Parallel()
	ended := false
	f := awslambda.Function{API: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		<-r.Context().Done()
		for _, err := io.WriteString(w, "more"); err == nil; _, err = io.WriteString(w, "more") {
		}
		ended = true
	}), Flush: func() {
		if !ended {
			t.Error("flushed before the end")
		}
	}}
	v, err := f.Handle(t.Context(), event("GET", "", false))
	if err != nil {
		t.Fatal(err)
	}
	v.(io.Closer).Close()
	if !ended {
		t.Error("not waited for")
	}
}

func TestOtherEvents(t *testing.T) {
	t.Parallel()
	f := awslambda.Function{}
	for _, e := range []*awslambda.Event{{}, {Records: []events.SQSMessage{{EventSource: "aws:sns"}}}} {
		if _, err := f.Handle(context.Background(), e); err == nil {
			t.Errorf("%+v is taken", e)
		}
	}
}
