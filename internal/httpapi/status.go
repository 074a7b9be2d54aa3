package httpapi

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"claimcheck.example/internal/job"
)

// statusView is a job as clients see it, without internals.
type statusView struct {
	JobID     job.ID          `json:"job_id"`
	Status    job.Status      `json:"status"`
	Message   string          `json:"message,omitempty"`
	CreatedAt time.Time       `json:"created_at"`
	UpdatedAt time.Time       `json:"updated_at"`
	ExpiresAt *time.Time      `json:"expires_at,omitempty"`
	Attempts  int             `json:"attempts"`
	Location  string          `json:"location,omitempty"`
	Input     mediaView       `json:"input"`
	Output    *mediaView      `json:"output,omitempty"`
	Params    json.RawMessage `json:"params,omitempty"`
	Progress  *job.Progress   `json:"progress,omitempty"`
	Usage     *usedView       `json:"usage,omitempty"`
	Upload    *uploadView     `json:"upload,omitempty"`
}

// receipt is the check: what a client gets for an image.
type receipt struct {
	JobID     job.ID     `json:"job_id"`
	Status    job.Status `json:"status"`
	Location  string     `json:"location"`
	CreatedAt time.Time  `json:"created_at"`
	// Upload is where to put the image, of a job that awaits it.
	Upload *uploadView `json:"upload,omitempty"`
}

type mediaView struct {
	ContentType string `json:"content_type"`
	SizeBytes   int64  `json:"size_bytes"`
	Width       int    `json:"width,omitempty"`
	Height      int    `json:"height,omitempty"`
	SHA256      string `json:"sha256,omitempty"`
}

func viewMedia(m job.Media) mediaView {
	return mediaView{m.ContentType, m.SizeBytes, m.Width, m.Height, m.SHA256}
}

// uploadView describes the request of a direct upload.
type uploadView struct {
	Method    string            `json:"method"`
	URL       string            `json:"url"`
	Headers   map[string]string `json:"headers"`
	ExpiresAt time.Time         `json:"expires_at"`
}

func viewUpload(base string, u *job.Upload) *uploadView {
	if u == nil {
		return nil
	}
	url := u.URL
	if strings.HasPrefix(url, "/") {
		url = base + url
	}
	return &uploadView{u.Method, url, u.Headers, u.ExpiresAt}
}

// view is a job as clients see it; base begins its URLs.
func (a *api) view(base string, j *job.Job) statusView {
	v := statusView{
		JobID: j.ID, Status: j.Status, Message: j.Message, CreatedAt: j.CreatedAt, UpdatedAt: j.UpdatedAt,
		Attempts: j.Attempts, Input: viewMedia(j.Input), Params: j.Params, Progress: j.Progress, Upload: viewUpload(base, j.Upload),
	}
	v.ExpiresAt, v.Usage = a.expiry(j), a.used(j)
	if j.Status == job.Completed {
		v.Location = base + "/jobs/" + j.ID.String() + "/output"
		if j.Output != nil {
			out := viewMedia(*j.Output)
			v.Output = &out
		}
	}
	return v
}

// status answers GET /jobs/{job_id}: one read of storage, unless the client waits or
// follows changes.
func (a *api) status(w http.ResponseWriter, r *request) error {
	id, err := job.ParseID(r.PathValue("job_id"))
	if err != nil {
		return err
	}
	w.Header().Add("Vary", "Accept")
	if r.Method == http.MethodGet && wantsEvents(r.Header) {
		return a.stream(w, r, id)
	}
	d := preferredWait(r.Header)
	j, waited, err := a.read(r, id, d)
	if err != nil {
		return failing(id, err)
	}
	if d > 0 {
		// A cache that revalidates by If-None-Match would add the new header to the old answer.
		w.Header().Set("Cache-Control", "private, no-store")
	}
	if d > 0 && waited {
		waitApplied(w.Header(), d)
	}
	a.writeStatus(w, r.base, j, r.Header.Values("If-None-Match"))
	return nil
}

