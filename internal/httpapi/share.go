package httpapi

import (
	"io"
	"net/http"
	"strconv"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/limiter"
)

// maxSharing bounds the body of a request for a link, in bytes.
const maxSharing = 1 << 10

// sharing is the body of a request for a link; all of it is optional.
type sharing struct {
	ExpiresIn *int64 `json:"expires_in"` // seconds
	Download  bool   `json:"download"`
}

// linkView is a link to an output.
type linkView struct {
	URL       string    `json:"url"`
	ExpiresAt time.Time `json:"expires_at"`
}

// share answers POST /jobs/{job_id}/links: a link to the output of the job, whether or not
// the job is over.
func (a *api) share(w http.ResponseWriter, r *request) error {
	id, err := job.ParseID(r.PathValue("job_id"))
	if err != nil {
		return err
	}
	in, err := readSharing(r.Body)
	if err != nil {
		return err
	}
	seconds := int64(3600)
	if in.ExpiresIn != nil {
		seconds = min(max(*in.ExpiresIn, 0), 1<<31) // so that a duration holds it
	}
	token, expiresAt, err := a.Service.Share(r.Context(), r.who, id, time.Duration(seconds)*time.Second, in.Download)
	if err != nil {
		return failing(id, err)
	}
	url := r.base + "/links/" + token
	w.Header().Set("Location", url)
	w.Header().Set("Cache-Control", "private, no-store") // it needs no token
	writeJSON(w, http.StatusCreated, "application/json", linkView{url, expiresAt})
	return nil
}

func readSharing(from io.Reader) (in sharing, err error) {
	body, err := io.ReadAll(io.LimitReader(from, maxSharing+1))
	if err != nil {
		return in, formError(err)
	}
	if len(body) > maxSharing {
		return in, job.Errorf(job.Invalid, "the JSON body has more than %d bytes", maxSharing)
	}
	if len(body) == 0 {
		return in, nil
	}
	if err := strictJSON(body, &in); err != nil {
		return in, job.Errorf(job.Invalid, `the JSON body is not a request for a link (%.80s); send something like {"expires_in": 3600, "download": false}`, err)
	}
	return in, nil
}

// linked answers GET /links/{token}: the output of a job, to anyone with the link. It counts as
// one of the owner's outputs.
func (a *api) linked(w http.ResponseWriter, r *request) error {
	var place *limiter.Lease
	admit := func(owner string) (err error) {
		if a.Outputs != nil && place == nil {
			place, err = a.Outputs.Acquire(r.Context(), owner)
		}
		return err
	}
	var expiresAt time.Time
	how := shown{pages: "cross-origin"}
	j, c, err := fetch(w, r.Request, func(choose func(*job.Job) job.OpenOptions) (*job.Job, *job.Content, error) {
		j, link, c, err := a.Service.Linked(r.Context(), r.PathValue("token"), admit, choose)
		expiresAt, how.download = link.ExpiresAt, link.Download
		return j, c, err
	})
	if place != nil {
		defer place.Release()
	}
	if err != nil {
		if j != nil && !j.Status.Over() {
			w.Header().Set("Retry-After", seconds(a.pollHint(j)))
		}
		return err
	}
	left := max(0, int64(expiresAt.Sub(a.Now()).Seconds()))
	how.cache = "public, max-age=" + strconv.FormatInt(left, 10)
	a.writeOutput(w, r, j, c, place, how)
	return nil
}
