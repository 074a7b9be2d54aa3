package httpapi

import (
	"net/http"
	"strconv"

	"claimcheck.example/internal/job"
)

// cancel answers POST /jobs/{job_id}/cancel: 202 with the status of the canceled job, also
// when it is canceled already.
func (a *api) cancel(w http.ResponseWriter, r *request) error {
	id, err := job.ParseID(r.PathValue("job_id"))
	if err != nil {
		return err
	}
	j, err := a.Service.Cancel(r.Context(), r.who, id)
	if err != nil {
		return a.failing(r, id, err)
	}
	w.Header().Set("Location", a.statusURL(r.Request, id))
	writeJSON(w, http.StatusAccepted, "application/json", a.view(r.Request, j))
	return nil
}

// cancelAfter reads the header Cancel-After: a number of seconds, zero where there is none.
func cancelAfter(h http.Header) (seconds int, err error) {
	values := h.Values("Cancel-After")
	if len(values) == 0 {
		return 0, nil
	}
	n, err := strconv.ParseUint(values[0], 10, 31)
	if err != nil || len(values) > 1 {
		n = 0
	}
	return checkCancelAfter("Cancel-After", int(n))
}

// checkCancelAfter holds a number of seconds to its range. The name is the client's.
func checkCancelAfter(name string, seconds int) (int, error) {
	if seconds < 1 || seconds > job.MaxCancelAfter {
		return 0, job.Errorf(job.Invalid, "%s must be one whole number of seconds from 1 to %d", name, job.MaxCancelAfter)
	}
	return seconds, nil
}