// read returns the job at once, or after up to d.
func (a *api) read(r *request, id job.ID, d time.Duration) (j *job.Job, waited bool, err error) {
	if d > 0 {
		return a.Service.Wait(r.Context(), r.who, id, d)
	}
	j, err = a.Service.Status(r.Context(), r.who, id)
	return j, false, err
}

// writeStatus answers with the status of a job: 201 with the output's location once it
// is completed, else 200, a failed job included: the question was about the status. The
// answer to a client that knows this status already, by one of its entity tags, is 304.
func (a *api) writeStatus(w http.ResponseWriter, base string, j *job.Job, known []string) {
	v := a.view(base, j)
	h := w.Header()
	code := http.StatusOK
	if j.Status == job.Completed {
		code = http.StatusCreated
		h.Set("Location", v.Location)
	}
	if !j.Status.Over() {
		h.Set("Retry-After", seconds(a.pollHint(j)))
	}
	etag := statusTag(v)
	h.Set("ETag", etag)
	if matches(known, etag) {
		if h.Get("Cache-Control") == "" {
			h.Set("Cache-Control", "private, no-cache")
		}
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := encodeJSON(v)
	sum := sha256.Sum256(body)
	h.Set("Repr-Digest", reprDigest(sum[:]))
	writeBody(w, code, "application/json", body)
}

// writeReceipt answers with the receipt of an accepted job.
func (a *api) writeReceipt(w http.ResponseWriter, r *request, j *job.Job) {
	v := receipt{j.ID, j.Status, r.jobURL(j.ID), j.CreatedAt, viewUpload(r.base, j.Upload)}
	w.Header().Set("Location", v.Location)
	if !j.Status.Over() { // a repeat may be late
		w.Header().Set("Retry-After", seconds(a.pollHint(j)))
	}
	writeJSON(w, http.StatusAccepted, "application/json", v)
}

// statusTag returns the ETag of a status. It ignores the URL of an upload: each answer signs a
// new one, and all are valid until the upload's expires_at, which the tag includes.
func statusTag(v statusView) string {
	if v.Upload != nil {
		unsigned := *v.Upload
		unsigned.URL = ""
		v.Upload = &unsigned
	}
	sum := sha256.Sum256(encodeJSON(v))
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}

// pollHint is a sensible polling interval: a quarter of the job's age, 1 to 30 s.
func (a *api) pollHint(j *job.Job) time.Duration {
	return min(max(a.Now().Sub(j.CreatedAt)/4, time.Second), 30*time.Second)
}

// matches implements If-None-Match with its weak comparison (RFC 9110, 13.1.2).
func matches(header []string, etag string) bool {
	for _, line := range header {
		for tag := range strings.SplitSeq(line, ",") {
			tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
			if tag == etag || tag == "*" {
				return true
			}
		}
	}
	return false
}

// remove answers DELETE /jobs/{job_id}.
func (a *api) remove(w http.ResponseWriter, r *request) error {
	id, err := job.ParseID(r.PathValue("job_id"))
	if err != nil {
		return err
	}
	var may func(*job.Job) error
	if cond := r.Header.Values("If-Match"); len(cond) > 0 {
		may = func(j *job.Job) error { return a.unchanged(r, j, cond) }
	}
	if err := a.Service.DeleteIf(r.Context(), r.who, id, may); err != nil {
		return failing(id, err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// unchanged compares a job's status with If-Match.
func (a *api) unchanged(r *request, j *job.Job, ifMatch []string) error {
	etag := statusTag(a.view(r.base, j))
	if matchesStrongly(ifMatch, etag) {
		return nil
	}
	return &statusError{job.Errorf(job.Conflict, "the job has changed: its status does not match If-Match; read it again"),
		http.StatusPreconditionFailed, "precondition_failed"}
}
