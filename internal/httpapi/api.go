// Package httpapi is the HTTP transport of job.Service: one table of routes, one strict
// decoder of submits, one table from error kinds to statuses. It makes no decisions about
// jobs. Its handler is a plain http.Handler for every environment: net/http
// over HTTP/1 and h2c, the functions framework, AWS Lambda's Function URLs.
package httpapi

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"claimcheck.example/internal/httpapi/body"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/limiter"
	"claimcheck.example/internal/service"
)

// Authenticator determines the principal of a request.
type Authenticator interface {
	// Authenticate returns the principal, or an error of kind Unauthenticated (or
	// Unavailable, if it cannot be determined now). It reads only headers.
	Authenticate(r *http.Request) (job.Principal, error)
	// Challenge is the WWW-Authenticate value that goes with such an error.
	Challenge(err error) string
}

// Quota returns the limits in the format of the headers of the IETF's draft
// (draft-ietf-httpapi-ratelimit-headers), or empty strings without limits.
type Quota interface {
	Policy() string
	Left(owner string) string
}

// Observer receives the outcome of submits.
type Observer interface {
	Accepted(ctx context.Context, j *job.Job)
	Refused(ctx context.Context, why job.Kind)
}

type noObserver struct{}

func (noObserver) Accepted(context.Context, *job.Job) {}
func (noObserver) Refused(context.Context, job.Kind)  {}

// Anonymous authenticates every request as the anonymous principal.
type Anonymous struct{}

func (Anonymous) Authenticate(*http.Request) (job.Principal, error) { return job.Anonymous, nil }
func (Anonymous) Challenge(error) string                            { return "" }

// Options configure a handler. Service, Auth and Logger are required.
type Options struct {
	Service *service.Service
	Auth    Authenticator
	Logger  *slog.Logger
	// Audit writes at every level; nil: Logger does.
	Audit *slog.Logger
	// With returns a context in which every log line carries the attributes; nil: none does.
	With func(context.Context, ...slog.Attr) context.Context
	// Version is that of the service; /health reports it.
	Version string
	// PublicURL begins every URL in an answer; nil: the request's own host.
	PublicURL *url.URL
	// Hosts reports whether the server answers to a Host header; nil: to every one.
	Hosts func(host string) bool
	// MaxImageBytes refuses a body with a larger Content-Length before reading it.
	MaxImageBytes int64
	// InlineBytes is the maximum size of an image in a submit; zero: MaxImageBytes.
	InlineBytes int64
	// Limiter bounds the memory of uploads; nil: there is no bound.
	Limiter *limiter.Limiter
	// Outputs bounds the outputs that are sent at once; nil: there is no bound.
	Outputs *limiter.Pool
	// IdleTimeout bounds each wait for the next bytes of a body, or for the client to
	// take the next bytes of an answer; zero: 30 s.
	IdleTimeout time.Duration
	// CORSOrigins may call from a browser; "*" is everyone.
	CORSOrigins []string
	// AuthHeader is the header with the token, which CORS must permit; empty: Authorization.
	AuthHeader string
	// Estimator estimates the cost of jobs; the zero value: the cost is unknown.
	Estimator Estimator
	// JobTTL is how long storage keeps a job after its last change; zero: unknown.
	JobTTL time.Duration
	// Proxies is the number of proxies in front of the service that append their client's
	// address to X-Forwarded-For and cannot be bypassed.
	Proxies int
	// Accepts reports whether the service accepts images of a media type, for the text of the
	// page; nil: it accepts all known types.
	Accepts func(contentType string) bool
	// ParamsSchema is the JSON Schema of a submit's params; nil: any object is valid.
	ParamsSchema []byte
	// Login describes how people with a browser get a token.
	Login Login
	// Quota shows clients their limits; nil: there are no limits.
	Quota Quota
	// Uploads accepts direct uploads; nil: clients send them to storage.
	Uploads Uploads
	// Observer receives the outcome of submits; nil means none.
	Observer Observer
	// RequestAttr describes a request in the format of a cloud's log; nil: it is not described.
	RequestAttr func(r *http.Request, source netip.Addr, status int, sent int64, took time.Duration) slog.Attr
	// Trace returns the W3C trace context that travels on with a job; may be nil.
	Trace func(context.Context) map[string]string
	Now   func() time.Time
}

// api carries the options to the handlers.
type api struct {
	Options
	routes    []route
	own       documents
	names     paramNames
	readiness readiness
}

// route is one path with its methods. Any other method is a 405.
type route struct {
	pattern string // of http.ServeMux, without method
	methods map[string]handler
	open    bool // needs no principal: the platform asks, not a client
}

// handler answers a request that has been authenticated, or returns an error that
// becomes a problem document. A handler returns an error only while nothing is written.
type handler func(http.ResponseWriter, *request) error

// request is an HTTP request with what the outer layers know about it.
type request struct {
	*http.Request
	who    job.Caller
	id     string       // request id
	source netip.Addr   // where it came from; may be invalid
	base   string       // begins every URL that is handed out, without a final slash
	body   *body.Reader // which Body is, unless there is none
	// note collects further attributes of the request's log line.
	note []slog.Attr
}

