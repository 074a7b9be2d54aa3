package httpapi

import (
	"context"
	"net/http"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/service"
)

// receipt is the check: what a client gets for an image.
type receipt struct {
	JobID     job.ID     `json:"job_id"`
	Status    job.Status `json:"status"`
	Location  string     `json:"location"`
	CreatedAt time.Time  `json:"created_at"`
	// Upload is where to put the image, of a job that awaits it.
	Upload *uploadView `json:"upload,omitempty"`
}

// submit answers POST /jobs.
func (a *api) submit(w http.ResponseWriter, r *request) error {
	out, err := a.take(r)
	a.tellQuota(w.Header(), r.who.Owner())
	if err == nil {
		err = out.Err
	}
	if err != nil {
		a.Observer.Refused(r.Context(), job.KindOf(err))
		return &jobError{err, out.Job}
	}
	a.Observer.Accepted(r.Context(), out.Job)
	a.answerJob(w, r, out.Job)
	return nil
}

// take reads the submit, in whichever of its forms it comes.
func (a *api) take(r *request) (service.Outcome, error) {
	h, err := a.readHead(r)
	if err != nil {
		return service.Outcome{}, err
	}
	var in service.Submission
	place := &place{limiter: a.Limiter, r: r}
	defer place.release()
	var acquire func(context.Context, int64) error
	switch {
	case h.source != nil:
		in, err = fromSource(h.query, r.Body)
	case h.mediaType == "application/json":
		in, err = readAnnouncement(r.Body)
	default:
		if a.needsPlace(r, h.mediaType) {
			r.Body = &headFirst{ReadCloser: r.Body, place: place}
			acquire = place.acquire
		}
		in, err = decode(r.Request, h, a.MaxImageBytes)
	}
	if err != nil {
		return service.Outcome{}, err
	}
	if in.Source != "" && a.Limiter != nil {
		acquire = place.acquireFor
	}
	in.Acquire = acquire
	if h.cancelAfter > 0 && in.CancelAfter > 0 {
		return service.Outcome{}, job.Errorf(job.Invalid, "the header Cancel-After and the member cancel_after are both there; send one of them")
	}
	in.CancelAfter += h.cancelAfter
	in.Key, in.Trace, in.Base = h.key, a.Trace(r.Context()), r.base
	return a.Service.Submit(r.Context(), r.who, in)
}

// tellQuota says what limits hold and what is left of them.
func (a *api) tellQuota(h http.Header, owner string) {
	if a.Quota == nil {
		return
	}
	if p := a.Quota.Policy(); p != "" {
		h.Set("RateLimit-Policy", p)
		h.Set("RateLimit", a.Quota.Left(owner))
	}
}

// answerJob answers a submit that was accepted, at the end of its job if the client would
// rather wait for that. Whatever becomes of the waiting, the job is accepted.
func (a *api) answerJob(w http.ResponseWriter, r *request, j *job.Job) {
	if d := preferredWait(r.Header); d > 0 && j.Upload == nil {
		if now, waited, err := a.Service.Wait(r.Context(), r.who, j.ID, d); err == nil && waited {
			waitApplied(w.Header(), d)
			j = now
			if j.Status.Over() {
				a.writeStatus(w, r.base, j, nil)
				return
			}
		}
	}
	a.writeReceipt(w, r, j)
}

func (a *api) writeReceipt(w http.ResponseWriter, r *request, j *job.Job) {
	loc := r.jobURL(j.ID)
	w.Header().Set("Location", loc)
	if !j.Status.Over() { // a repeat may be late
		w.Header().Set("Retry-After", seconds(a.pollHint(j)))
	}
	writeJSON(w, http.StatusAccepted, "application/json", receipt{j.ID, j.Status, loc, j.CreatedAt, viewUpload(r.base, j.Upload)})
}
