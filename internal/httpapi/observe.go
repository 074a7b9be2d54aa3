package httpapi

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"

	"claimcheck.example/internal/httpapi/body"
)

type requestKey struct{}

// requestOf returns the request of the outermost layer from the context.
func requestOf(r *http.Request) *request {
	return r.Context().Value(requestKey{}).(*request)
}

// observe is the outermost layer: it names the request, catches panics and writes one
// log line. No panic gets past it: the functions framework would append text to a
// half-sent body and end it as a clean 200, and Lambda's adapter would end the process.
func (a *api) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(hw http.ResponseWriter, hr *http.Request) {
		start := time.Now()
		r := &request{id: uuid.NewString(), source: sourceOf(hr, a.Proxies), base: a.base(hr)}
		r.Request = hr.WithContext(a.With(context.WithValue(hr.Context(), requestKey{}, r), slog.String("request_id", r.id)))
		r.body = body.New(hw, r.Request, a.IdleTimeout)
		defer r.body.Stop()
		defer r.body.Linger()
		w := &recorder{ResponseWriter: hw, body: r.body, of: r.Request, idle: a.IdleTimeout}
		w.Header().Set("X-Request-Id", r.id)
		defer func() {
			if recover() != nil { // its value may hold anything, and is not logged
				a.Logger.ErrorContext(hr.Context(), "panic in a handler", "request_id", r.id, "stack", string(debug.Stack()))
				a.crash(w, r)
			}
			a.logRequest(r, w, time.Since(start))
		}()
		next.ServeHTTP(w, r.Request)
	})
}

// crash answers after a panic in a handler: with a 500 if nothing is written, else by closing
// the connection, so that no client mistakes half an answer for a whole one.
func (a *api) crash(w *recorder, r *request) {
	if w.status == 0 {
		clear(w.Header())
		w.Header().Set("X-Request-Id", r.id)
		writeJSON(w, http.StatusInternalServerError, "application/problem+json", Problem{
			Type: "urn:claimcheck:problem:unknown", Title: "Internal Server Error", Status: 500,
			Detail: internalSentence, Message: internalSentence,
		})
		return
	}
	if conn, _, err := http.NewResponseController(w.ResponseWriter).Hijack(); err == nil {
		conn.Close()
		return
	}
	// HTTP/2 has no connection to close. Every answer of this package has a Content-Length,
	// by which the client notices that something is missing.
}

func (a *api) logRequest(r *request, w *recorder, took time.Duration) {
	level := slog.LevelInfo
	switch {
	case w.status == http.StatusServiceUnavailable:
		level = slog.LevelWarn
	case w.status >= 500:
		level = slog.LevelError
	case r.Pattern == "/health" || r.Pattern == "/ready":
		level = slog.LevelDebug
	}
	ctx := r.Context()
	log := a.Logger
	if w.status == http.StatusUnauthorized { // why is on record, as the monitor's decisions are
		log = a.Audit
		if r.source.IsValid() {
			r.note = append(r.note, slog.String("address", r.source.String()))
		}
	}
	if !log.Enabled(ctx, level) {
		return
	}
	attrs := append([]slog.Attr{
		slog.String("request_id", r.id),
		slog.String("method", r.Method),
		slog.String("route", r.Pattern),
		slog.Int("status", w.status),
		slog.Int64("bytes", w.bytes),
		slog.Duration("took", took),
	}, r.note...)
	if id := r.PathValue("job_id"); id != "" && len(id) <= 64 {
		attrs = append(attrs, slog.String("job_id", id))
	}
	if r.who.Subject != "" {
		attrs = append(attrs, slog.String("owner", r.who.Owner()))
	}
	if a.RequestAttr != nil {
		attrs = append(attrs, a.RequestAttr(r.Request, r.source, w.status, w.bytes, took))
	}
	log.LogAttrs(ctx, level, "request", attrs...)
}

// recorder records status and size of the answer. Unwrap serves http.ResponseController.
type recorder struct {
	http.ResponseWriter
	of     *http.Request
	body   *body.Reader
	idle   time.Duration // for which the client may take nothing
	status int
	bytes  int64
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
		if !w.body.Drain(w.of) {
			w.Header().Set("Connection", "close")
		}
		// This bounds the whole answer unless the handler renews it, including the bytes that
		// net/http sends after the handler has returned.
		http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(w.idle))
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// sourceOf returns the address of the client: the peer's or, behind that number of proxies,
// the one that the first of them appended to X-Forwarded-For. Clients can forge earlier
// entries. The result is not valid if the header has fewer entries, because then the request
// bypassed a proxy.
func sourceOf(r *http.Request, proxies int) netip.Addr {
	from := r.RemoteAddr
	if proxies > 0 {
		hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		if len(hops) < proxies {
			return netip.Addr{}
		}
		from = strings.TrimSpace(hops[len(hops)-proxies])
	}
	if host, _, err := net.SplitHostPort(from); err == nil {
		from = host
	}
	addr, _ := netip.ParseAddr(from)
	return addr.Unmap()
}
