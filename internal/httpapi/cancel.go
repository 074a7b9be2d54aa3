package httpapi

import (
	"net/http"

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
		return failing(id, err)
	}
	w.Header().Set("Location", r.jobURL(id))
	writeJSON(w, http.StatusAccepted, "application/json", a.view(r.base, j))
	return nil
}
