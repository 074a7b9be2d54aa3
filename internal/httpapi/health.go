package httpapi

import (
	"context"
	"net/http"
	"sync"
	"time"

	"claimcheck.example/internal/job"
)

const (
	// readyTimeout bounds what a readiness probe waits for.
	readyTimeout = 5 * time.Second
	// readyFor is the time that an answer of the backends is reused: this path needs no
	// authentication, so it must not cause requests without bound.
	readyFor = time.Second
)

type health struct {
	Status  string `json:"status"`
	Detail  string `json:"detail,omitempty"`
	Version string `json:"version,omitempty"`
}

// health reports that the process runs, and its version; it calls no backend.
func (a *api) health(w http.ResponseWriter, _ *request) error {
	writeJSON(w, http.StatusOK, "application/json", health{Status: "ok", Version: a.Version})
	return nil
}

// readiness is the last answer of the backends. Callers that arrive while a check runs
// wait for its result.
type readiness struct {
	mu  sync.Mutex // guards what follows
	at  time.Time
	err error
}

// ready reports whether the backends answer. Its sentences are for the operator and name bucket
// and queue, which are not secret to clients that can reach this path. The log has the errors.
func (a *api) ready(w http.ResponseWriter, r *request) error {
	if err := a.backends(r); err != nil {
		writeJSON(w, http.StatusServiceUnavailable, "application/json", health{Status: "not ready", Detail: job.AdviceOf(err)})
		return nil
	}
	writeJSON(w, http.StatusOK, "application/json", health{Status: "ready"})
	return nil
}

func (a *api) backends(r *request) error {
	last := &a.readiness
	last.mu.Lock()
	defer last.mu.Unlock()
	if a.Now().Sub(last.at) < readyFor {
		return last.err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), readyTimeout)
	defer cancel()
	if last.err = a.Service.Ready(ctx); last.err != nil {
		a.Logger.WarnContext(ctx, "not ready", "request_id", r.id, "error", last.err)
	}
	last.at = a.Now()
	return last.err
}
