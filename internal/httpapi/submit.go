package httpapi

import (
	"context"
	"mime"
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
		return a.aboutJob(r, out.Job, err)
	}
	j := out.Job
	a.Observer.Accepted(r.Context(), j)
	if d := preferredWait(r.Header); d > 0 && j.Upload == nil {
		a.awaitSubmitted(w, r, j, d)
		return nil
	}
	a.writeReceipt(w, r, j)
	return nil
}

// take reads the submit, in whichever of its forms it comes.
func (a *api) take(r *request) (service.Outcome, error) {
	key, err := a.checkHeaders(r)
	if err != nil {
		return service.Outcome{}, err
	}
	after, err := cancelAfter(r.Header)
	if err != nil {
		return service.Outcome{}, err
	}
	var in service.Submission
	place := &place{limiter: a.Limiter, r: r}
	defer place.release()
	var acquire func(context.Context, int64) error
	switch {
	case r.URL.Query().Has("source"):
		in, err = readQuery(r.Request)
	case mediaTypeOf(r.Request) == "application/json":
		if err := misplacedQuery(r.URL.Query(), false); err != nil {
			return service.Outcome{}, err
		}
		in, err = readAnnouncement(r.Body)
	default:
		if a.needsPlace(r) {
			r.Body = &headFirst{ReadCloser: r.Body, place: place}
			acquire = place.acquire
		}
		in, err = decode(r.Request, a.MaxImageBytes)
	}
	if err != nil {
		return service.Outcome{}, err
	}
	if in.Source != "" && a.Limiter != nil {
		acquire = place.acquireFor
	}
	in.Acquire = acquire
	if after > 0 && in.CancelAfter > 0 {
		return service.Outcome{}, job.Errorf(job.Invalid, "the header Cancel-After and the member cancel_after are both there; send one of them")
	}
	in.CancelAfter += after
	in.Key, in.Trace, in.Base = key, a.Trace(r.Context()), a.base(r.Request)
	return a.Service.Submit(r.Context(), r.who, in)
}

// checkHeaders refuses what the headers alone say is wrong, and returns the idempotency key.
func (a *api) checkHeaders(r *request) (key string, err error) {
	key, err = idempotencyKey(r.Header)
	switch {
	case err != nil:
		return "", err
	case r.ContentLength == 0 && !r.URL.Query().Has("source"):
		return "", job.Errorf(job.Invalid, "the body is empty; send an image, as in: curl -F image=@picture.jpg")
	case len(r.Header.Values("Content-Type")) > 1:
		return "", job.Errorf(job.Invalid, "the request has more than one Content-Type")
	case r.ContentLength > a.MaxImageBytes+formOverhead:
		return "", tooLarge(a.MaxImageBytes)
	}
	return key, checkDigest(r.Request)
}

func mediaTypeOf(r *http.Request) string {
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return mediaType
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

// awaitSubmitted answers a submit whose client would rather wait for the end.
func (a *api) awaitSubmitted(w http.ResponseWriter, r *request, j *job.Job, d time.Duration) {
	now, waited, err := a.Service.Wait(r.Context(), r.who, j.ID, d)
	if err != nil || !waited {
		a.writeReceipt(w, r, j) // it is accepted, whatever became of the waiting
		return
	}
	waitApplied(w.Header(), d)
	if now.Status.Over() {
		a.writeStatus(w, r, now)
		return
	}
	a.writeReceipt(w, r, now)
}

func (a *api) writeReceipt(w http.ResponseWriter, r *request, j *job.Job) {
	loc := a.statusURL(r.Request, j.ID)
	w.Header().Set("Location", loc)
	if !j.Status.Over() { // a repeat may be late
		w.Header().Set("Retry-After", seconds(a.pollHint(j)))
	}
	writeJSON(w, http.StatusAccepted, "application/json", receipt{j.ID, j.Status, loc, j.CreatedAt, a.viewUpload(r.Request, j.Upload)})
}

// idempotencyKey reads the header of that name: 1 to 255 visible characters.
func idempotencyKey(h http.Header) (string, error) {
	values := h.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	if len(values) > 1 || len(key) < 1 || len(key) > 255 {
		return "", job.Errorf(job.Invalid, "Idempotency-Key must be one value of 1 to 255 characters")
	}
	return key, nil
}
