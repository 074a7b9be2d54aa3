package telemetry

import (
	"net/http"
	"slices"
	"strings"

	"github.com/felixge/httpsnoop"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
)

// HandlerOptions say how requests are observed.
type HandlerOptions struct {
	Providers Providers
	Metrics   *Metrics
	// Routes are the patterns (of http.ServeMux) that name requests in spans and metrics:
	// a fixed set, since paths hold job ids and strangers' inventions.
	Routes []string
	// Quiet are the routes that only the platform asks, again and again: without spans.
	Quiet []string
}

// Handler puts each request into its trace, so that log lines and queue messages carry
// it, and measures it. With tracing on, the request is a server span. The response
// writer keeps what it can: flush, hijack, deadlines.
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
		defer func() { // a panic that aborts the answer is measured too
			o.Metrics.Request(r.Context(), r.Method, route(r), seen.Code, seen.Duration)
		}()
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
		otelhttp.WithMeterProvider(metricnoop.NewMeterProvider()), // its metrics are labelled with the Host that the client claims
		otelhttp.WithPropagators(incoming{}),
		otelhttp.WithFilter(func(r *http.Request) bool { return !slices.Contains(o.Quiet, route(r)) }),
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string {
			return strings.TrimSpace(knownMethod(r.Method) + " " + route(r))
		}),
	)
}

// knownMethod bounds the number of methods to those of the standard.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return method
	}
	return "_OTHER"
}
