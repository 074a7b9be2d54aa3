package lifecycle_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/webhook"
	"claimcheck.example/internal/worker"
)

// hook is a webhook that the service takes.
const hook = "https://receiver.example/hook?secret=s3cret"

var webhookKeys = func() *webhook.Keys {
	k, err := webhook.ParseKeys([]string{"whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="})
	if err != nil {
		panic(err)
	}
	return k
}()

// webhooks are what the service needs for webhooks; messages go to the jobs' queue.
type webhooks struct{ *jobtest.Queue }

func (webhooks) Check(address string) error {
	if !strings.HasPrefix(address, "https://receiver.example/") {
		return job.Errorf(job.Invalid, "this address is not allowed")
	}
	return nil
}

func (webhooks) Public() []string              { return webhookKeys.Public() }
func (webhooks) Secrets(owner string) []string { return webhookKeys.Secrets(owner) }

// asStatus is a status for receivers.
func asStatus(j *job.Job) []byte {
	return []byte(`{"job_id":"` + string(j.ID) + `","status":"` + string(j.Status) + `","location":"` + j.WebhookBase + `"}`)
}

// carryOut runs a delivery by what it is for, as a worker does.
func (s *system) carryOut(ctx context.Context, r *worker.Runner, d job.Delivery) worker.Outcome {
	if d.Webhook {
		return s.deliverer.Run(ctx, d)
	}
	return r.Run(ctx, d)
}

// arrival is one request that the receiver has got.
type arrival struct {
	id, kind string
	job      job.ID
	header   http.Header
	body     []byte
	at       time.Time
}

// receiver is the server that webhooks are posted to. It answers 204, or what answer says.
type receiver struct {
	s      *system
	answer func(n int) (status int, retryAfter time.Duration, err error)

	mu    sync.Mutex // guards what follows
	got   []arrival
	wrong []string // events that must not arrive
}

func (r *receiver) post(ctx context.Context, address string, header http.Header, body []byte) (int, time.Duration, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var event struct {
		Type string
		Data struct {
			JobID  job.ID `json:"job_id"`
			Status job.Status
		}
	}
	if err := json.Unmarshal(body, &event); err != nil || address != hook {
		r.wrong = append(r.wrong, "malformed: "+string(body))
	}
	if !event.Data.Status.Over() {
		r.wrong = append(r.wrong, "before the end of its job: "+string(body))
	}
	a := arrival{id: header.Get("Webhook-Id"), kind: event.Type, job: event.Data.JobID, header: header, body: bytes.Clone(body), at: r.s.deliverer.Now()}
	for _, earlier := range r.got {
		if earlier.id == a.id && !bytes.Equal(earlier.body, a.body) {
			r.wrong = append(r.wrong, a.id+" names two events")
		}
	}
	r.got = append(r.got, a)
	if r.answer == nil {
		return http.StatusNoContent, 0, nil
	}
	n := len(r.got)
	r.mu.Unlock() // one that hangs does not keep the others out
	defer r.mu.Lock()
	return r.answer(n)
}

// arrivals returns what has arrived of a job.
func (r *receiver) arrivals(id job.ID) (all []arrival) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.got {
		if a.job == id {
			all = append(all, a)
		}
	}
	return all
}

// settle tells the queue what became of a delivery.
func settle(ctx context.Context, s *system, d job.Delivery, out worker.Outcome) error {
	return worker.Settle(ctx, s.queue, d, out)
}
