package client_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"claimcheck.example/internal/client"
)

// TestWatch follows a job whose stream breaks off, at servers that stream and that do not.
func TestWatch(t *testing.T) {
	t.Parallel()
	const id = "0199f1c2-7d3a-7c11-9a52-5f0f6f3b8e21"
	document := func(status string) string { return fmt.Sprintf(`{"job_id":%q,"status":%q}`, id, status) }
	event := func(status string) string {
		return fmt.Sprintf("event: status\nid: %q\ndata: %s\n\n", status, document(status))
	}
	stream := func(w http.ResponseWriter, events string) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, events)
	}
	tests := map[string]struct {
		answers []func(w http.ResponseWriter, r *http.Request) // the last one repeats itself
		want    []string
		asked   []string // Accept and Last-Event-ID, or Prefer
		fails   bool
	}{
		"in one": {
			[]func(http.ResponseWriter, *http.Request){func(w http.ResponseWriter, _ *http.Request) {
				stream(w, event("pending")+":\n\n"+event("processing")+event("completed"))
			}},
			[]string{"pending", "processing", "completed"}, []string{"text/event-stream "}, false,
		},
		"over several connections": {
			[]func(http.ResponseWriter, *http.Request){
				func(w http.ResponseWriter, _ *http.Request) { stream(w, event("pending")+"retry: 1\n\n") },
				func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
				func(w http.ResponseWriter, _ *http.Request) {
					stream(w, event("processing")+"event: status\ndata: {\"half")
				},
				func(w http.ResponseWriter, _ *http.Request) { stream(w, event("canceled")) },
			},
			[]string{"pending", "processing", "canceled"},
			[]string{"text/event-stream ", `text/event-stream "pending"`, `text/event-stream "pending"`, `text/event-stream "processing"`}, false,
		},
		"where the server knows no streams": {
			[]func(http.ResponseWriter, *http.Request){
				func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, document("pending")) },
				func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, document("pending")) },
				func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, document("failed")) },
			},
			[]string{"pending", "failed"}, []string{"text/event-stream ", " ", " wait=50"}, false,
		},
		"where the server cannot stream": {
			[]func(http.ResponseWriter, *http.Request){
				func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotAcceptable) },
				func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, document("completed")) },
			},
			[]string{"completed"}, []string{"text/event-stream ", " "}, false,
		},
		"of no job": {
			[]func(http.ResponseWriter, *http.Request){func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }},
			nil, []string{"text/event-stream "}, true,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex // guards asked
			var asked []string
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				answer := tt.answers[min(len(asked), len(tt.answers)-1)]
				asked = append(asked, r.Header.Get("Accept")+" "+r.Header.Get("Last-Event-ID")+r.Header.Get("Prefer"))
				answer(w, r)
			}))
			t.Cleanup(s.Close)
			c, err := client.New(s.URL, "Authorization", "")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			err = c.Watch(t.Context(), id, func(j *client.Job) error {
				got = append(got, j.Status)
				return nil
			})
			if (err != nil) != tt.fails || !slices.Equal(got, tt.want) {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
			mu.Lock()
			defer mu.Unlock()
			if diff := cmp.Diff(tt.asked, asked); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}
