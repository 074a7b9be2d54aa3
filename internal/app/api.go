package app

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"claimcheck.example/internal/config"
	"claimcheck.example/internal/httpapi"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/loopback"
	"claimcheck.example/internal/preview"
	"claimcheck.example/internal/processor"
	"claimcheck.example/internal/processor/imaging"
	"claimcheck.example/internal/quota"
	"claimcheck.example/internal/service"
	"claimcheck.example/internal/signature"
	"claimcheck.example/internal/telemetry"
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

// API wires the handler. Nothing is dialled before the first request.
func (p *Process) API() (*API, error) {
	c, tel, b := p.Config, p.Telemetry, p.backends
	log := tel.Log
	can := submitted(c)
	if p.role == RoleLocal && c.Processor == "image" { // the worker is here
		e, err := p.engine()
		if err != nil {
			return nil, err
		}
		can = e.Describe().Capabilities
	}
	processor, err := newProcessor(c, log, nil, &can)
	if err != nil {
		return nil, err
	}
	paramsSchema, rules, err := describe(c, processor, can)
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
	var previewer job.Previewer
	if a.viewer != nil {
		previewer = a.viewer
	}
	hooks, err := p.webhooks()
	if err != nil {
		return nil, err
	}
	limits := quota.New(c.RateLimit.SubmitsPerMinute, c.RateLimit.BytesPerDay, time.Now)
	draining := make(chan struct{})
	a.Drain = sync.OnceFunc(func() { close(draining) })
	estimator, err := newEstimator(c)
	if err != nil {
		return nil, err
	}
	var taken service.Webhooks // nil without WEBHOOK_KEY
	if hooks != nil {
		taken = hooks
	}
	var lists job.Lists
	if c.ListJobs {
		lists = b.documents
	}
	service := service.New(service.Config{
		Draining: draining, Events: b.documents, Webhooks: taken, LinkKeys: signature.Of(c.LinkKeys),
		Store: b.store(), Outbox: b.outbox(), Changes: b.changes(), Presigner: b.objects, Ledger: b.documents, Lists: lists, Queue: b.queue, Monitor: monitor, Rules: rules,
		Fetcher:   outboundClient(c),
		Inspector: inspector{}, Previewer: previewer, Quota: limits, Charges: charges(c), Now: time.Now, Logger: log,
		Limits: service.Limits{
			MaxBytes: int64(c.MaxImageBytes), InlineBytes: int64(c.InlineBytes()), MaxPixels: c.MaxImagePixels,
			Waiters: c.MaxWaiters, Fetches: maxFetches, UploadTTL: c.UploadTTL, Retention: c.QueueRetention, Settle: settleTime,
		},
	})
	var describeRequest func(*http.Request, netip.Addr, int, int64, time.Duration) slog.Attr
	if c.Cloud.Google() || c.LogFormat == string(telemetry.FormatGCP) {
		describeRequest = telemetry.HTTPRequest
	}
	var hosts func(string) bool
	if p.role == RoleLocal {
		hosts = ownHosts(c)
	}
	uploads, _ := b.objects.(httpapi.Uploads) // a bucket takes them itself
	handler, routes := httpapi.New(httpapi.Options{
		Version: Version,
		Hosts:   hosts, Uploads: uploads, ParamsSchema: paramsSchema, Login: login(c),
		RequestAttr: describeRequest, Service: service, Auth: auth, Quota: limits, Observer: tel, Trace: telemetry.Inject, Logger: log, Audit: telemetry.Audit(log), With: telemetry.With, PublicURL: c.PublicURL.URL,
		MaxImageBytes: int64(c.MaxImageBytes), IdleTimeout: c.IdleTimeout, InlineBytes: int64(c.InlineBytes()), Limiter: b.limiter, Outputs: newOutputs(c), Estimator: estimator, JobTTL: time.Duration(c.JobTTLDays) * 24 * time.Hour, CORSOrigins: c.CORSOrigins, AuthHeader: c.AuthHeader, Accepts: rules.Accepts, Proxies: c.Proxies(), Now: time.Now,
	})
	a.Handler = telemetry.Handler(telemetry.HandlerOptions{
		Providers: tel.providers, Metrics: tel.metrics, Routes: routes, Quiet: []string{"/health", "/ready"},
	}, handler)
	return a, nil
}

// ownHosts reports whether a host is one of those that a server on loopback answers to.
func ownHosts(c *config.Config) func(host string) bool {
	return func(host string) bool {
		return loopback.Host(host) || c.PublicURL.URL != nil && strings.EqualFold(host, c.PublicURL.Host)
	}
}

// maxFetches bounds the images that are fetched from their sources at once.
const maxFetches = 32

// settleTime bounds what follows the last byte of a submit.
const settleTime = 30 * time.Second

// Close ends what the handler has started. No request may be under way.
func (a *API) Close() {
	if a.viewer != nil {
		a.viewer.Close()
	}
}

// newViewer returns what shows images to a developer, or nil: at any level but debug,
// and in a cloud, no developer looks.
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

// newProcessor returns what PROCESSOR names. The engine and what it can do are for the
// built-in one.
func newProcessor(c *config.Config, log *slog.Logger, engine imaging.Engine, can *imaging.Capabilities) (processor.Processor, error) {
	var env []string
	for _, name := range append([]string{"PATH"}, c.ProcessorEnv...) {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	p, err := processor.New(c.Processor, processor.Options{
		Image: imageLimits(c), Engine: engine, Accepts: can,
		Timeout: c.ProcessTimeout, MaxMemory: int64(c.ProcessorMemory), Env: env, Logger: log,
	})
	if err != nil {
		return nil, fmt.Errorf("PROCESSOR: %w", err)
	}
	return p, nil
}
