package httpapi

import (
	"net/http"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/service"
)

// submit answers POST /jobs.
func (a *api) submit(w http.ResponseWriter, r *request) error {
	out, err := a.take(r)
	a.setRateLimit(w.Header(), r.who.Owner())
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
	place := a.placeFor(r, h)
	defer place.release()
	in, err := decode(r.Request, h, a.MaxImageBytes)
	if err != nil {
		return service.Outcome{}, err
	}
	in.Acquire = place.acquire
	if in.Source != "" {
		in.Acquire = place.acquireFetched
	}
	if h.cancelAfter > 0 && in.CancelAfter > 0 {
		return service.Outcome{}, job.Errorf(job.Invalid, "the header Cancel-After and the member cancel_after are both there; send one of them")
	}
	in.CancelAfter += h.cancelAfter
	in.Key, in.Trace, in.Base = h.key, a.Trace(r.Context()), r.base
	return a.Service.Submit(r.Context(), r.who, in)
}

// setRateLimit sets the headers with the limits of an owner and what is left of them.
func (a *api) setRateLimit(h http.Header, owner string) {
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
