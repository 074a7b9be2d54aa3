package httpapi

import (
	"net/http"
	"net/url"
	"time"

	"claimcheck.example/internal/job"
)

// usage answers GET /usage?from=&to=: the caller's usage by day. The monitor decides who
// may read the usage of another owner.
func (a *api) usage(w http.ResponseWriter, r *request) error {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return job.Wrap(job.Invalid, err, "the query string is malformed")
	}
	today := a.Now().UTC().Truncate(24 * time.Hour)
	to, err := dayParam(q, "to", today)
	if err != nil {
		return err
	}
	from, err := dayParam(q, "from", to.AddDate(0, 0, -30))
	if err != nil {
		return err
	}
	owner := q.Get("owner")
	if owner == "" {
		owner = r.who.Owner()
	}
	u, err := a.Service.Usage(r.Context(), r.who, owner, from, to)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, "application/json", a.viewUsage(u))
	return nil
}

func dayParam(q url.Values, name string, fallback time.Time) (time.Time, error) {
	text := q.Get(name)
	if text == "" {
		return fallback, nil
	}
	day, err := time.Parse(time.DateOnly, text)
	if err != nil { // it quotes the query, which must not get into the log
		return day, job.Errorf(job.Invalid, "%s is not a day such as 2026-11-22", name)
	}
	return day, nil
}
