package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/image/bmp"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/cost"
	"claimcheck.example/internal/proof"
)

// requests returns the requests to S3 and SQS since the last ResetCount, in the notation
// of package cost.
func requests(s *apptest.System) []string {
	var all []string
	for _, c := range s.Calls() {
		if c.Key == proof.Key { // a process reads it once, at its start, and not on AWS
			continue
		}
		section, _, _ := strings.Cut(c.Key, "/")
		all = append(all, strings.TrimSpace(c.Operation+" "+section))
	}
	return all
}

// arrive waits until this request arrives.
func arrive(t *testing.T, s *apptest.System, request string) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	for tick := time.NewTicker(5 * time.Millisecond); !slices.Contains(requests(s), request); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("no %s among %q", request, requests(s))
		}
	}
}

func count(all []string, request string) (n int) {
	for _, one := range all {
		if one == request {
			n++
		}
	}
	return n
}

// upTo returns requests until the first of this name.
func upTo(all []string, request string) []string {
	return all[:slices.Index(all, request)+1]
}

// sum returns the requests of several steps, in any order.
func sum(steps ...cost.Step) []string {
	var all []string
	for _, s := range steps {
		all = append(all, s.Requests...)
	}
	slices.Sort(all)
	return all
}

// costs runs something and compares its requests with those of its steps. A server
// receives no messages: a poll among its requests comes from a worker that was stopped
// before, and arrived after its end.
func costs(t *testing.T, s *apptest.System, do func(), steps ...cost.Step) {
	t.Helper()
	s.ResetCount()
	do()
	got, poll := requests(s), cost.Receive.Requests[0]
	if !slices.Contains(sum(steps...), poll) {
		got = slices.DeleteFunc(got, func(r string) bool { return r == poll })
	}
	holds(t, got, steps...)
}

// works has a worker do the first job of the queue, up to this request; then the worker
// polls for more.
func works(t *testing.T, s *apptest.System, last string, steps ...cost.Step) {
	t.Helper()
	s.ResetCount()
	s.StartWorker(t)
	arrive(t, s, last)
	holds(t, upTo(requests(s), last), steps...)
}

func holds(t *testing.T, got []string, steps ...cost.Step) {
	t.Helper()
	slices.Sort(got)
	if diff := cmp.Diff(sum(steps...), got); diff != "" {
		t.Errorf("requests of %q (-documented +counted):\n%s", steps[0].Name, diff)
	}
}

// answers sends a request, whose answer must have one of the statuses.
func answers(t *testing.T, a apptest.Answer, statuses ...int) apptest.Answer {
	t.Helper()
	if !slices.Contains(statuses, a.StatusCode) {
		t.Fatalf("answer is %s: %s", a.Status, a.Bytes)
	}
	return a
}