func (a *api) table() []route {
	return []route{
		// Clients submit an image and get the job URL. They list their jobs.
		{"/jobs", methods{"GET": a.list, "POST": a.submit}, false},
		// Clients poll the status of a job, or delete the job.
		{"/jobs/{job_id}", methods{"GET": a.status, "DELETE": a.remove}, false},
		// Clients fetch the result.
		{"/jobs/{job_id}/output", methods{"GET": a.output}, false},
		// Clients make a link to the result, and anyone who has the link fetches it.
		{"/jobs/{job_id}/links", methods{"POST": a.share}, false},
		{"/links/{token}", methods{"GET": a.linked}, true},
		// Clients cancel a job.
		{"/jobs/{job_id}/cancel", methods{"POST": a.cancel}, false},
		// Clients commit a direct upload.
		{"/jobs/{job_id}/commit", methods{"POST": a.commit}, false},
		// Clients send a direct upload, if storage has no address of its own: the URL is signed.
		{"/jobs/{job_id}/upload", methods{"PUT": a.upload}, true},
		// Clients read the deliveries of a job's webhook, and repeat it.
		{"/jobs/{job_id}/deliveries", methods{"GET": a.deliveries, "POST": a.redeliver}, false},
		// Receivers of webhooks get the keys to verify them.
		{"/webhook-key", methods{"GET": a.webhookKey}, true},
		{"/webhook-secret", methods{"GET": a.webhookSecret}, false},
		// Clients read their usage, which the bill is based on.
		{"/usage", methods{"GET": a.usage}, false},
		// People open the page in a browser.
		{"/{$}", methods{"GET": a.page}, true},
		{"/page/{file}", methods{"GET": a.pageFile}, true},
		// Clients and the page read the schema of the params.
		{"/params", methods{"GET": a.params}, true},
		// Programmers and code generators read the description of the API.
		{"/openapi.yaml", methods{"GET": a.openapi}, true},
		{"/docs", methods{"GET": a.docs}, true},
		// The platform checks whether the process runs, and whether its backends answer.
		{"/health", methods{"GET": a.health}, true},
		{"/ready", methods{"GET": a.ready}, true},
	}
}

type methods = map[string]handler

// New returns the handler of the whole API, and the patterns of its routes.
func New(o Options) (h http.Handler, patterns []string) {
	a := &api{Options: o}
	if a.Observer == nil {
		a.Observer = noObserver{}
	}
	if a.Audit == nil {
		a.Audit = a.Logger
	}
	if a.With == nil {
		a.With = func(ctx context.Context, _ ...slog.Attr) context.Context { return ctx }
	}
	if a.Trace == nil {
		a.Trace = func(context.Context) map[string]string { return nil }
	}
	a.InlineBytes = cmp.Or(a.InlineBytes, a.MaxImageBytes)
	a.IdleTimeout = cmp.Or(a.IdleTimeout, 30*time.Second)
	a.AuthHeader = cmp.Or(a.AuthHeader, "Authorization")
	if a.ParamsSchema == nil {
		a.ParamsSchema = []byte(`{"type":"object"}`)
	}
	a.own, a.names = a.newDocuments(), namesIn(a.ParamsSchema)
	a.routes = a.table()
	mux := http.NewServeMux()
	for _, rt := range a.routes {
		mux.Handle(rt.pattern, a.serve(rt))
		patterns = append(patterns, rt.pattern)
	}
	mux.Handle("/", a.serve(route{pattern: "/", open: true}))
	return a.observe(a.admit(a.cors(mux))), patterns
}

// serve answers one route: method, principal, handler, problem.
func (a *api) serve(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
		r := requestOf(hr)
		r.Request = hr
		if err := a.dispatch(w, r, rt); err != nil {
			a.problem(w, r, err)
		}
	})
}

func (a *api) dispatch(w http.ResponseWriter, r *request, rt route) error {
	if rt.methods == nil {
		return job.Errorf(job.NotFound, "there is nothing at this path; submit jobs to /jobs")
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	h, ok := rt.methods[method]
	if !ok {
		allow := rt.allow()
		w.Header().Set("Allow", allow)
		if method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
		return &statusError{job.Errorf(job.Invalid, "this path does not support %s; it supports %s", r.Method, allow), http.StatusMethodNotAllowed, "method_not_allowed"}
	}
	if !rt.open {
		p, err := a.Auth.Authenticate(r.Request)
		if err != nil {
			if c := a.Auth.Challenge(err); c != "" {
				w.Header().Set("WWW-Authenticate", c)
			}
			return err
		}
		r.who = job.Caller{Principal: p, Source: r.source}
		if a.PublicURL == nil && r.Host == "" { // HTTP/1.0
			return job.Errorf(job.Invalid, "the request has no Host header; send one, because the job URL begins with it")
		}
	}
	return h(w, r)
}

// allow lists the methods of a route as an Allow header does.
func (rt route) allow() string {
	list := []string{"OPTIONS"}
	for m := range rt.methods {
		list = append(list, m)
		if m == http.MethodGet {
			list = append(list, http.MethodHead)
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}
