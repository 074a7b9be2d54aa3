package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/test/process"
	"claimcheck.example/internal/test/program"
)

// invocation is an event for the function, and its outcome.
type invocation struct {
	id       string
	event    []byte
	deadline time.Time
	done     chan reply
}

// reply is the function's answer to the Runtime API.
type reply struct {
	failed      bool
	contentType string
	body        []byte
	trailer     http.Header
}

// runtimeAPI is Lambda's side of the Runtime API (2018-06-01), on loopback.
type runtimeAPI struct {
	events chan *invocation

	mu   sync.Mutex // guards open
	open map[string]*invocation
	n    int
}

func (a *runtimeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, "/2018-06-01/runtime/invocation/")
	switch {
	case ok && path == "next" && r.Method == http.MethodGet:
		select {
		case i := <-a.events:
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", i.id)
			w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(i.deadline.UnixMilli()))
			w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-central-1:123456789012:function:claimcheck")
			w.Write(i.event)
		case <-r.Context().Done():
		}
	case ok && r.Method == http.MethodPost:
		id, what, _ := strings.Cut(path, "/")
		body, err := io.ReadAll(r.Body)
		a.mu.Lock()
		i := a.open[id]
		delete(a.open, id)
		a.mu.Unlock()
		if i == nil || err != nil || what != "response" && what != "error" {
			http.Error(w, "no such invocation", http.StatusBadRequest)
			return
		}
		i.done <- reply{what == "error", r.Header.Get("Content-Type"), body, r.Trailer}
		w.WriteHeader(http.StatusAccepted)
	default:
		http.NotFound(w, r)
	}
}

// invoke has the function answer an event.
func (a *runtimeAPI) invoke(t *testing.T, event any, timeout time.Duration) reply {
	t.Helper()
	b, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	i := &invocation{event: b, deadline: time.Now().Add(timeout), done: make(chan reply, 1)}
	a.mu.Lock()
	a.n++
	i.id = fmt.Sprintf("8476a536-e9f4-11e8-9739-%012d", a.n)
	a.open[i.id] = i
	a.mu.Unlock()
	a.events <- i
	select {
	case r := <-i.done:
		return r
	case <-time.After(timeout + 2*time.Minute):
		t.Fatal("the function does not answer")
		return reply{}
	}
}

// start runs the built function as Lambda does.
func start(t *testing.T, vars ...string) *runtimeAPI {
	t.Helper()
	program.NeedProcessor(t, vars)
	f, err := process.Source{Root: awstest.Module(".")}.Build(context.WithoutCancel(t.Context()), nil, "lambda")
	if err != nil {
		t.Fatal(err)
	}
	a := &runtimeAPI{events: make(chan *invocation), open: map[string]*invocation{}}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	p, err := f.Start("lambda", append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(server.URL, "http://"), "AWS_LAMBDA_FUNCTION_NAME=claimcheck", "ALLOW_ANONYMOUS=true",
	}, vars...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Log(p.Output())
		}
	})
	return a
}

// document reads an event of testdata, changed by set.
func document(t *testing.T, name string, set func(map[string]any)) map[string]any {
	t.Helper()
	b, err := os.ReadFile(awstest.Path(filepath.Join("testdata", name)))
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	set(m)
	return m
}

// answer is a parsed streamed HTTP answer.
type answer struct {
	StatusCode int
	Headers    map[string]string
	body       []byte
}

func (r reply) http(t *testing.T) answer {
	t.Helper()
	head, body, ok := bytes.Cut(r.body, make([]byte, 8))
	if r.failed || !ok || r.contentType != "application/vnd.awslambda.http-integration-response" {
		t.Fatalf("no streamed answer: %s, %q", r.contentType, r.body)
	}
	a := answer{body: body}
	if err := json.Unmarshal(head, &a); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a answer) json(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(a.body, &m); err != nil {
		t.Fatalf("%d: %q: %v", a.StatusCode, a.body, err)
	}
	return m
}
