package telemetry

import (
	"net/http"
	"slices"
	"strings"

	"github.com/felixge/httpsnoop"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// HandlerOptions configure Handler.
type HandlerOptions struct {
	Providers Providers
	Metrics   *Metrics
	// Routes are the patterns (of http.ServeMux) that name requests in spans and metrics: a
	// fixed set, since paths contain job ids and arbitrary text.
	Routes []string
	// Quiet are routes without spans, which the platform polls.
	Quiet []string
}

// Handler puts each request into its trace, so that log lines and queue messages carry
// it, and measures it. With tracing on, the request is a server span. The response writer
// keeps its abilities: flush, hijack, deadlines.
func Handler(o HandlerOptions, next http.Handler) http.Handler {
	routes := http.NewServeMux()
	for _, pattern := range o.Routes {
		routes.Handle(pattern, http.NotFoundHandler())
	}
	route := func(r *http.Request) string {
		_, pattern := routes.Handler(r)
		return pattern[strings.IndexByte(pattern, ' ')+1:] // "GET /jobs" is "/jobs"
	}
	measured := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := httpsnoop.Metrics{Code: http.StatusOK}
		defer func() { // also measures a panic that aborts the answer
			o.Metrics.Request(r.Context(), r.Method, route(r), seen.Code, seen.Duration)
		}()
		if path := withoutToken(r.URL.Path); path != r.URL.Path { // otelhttp has put it into the span
			trace.SpanFromContext(r.Context()).SetAttributes(attribute.String("url.path", path))
		}
		seen.CaptureMetrics(w, func(w http.ResponseWriter) { next.ServeHTTP(w, r) })
	})
	if !o.Providers.tracing() {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx := incoming{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
			measured.ServeHTTP(w, r.WithContext(ctx))
		})
	}
	return otelhttp.NewHandler(measured, "request",
		otelhttp.WithTracerProvider(o.Providers.Tracer),
		otelhttp.WithMeterProvider(metricnoop.NewMeterProvider()), // its metrics have the Host label, which the client controls
		otelhttp.WithPropagators(incoming{}),
		otelhttp.WithFilter(func(r *http.Request) bool { return !slices.Contains(o.Quiet, route(r)) }),
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string {
			return strings.TrimSpace(knownMethod(r.Method) + " " + route(r))
		}),
	)
}

// knownMethod maps methods to those of the standard, so that their number is bounded.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return method
	}
	return "_OTHER"
}

// withoutToken returns the path without the token of a link to an output: who has the token
// has the output.
func withoutToken(path string) string {
	if before, _, ok := strings.Cut(path, "/links/"); ok {
		return before + "/links/{token}"
	}
	return path
}