// TestBill counts the requests of all that package cost has a price for.
func TestBill(t *testing.T) {
	t.Parallel()
	worked := []cost.Step{cost.Receive, cost.Claim, cost.Read, cost.Write, cost.Complete, cost.Record, cost.Done}

	t.Run("a job", func(t *testing.T) {
		t.Parallel()
		// A command without progress: progress costs a write, at most every 2 s.
		s := apptest.Start(t, "CONCURRENCY=1", "PROCESSOR=exec:cat")
		var location string
		costs(t, s, func() { location = answers(t, s.Submit(t, apptest.Photograph(t)), 202).Header.Get("Location") }, cost.Submit)
		costs(t, s, func() { answers(t, apptest.Get(t, location), 200) }, cost.Status)
		s.ResetCount()
		stop := s.StartWorker(t)
		arrive(t, s, "DeleteMessage")
		got := upTo(requests(s), "DeleteMessage")
		stop()
		var want []string // one after the other
		for _, step := range worked {
			want = append(want, step.Requests...)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("requests of a worker (-documented +counted):\n%s", diff)
		}
		if _, doc := object(t, s, "jobs/"+location[strings.LastIndexByte(location, '/')+1:]); len(doc) > cost.DocumentBytes {
			t.Errorf("the document has %d bytes, estimated at %d", len(doc), cost.DocumentBytes)
		}
		costs(t, s, func() { answers(t, apptest.Get(t, location), 201) }, cost.Status)
		costs(t, s, func() { answers(t, apptest.Get(t, location, "Prefer", "wait=5"), 201) }, cost.Status)
		costs(t, s, func() { answers(t, apptest.Get(t, location+"/output"), 200) }, cost.Output)
		costs(t, s, func() { answers(t, apptest.Get(t, s.URL+"/jobs"), 200) }, cost.List)
		costs(t, s, func() { answers(t, apptest.Get(t, s.URL+"/usage"), 200) }, cost.Usage)
		costs(t, s, func() { answers(t, apptest.Do(t, http.MethodDelete, location, nil), 204) }, cost.Delete)
		costs(t, s, func() { answers(t, apptest.Get(t, s.URL+"/ready"), 200) }, cost.Ready)
		costs(t, s, func() { answers(t, apptest.Get(t, s.URL+"/health"), 200) }, cost.Health)
	})
	t.Run("a status that waits", func(t *testing.T) {
		t.Parallel()
		s := apptest.Start(t)
		location := answers(t, s.Submit(t, apptest.Photograph(t)), 202).Header.Get("Location")
		s.ResetCount()
		answers(t, apptest.Get(t, location, "Prefer", "wait=1"), 200)
		if n := len(requests(s)); n < 2 || n > 12 || // fewer where the machine is busy
			n*len(cost.Status.Requests) != s.Count()["S3 GetObject"] {
			t.Errorf("%d looks in a second, documented as some 10", n)
		}
	})
	t.Run("in parts", func(t *testing.T) {
		t.Parallel()
		s := apptest.Start(t)
		var large bytes.Buffer
		if err := bmp.Encode(&large, image.NewNRGBA(image.Rect(0, 0, 2000, 1200))); err != nil { // 7.2 MB or 9.6 MB
			t.Fatal(err)
		}
		costs(t, s, func() { answers(t, s.Submit(t, large.Bytes()), 202) }, cost.SubmitParts)
	})
	t.Run("under a key", func(t *testing.T) {
		t.Parallel()
		s := apptest.Start(t)
		url := s.URL
		var location string
		submit := func() {
			ct, body := apptest.Form(t, apptest.Photograph(t))
			a := answers(t, apptest.Do(t, http.MethodPost, url+"/jobs", bytes.NewReader(body), "Content-Type", ct, "Idempotency-Key", "k"), 202)
			location = a.Header.Get("Location")
		}
		costs(t, s, submit, cost.SubmitKeyed)
		costs(t, s, submit, cost.RepeatLater)
		url = s.StartBeside(t) // does not know what the other process has just sent
		s.ResetCount()
		costs(t, s, submit, cost.RepeatPending)
		stop := s.StartWorker(t)
		apptest.Await(t, location)
		stop()
		costs(t, s, submit, cost.RepeatLater)
	})
	t.Run("direct upload", func(t *testing.T) {
		t.Parallel()
		s := apptest.Start(t)
		body := apptest.Photograph(t)
		var a apptest.Answer
		costs(t, s, func() {
			announcement := fmt.Sprintf(`{"content_type": "image/jpeg", "size_bytes": %d}`, len(body))
			a = answers(t, apptest.Do(t, http.MethodPost, s.URL+"/jobs", strings.NewReader(announcement), "Content-Type", "application/json"), 202)
		}, cost.Announce)
		var answer struct {
			Upload struct {
				URL     string
				Headers map[string]string
			}
		}
		if err := json.Unmarshal(a.Bytes, &answer); err != nil {
			t.Fatal(err)
		}
		costs(t, s, func() {
			var header []string
			for name, value := range answer.Upload.Headers {
				header = append(header, name, value)
			}
			answers(t, apptest.Do(t, http.MethodPut, answer.Upload.URL, bytes.NewReader(body), header...), 200)
		}, cost.Upload)
		costs(t, s, func() { answers(t, apptest.Do(t, http.MethodPost, a.Header.Get("Location")+"/commit", nil), 202) }, cost.Commit)
	})
	t.Run("a failed job", func(t *testing.T) {
		t.Parallel()
		s := apptest.Start(t, "CONCURRENCY=1", "PROCESSOR=exec:sh -c 'cat >/dev/null; exit 65'")
		answers(t, s.Submit(t, apptest.Photograph(t)), 202)
		works(t, s, "DeleteMessage", cost.Receive, cost.Claim, cost.Read, cost.Complete, cost.Record, cost.Done)
	})
	t.Run("an attempt that failed", func(t *testing.T) {
		t.Parallel()
		s := apptest.Start(t, "CONCURRENCY=1", "PROCESSOR=exec:sh -c 'cat >/dev/null; exit 75'")
		answers(t, s.Submit(t, apptest.Photograph(t)), 202)
		works(t, s, "ChangeMessageVisibility", cost.Receive, cost.Claim, cost.Read, cost.Retry)
	})
	t.Run("long work", func(t *testing.T) {
		t.Parallel()
		var s *apptest.System
		twice := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			// Until two renewals are written, and their messages hidden.
			for tick := time.NewTicker(5 * time.Millisecond); count(requests(s), "ChangeMessageVisibility") < 2; {
				select {
				case <-tick.C:
				case <-r.Context().Done():
					return
				}
			}
			_, _ = io.Copy(w, r.Body)
		}))
		defer twice.Close()
		s = apptest.Start(t, "CONCURRENCY=1", "LEASE=9s", "PROCESSOR="+twice.URL)
		answers(t, s.Submit(t, apptest.Photograph(t)), 202)
		works(t, s, "DeleteMessage", append(worked, cost.Renew, cost.Renew)...)
	})
	t.Run("idle", func(t *testing.T) {
		t.Parallel()
		polls := make(chan int32, 10)
		watch := middleware.InitializeMiddlewareFunc("polls", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			if r, ok := in.Parameters.(*sqs.ReceiveMessageInput); ok {
				polls <- r.WaitTimeSeconds
			}
			return next.HandleInitialize(ctx, in)
		})
		s := apptest.StartWatched(t, apptest.Watch{Worker: func(stack *middleware.Stack) error {
			return stack.Initialize.Add(watch, middleware.After)
		}}, "CONCURRENCY=8")
		var wait int32
		costs(t, s, func() {
			stop := s.StartWorker(t)
			wait = <-polls
			select {
			case <-polls:
				t.Error("a second poll beside the first")
			case <-time.After(time.Second):
			}
			stop()
		}, cost.Idle)
		if want := fmt.Sprintf("every %d s: %d an hour", wait, 3600/wait); !strings.HasSuffix(cost.Idle.Name, want) {
			t.Errorf("a poll is %s, which is documented as %q", want, cost.Idle.Name)
		}
	})
}
