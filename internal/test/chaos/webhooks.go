package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"claimcheck.example/internal/job"
)

// webhookVars let server and workers call the receiver.
var webhookVars = []string{"WEBHOOK_KEY=whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "OUTBOUND_ALLOW=127.0.0.1"}

// receiver takes the webhooks of jobs. It fails the first try of some events, in several ways,
// and asks the API at some of the others whether the job is over.
type receiver struct {
	server *httptest.Server
	status func(ctx context.Context, id string) (over bool, err error) // set before the first webhook

	mu        sync.Mutex // guards what follows
	rand      *rand.Rand
	tried     map[string]int    // by event
	events    map[string]event  // by webhook-id
	delivered map[string]string // the webhook-id that 2xx was answered to, by job
	asked     int               // how often the API was asked
	wrong     []string
}

// event is what a webhook-id names.
type event struct{ Type, Job, Status string }

func newReceiver(seed uint64) *receiver {
	r := &receiver{rand: rand.New(rand.NewPCG(seed, 1<<34)), tried: map[string]int{}, events: map[string]event{}, delivered: map[string]string{}}
	r.server = httptest.NewServer(http.HandlerFunc(r.serve))
	return r
}

func (r *receiver) serve(w http.ResponseWriter, req *http.Request) {
	var body struct {
		Type string
		Data struct {
			ID     string `json:"job_id"`
			Status string
		}
	}
	raw, err := io.ReadAll(req.Body)
	if err != nil {
		return // the worker was killed
	}
	id := req.Header.Get("Webhook-Id")
	if err := json.Unmarshal(raw, &body); err != nil || id == "" || body.Data.ID == "" {
		r.breaks("a webhook %q has the body %.100q", id, raw)
		return
	}
	now := event{body.Type, body.Data.ID, body.Data.Status}
	if now.Type != "job."+now.Status {
		r.breaks("webhook %s of job %s is %s, and says that the job is %s", id, now.Job, now.Type, now.Status)
	}
	fail, ask := r.note(id, now)
	if ask {
		ctx, cancel := context.WithTimeout(req.Context(), 2*time.Second)
		defer cancel()
		if over, err := r.status(ctx, now.Job); err == nil && !over {
			r.breaks("webhook %s came while job %s was not over", id, now.Job)
		}
	}
	switch fail {
	case failed:
		w.WriteHeader(http.StatusInternalServerError)
	case cut:
		panic(http.ErrAbortHandler)
	default:
		r.mu.Lock()
		defer r.mu.Unlock()
		r.delivered[now.Job] = id
	}
}

// How a try ends.
const (
	taken = iota
	failed
	cut
)

// note keeps what an event names, and decides how the try ends and whether to ask the API.
func (r *receiver) note(id string, now event) (end int, ask bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch was, ok := r.events[id]; {
	case !ok:
		r.events[id] = now
	case was != now:
		r.wrong = append(r.wrong, fmt.Sprintf("webhook %s names %v and %v", id, was, now))
	}
	r.tried[id]++
	if r.tried[id] == 1 && r.rand.IntN(8) == 0 { // the second pause is of 5 min
		end = failed + r.rand.IntN(2)
	}
	ask = r.rand.IntN(4) == 0
	if ask {
		r.asked++
	}
	return end, ask
}

func (r *receiver) breaks(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wrong = append(r.wrong, fmt.Sprintf(format, args...))
}

// audit compares what came with the documents.
func (r *receiver) audit(report *report, jobs map[string]*job.Job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	report.broken = append(report.broken, r.wrong...)
	report.webhooks = len(r.delivered)
	for _, n := range r.tried {
		report.tries += n
	}
	named := map[string]string{}
	for id, e := range r.events {
		if other := named[e.Job]; other != "" {
			report.breaks("job %s has the webhooks %s and %s", e.Job, other, id)
		}
		named[e.Job] = id
		if j := jobs[e.Job]; j != nil && !j.Deleted && string(j.Status) != e.Status {
			report.breaks("webhook %s says that job %s is %s, and it is %s", id, e.Job, e.Status, j.Status)
		}
	}
	for id, j := range jobs {
		if j.Status.Over() && j.WebhookDue && !j.Deleted && !j.Unaccepted && r.delivered[id] == "" {
			report.breaks("job %s is %s, and its webhook was not delivered", id, j.Status)
		}
	}
}

// over asks the API whether a job is over. One that is deleted meanwhile counts as over.
func (c *clients) over(ctx context.Context, id string) (bool, error) {
	status, body, err := c.get(ctx, "/jobs/"+id)
	if err == nil && (status >= http.StatusInternalServerError || status == http.StatusTooManyRequests) {
		err = fmt.Errorf("status %d", status)
	}
	if err != nil {
		return false, err
	}
	var st struct{ Status job.Status }
	if status == http.StatusOK {
		err = json.Unmarshal(body, &st)
	}
	return status != http.StatusOK || st.Status.Over(), err
}
