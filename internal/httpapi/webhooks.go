package httpapi

import (
	"net/http"
	"time"

	"claimcheck.example/internal/job"
)

// Status returns the status of a job that is over as GET /jobs/{job_id} does, for what tells
// of it elsewhere. Base begins its URLs, without a final slash.
func Status(o Options, base string, j *job.Job) []byte {
	return encodeJSON((&api{Options: o}).view(base, j))
}

// deliveriesView is what became of the webhook of a job.
type deliveriesView struct {
	JobID job.ID `json:"job_id"`
	// State is waiting while the job is not over, then pending, and in the end one of
	// delivered, refused and failed.
	State     string         `json:"state"`
	WebhookID string         `json:"webhook_id,omitempty"`
	Type      string         `json:"type,omitempty"`
	NextTryAt *time.Time     `json:"next_try_at,omitempty"`
	Tries     []job.EventTry `json:"tries"`
}

func viewDeliveries(l *job.EventLog) deliveriesView {
	v := deliveriesView{JobID: l.JobID, State: "waiting", WebhookID: l.Event, Type: l.Type, Tries: l.History}
	if l.State != "" {
		v.State = string(l.State)
	}
	if v.Tries == nil {
		v.Tries = []job.EventTry{}
	}
	if l.State == job.EventPending && !l.NotBefore.IsZero() {
		v.NextTryAt = &l.NotBefore
	}
	return v
}

// deliveries answers GET /jobs/{job_id}/deliveries.
func (a *api) deliveries(w http.ResponseWriter, r *request) error {
	id, err := job.ParseID(r.PathValue("job_id"))
	if err != nil {
		return err
	}
	_, log, err := a.Service.Deliveries(r.Context(), r.who, id)
	if err != nil {
		return failing(id, err)
	}
	writeJSON(w, http.StatusOK, "application/json", viewDeliveries(log))
	return nil
}

// redeliver answers POST /jobs/{job_id}/deliveries.
func (a *api) redeliver(w http.ResponseWriter, r *request) error {
	id, err := job.ParseID(r.PathValue("job_id"))
	if err != nil {
		return err
	}
	_, log, err := a.Service.Redeliver(r.Context(), r.who, id, a.Trace(r.Context()))
	if err != nil {
		return failing(id, err)
	}
	writeJSON(w, http.StatusAccepted, "application/json", viewDeliveries(log))
	return nil
}

// webhookKey answers GET /webhook-key, to anyone. While keys rotate there are two.
func (a *api) webhookKey(w http.ResponseWriter, r *request) error {
	keys, err := a.Service.WebhookKeys()
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "public, max-age=3600")
	writeJSON(w, http.StatusOK, "application/json", map[string][]string{"keys": keys})
	return nil
}

// webhookSecret answers GET /webhook-secret with the secrets of the caller alone.
func (a *api) webhookSecret(w http.ResponseWriter, r *request) error {
	secrets, err := a.Service.WebhookSecrets(r.Context(), r.who)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "private, no-store")
	writeJSON(w, http.StatusOK, "application/json", map[string][]string{"secrets": secrets})
	return nil
}
