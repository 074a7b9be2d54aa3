// Package app is the composition root: it wires concrete types to each other and holds
// no logic of its own. Beside config, the root package and the commands it is the only
// one that knows the environment.
package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/uuid"
	"golang.org/x/term"

	"claimcheck.example/internal/config"
	"claimcheck.example/internal/httpapi"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/preview"
	"claimcheck.example/internal/processor"
	"claimcheck.example/internal/processor/imaging"
	"claimcheck.example/internal/quota"
	"claimcheck.example/internal/service"
	"claimcheck.example/internal/telemetry"
	"claimcheck.example/internal/worker"
)

// API is the whole of the service behind its handler.
type API struct {
	Handler http.Handler
	// Drain has those answered who wait for the end of a job; to be called once the
	// process is to end.
	Drain  func()
	viewer *preview.Viewer
	log    *slog.Logger
}

// NewAPI wires the handler. Nothing is dialled before the first request.
func NewAPI(c *config.Config, cfg aws.Config, tel *Telemetry) (*API, error) {
	log := tel.Log
	b := newBackends(c, cfg, tel)
	rules, err := newProcessor(c, log)
	if err != nil {
		return nil, err
	}
	auth, err := newAuthenticator(c, log)
	if err != nil {
		return nil, err
	}
	monitor, err := newMonitor(c, log)
	if err != nil {
		return nil, err
	}
	a := &API{viewer: newViewer(c, log), log: log}
	var witness job.Previewer
	if a.viewer != nil {
		witness = a.viewer
	}
	limits := quota.New(c.RateLimit.SubmitsPerMinute, c.RateLimit.BytesPerDay, time.Now)
	draining := make(chan struct{})
	a.Drain = sync.OnceFunc(func() { close(draining) })
	service := service.New(service.Config{
		Draining: draining, Crowded: b.memory.Crowded,
		Store: b.store, Presigner: b.store, Ledger: b.store, Queue: b.queue, Monitor: monitor, Rules: rules,
		Inspector: inspector{}, Witness: witness, Quota: limits, Now: time.Now, Logger: log,
		Limits: service.Limits{
			MaxBytes: int64(c.MaxImageBytes), InlineBytes: int64(c.InlineBytes()), MaxPixels: c.MaxImagePixels,
			Uploads: c.MaxUploads, Waiters: c.MaxWaiters, UploadTTL: c.UploadTTL, Retention: c.QueueRetention, Settle: settleTime,
		},
	})
	var describe func(*http.Request, netip.Addr, int, int64, time.Duration) slog.Attr
	if c.Cloud.Google() || c.LogFormat == string(telemetry.FormatGCP) {
		describe = telemetry.HTTPRequest
	}
	handler, routes := httpapi.New(httpapi.Options{
		RequestAttr: describe, Service: service, Auth: auth, Quota: limits, Observer: tel, Trace: telemetry.Inject, Logger: log, Audit: telemetry.Audit(log), With: telemetry.With, PublicURL: c.PublicURL.URL,
		MaxImageBytes: int64(c.MaxImageBytes), IdleTimeout: c.IdleTimeout, Yield: b.memory.Yield, CORSOrigins: c.CORSOrigins, AuthHeader: c.AuthHeader, Proxies: c.Proxies(), Now: time.Now,
	})
	a.Handler = telemetry.Handler(telemetry.HandlerOptions{
		Providers: tel.providers, Metrics: tel.metrics, Routes: routes, Quiet: []string{"/health", "/ready"},
	}, handler)
	return a, nil
}

// settleTime bounds what follows the last byte of a submit.
const settleTime = 30 * time.Second

// Close ends what the handler has started. No request may be under way.
func (a *API) Close() {
	if a.viewer != nil {
		a.viewer.Close()
	}
}

// newViewer returns what shows images to a developer, or nil: at any level but debug,
// and in a cloud, nobody looks.
func newViewer(c *config.Config, log *slog.Logger) *preview.Viewer {
	if c.LogLevel > slog.LevelDebug || c.Cloud.Anywhere() {
		return nil
	}
	o := preview.Options{Logger: log, Open: preview.Desktop(os.Getenv)}
	if fd := int(os.Stderr.Fd()); term.IsTerminal(fd) {
		o.Terminal, o.Columns = os.Stderr, 80
		if w, _, err := term.GetSize(fd); err == nil {
			o.Columns = w
		}
	}
	return preview.New(o)
}

// newProcessor returns what PROCESSOR names.
func newProcessor(c *config.Config, log *slog.Logger) (processor.Processor, error) {
	var env []string
	for _, name := range append([]string{"PATH"}, c.ProcessorEnv...) {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	p, err := processor.New(c.Processor, processor.Options{
		Image:   imaging.Limits{MaxPixels: c.MaxImagePixels, MaxInputBytes: int64(c.MaxImageBytes), MaxOutputBytes: int64(c.MaxOutputBytes)},
		Timeout: c.ProcessTimeout, MaxMemory: int64(c.ProcessorMemory), Env: env, Logger: log,
	})
	if err != nil {
		return nil, fmt.Errorf("PROCESSOR: %w", err)
	}
	return p, nil
}

// NewWorker wires a consumer of the queue.
func NewWorker(c *config.Config, cfg aws.Config, tel *Telemetry) (*worker.Worker, error) {
	return newWorker(c, newBackends(c, cfg, tel), tel)
}

func newWorker(c *config.Config, b *backends, tel *Telemetry) (*worker.Worker, error) {
	log := tel.Log
	p, err := newProcessor(c, log)
	if err != nil {
		return nil, err
	}
	var room job.Room // a program or a server has limits of its own
	if im, ok := p.(*imaging.Processor); ok {
		room = im.Room(c.RoomPixels())
	}
	runner := worker.NewRunner(worker.RunnerConfig{
		Store: b.store, Ledger: b.store, Queue: b.queue, Processor: p, Room: room, Worker: workerName(), Lease: c.Lease,
		Inspector: inspector{}, MaxPixels: c.MaxImagePixels, TimeLimit: c.ProcessTimeout, MaxAttempts: c.MaxAttempts, Now: time.Now, Logger: log,
	})
	return worker.New(worker.Config{
		Queue: observedQueue{b.queue, tel}, Run: tel.observeRun(runner.Run), Concurrency: c.Concurrency, Visibility: c.Lease, Grace: c.Grace, Logger: log,
	}), nil
}

// workerName is different for each process, on whatever host: two claims of one job by
// the same name are the same claim.
func workerName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "worker"
	}
	return fmt.Sprintf("%s/%d/%s", host, os.Getpid(), uuid.NewString()[:8])
}

// Work consumes the queue until ctx ends.
func Work(ctx context.Context, c *config.Config) error {
	limitMemory(c)
	tel, err := NewTelemetry(ctx, c, "claimcheck-worker")
	if err != nil {
		return err
	}
	defer tel.Close()
	cfg, err := LoadAWS(ctx, tel.Log)
	if err != nil {
		return err
	}
	b := newBackends(c, cfg, tel)
	w, err := newWorker(c, b, tel)
	if err != nil {
		return err
	}
	tel.Log.Info("worker started", "version", Version, "config", c)
	// The queue says at once what is wrong with it; the bucket would with the first job.
	if err := b.store.Ready(ctx); err != nil && ctx.Err() == nil {
		tel.Log.Error("the worker cannot do its work", "kind", job.KindOf(err).String(), "error", err)
	}
	err = w.Serve(ctx)
	tel.Log.Info("worker stopped")
	return err
}
