package httpapi

import (
	"context"
	"net/http"
	"time"
)

// readyTimeout bounds what a readiness probe waits for.
const readyTimeout = 5 * time.Second

type health struct {
	Status string `json:"status"`
	Detail string `json:"detail,omitempty"`
}

// health says that the process lives; it asks nobody.
func (a *api) health(w http.ResponseWriter, _ *request) error {
	writeJSON(w, http.StatusOK, "application/json", health{Status: "ok"})
	return nil
}

// ready says whether the backends answer. What is wrong with them is the operator's
// business, but names of bucket and queue are no secret to who can reach this path, and
// the sentence is what the operator needs.
func (a *api) ready(w http.ResponseWriter, r *request) error {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	if err := a.Service.Ready(ctx); err != nil {
		a.Logger.WarnContext(ctx, "not ready", "request_id", r.id, "error", err)
		writeJSON(w, http.StatusServiceUnavailable, "application/json", health{"not ready", err.Error()})
		return nil
	}
	writeJSON(w, http.StatusOK, "application/json", health{Status: "ready"})
	return nil
}
