package app

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"claimcheck.example/internal/config"
	"claimcheck.example/internal/httpapi"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/outbound"
	"claimcheck.example/internal/webhook"
	"claimcheck.example/internal/worker"
)

// webhooks is what a process needs to take webhooks and to call them.
type webhooks struct {
	*webhook.Keys
	client *outbound.Client
	queue  job.Queue
}

func (w *webhooks) Check(address string) error { return w.client.Check(address) }

func (w *webhooks) post(ctx context.Context, address string, header http.Header, body []byte) (status int, retryAfter time.Duration, err error) {
	a, err := w.client.Post(ctx, address, header, body)
	return a.Status, a.RetryAfter, err
}

func (w *webhooks) Send(ctx context.Context, m job.Message) error { return w.queue.Send(ctx, m) }

// outboundClient returns the way to the addresses that clients name.
func outboundClient(c *config.Config) *outbound.Client {
	return outbound.New(outbound.Options{
		Allow: outbound.Allow(c.OutboundAllow), UserAgent: "Claimcheck/" + Version,
	})
}

// webhooks returns what the process needs for webhooks; nil without WEBHOOK_KEY.
func (p *Process) webhooks() (*webhooks, error) {
	if len(p.Config.WebhookKeys) == 0 {
		return nil, nil
	}
	keys, err := webhook.ParseKeys(p.Config.WebhookKeys)
	if err != nil {
		return nil, fmt.Errorf("WEBHOOK_KEY: %w", err)
	}
	return &webhooks{keys, outboundClient(p.Config), p.backends.webhooks}, nil
}

// deliverer returns what calls webhooks; nil without WEBHOOK_KEY.
func (p *Process) deliverer() (*worker.Deliverer, error) {
	w, err := p.webhooks()
	if w == nil || err != nil {
		return nil, err
	}
	estimator, err := newEstimator(p.Config)
	if err != nil {
		return nil, err
	}
	b := p.backends
	status := httpapi.Options{Estimator: estimator, JobTTL: time.Duration(p.Config.JobTTLDays) * 24 * time.Hour, Now: time.Now}
	return worker.NewDeliverer(worker.DelivererConfig{
		Documents: b.documents, Events: b.documents, Queue: b.webhooks, Retention: p.Config.QueueRetention, Keys: w.Keys, Post: w.post, Concurrency: p.Config.WebhookConcurrency,
		Status: func(j *job.Job) []byte { return httpapi.Status(status, j.WebhookBase, j) }, Now: time.Now, Logger: p.Telemetry.Log,
	}), nil
}

// Workers are the consumers of a process: one of the jobs' queue and, where webhooks have a
// queue of their own, one of that.
type Workers struct {
	jobs     *worker.Worker
	webhooks *worker.Worker // nil: there is none
}

// Serve consumes until ctx ends, or both queues are idle, as worker.Worker.Serve does. When
// one of the consumers ends with an error, so does the other.
func (w *Workers) Serve(ctx context.Context) error {
	if w.webhooks == nil {
		return w.jobs.Serve(ctx)
	}
	group, ctx := errgroup.WithContext(ctx)
	ended := make(chan struct{})
	group.Go(func() error {
		defer close(ended)
		return w.jobs.Serve(ctx)
	})
	group.Go(func() error {
		for { // jobs that are at work have webhooks to come
			if err := w.webhooks.Serve(ctx); err != nil || ctx.Err() != nil {
				return err
			}
			select {
			case <-ended:
				return nil
			default:
			}
		}
	})
	return group.Wait()
}

// Spent reports whether the worker can carry out no more jobs, as worker.Worker.Spent does.
func (w *Workers) Spent() bool { return w.jobs.Spent() }

// Carry carries out deliveries that the host has received, from whichever of the two queues,
// as worker.Worker.Carry does. Those for webhooks have their back-off set in their own queue,
// whose receipts the other one does not know.
func (w *Workers) Carry(ctx context.Context, deliveries []job.Delivery) (again []job.Delivery) {
	if w.webhooks == nil {
		return w.jobs.Carry(ctx, deliveries)
	}
	var jobs, webhooks []job.Delivery
	for _, d := range deliveries {
		if d.Webhook {
			webhooks = append(webhooks, d)
		} else {
			jobs = append(jobs, d)
		}
	}
	var running sync.WaitGroup
	running.Go(func() { again = w.webhooks.Carry(ctx, webhooks) })
	later := w.jobs.Carry(ctx, jobs)
	running.Wait()
	return append(again, later...)
}
