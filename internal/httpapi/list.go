package httpapi

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/service"
)

// defaultList is the number of jobs on a page of a list whose request names none.
const defaultList = 20

// listView is a page of a list of jobs.
type listView struct {
	Jobs []statusView `json:"jobs"`
	Next string       `json:"next,omitempty"`
}

// list answers GET /jobs: a page of the caller's jobs, newest first. The monitor decides
// who may list the jobs of another owner.
func (a *api) list(w http.ResponseWriter, r *request) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return job.Wrap(job.Invalid, err, "the query string is malformed")
	}
	q, err := readListQuery(query, r.who.Owner())
	if err != nil {
		return err
	}
	page, err := a.Service.List(r.Context(), r.who, q)
	if err != nil {
		return err
	}
	v := listView{Jobs: []statusView{}}
	for _, j := range page.Jobs {
		v.Jobs = append(v.Jobs, a.view(r.base, j))
	}
	if page.More {
		query.Set("cursor", encodeCursor(page.Next, r.who.Owner(), q.Owner))
		v.Next = r.base + "/jobs?" + query.Encode()
		w.Header().Set("Link", "<"+v.Next+`>; rel="next"`)
	}
	r.note = append(r.note, slog.Int("jobs", len(v.Jobs)))
	writeJSON(w, http.StatusOK, "application/json", v)
	return nil
}

// readListQuery reads the parameters of a list. Its errors do not quote the query, which must
// not appear in the log.
func readListQuery(query url.Values, caller string) (q service.ListQuery, err error) {
	for name, values := range query {
		switch {
		case !slices.Contains([]string{"status", "since", "until", "limit", "cursor", "owner"}, name):
			return q, job.Errorf(job.Invalid, "the query has a parameter that a list does not take; it takes status, since, until, limit, cursor and owner")
		case len(values) > 1 && name != "status":
			return q, job.Errorf(job.Invalid, "the query has %s twice; only status may be repeated", name)
		}
	}
	q = service.ListQuery{Owner: query.Get("owner"), Limit: defaultList}
	if q.Owner == "" {
		q.Owner = caller
	}
	for _, s := range query["status"] {
		if !job.Status(s).Known() {
			return q, job.Errorf(job.Invalid, "status is not the status of a job, which is pending, processing, completed, failed or canceled")
		}
		q.Statuses = append(q.Statuses, job.Status(s))
	}
	if q.Since, err = timeParam(query, "since"); err != nil {
		return q, err
	}
	if q.Until, err = timeParam(query, "until"); err != nil {
		return q, err
	}
	if !q.Since.IsZero() && !q.Until.IsZero() && q.Until.Before(q.Since) {
		return q, job.Errorf(job.Invalid, "since is later than until")
	}
	if text := query.Get("limit"); text != "" {
		if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 1 || q.Limit > service.MaxList {
			return q, job.Errorf(job.Invalid, "limit is not a number from 1 to %d", service.MaxList)
		}
	}
	if text := query.Get("cursor"); text != "" {
		var ok bool
		if q.After, ok = decodeCursor(text, caller, q.Owner); !ok {
			return q, job.Errorf(job.Invalid, "cursor is not one that this list has handed out to you; begin without a cursor")
		}
	}
	return q, nil
}

func timeParam(query url.Values, name string) (time.Time, error) {
	text := query.Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || t.Year() < 1970 || t.Year() > 9000 {
		return t, job.Errorf(job.Invalid, "%s is not a time such as 2026-11-22T10:42:00Z", name)
	}
	return t.UTC(), nil
}

// A cursor is the place in the list where a page ended, and a digest of the list's owner and
// the caller. It is neither a secret nor a right: the monitor decides about each page, so a
// forged cursor shows nothing that the parameter until does not show too.
const (
	cursorVersion = 1
	cursorBytes   = 1 + 8 + 16 + 8
)

func encodeCursor(p job.Place, caller, owner string) string {
	b := make([]byte, 0, cursorBytes)
	b = append(b, cursorVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(p.CreatedAt.UnixMicro()))
	id := uuid.MustParse(string(p.ID))
	b = append(append(b, id[:]...), cursorOf(caller, owner)...)
	return base64.RawURLEncoding.EncodeToString(b)
}

func decodeCursor(text, caller, owner string) (job.Place, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != cursorBytes || b[0] != cursorVersion || string(b[25:]) != string(cursorOf(caller, owner)) {
		return job.Place{}, false
	}
	t := time.UnixMicro(int64(binary.BigEndian.Uint64(b[1:9]))).UTC()
	return job.Place{CreatedAt: t, ID: job.ID(uuid.UUID(b[9:25]).String())}, t.Year() >= 1970 && t.Year() <= 9000
}

// cursorOf is a digest of caller and owner.
func cursorOf(caller, owner string) []byte {
	sum := sha256.Sum256([]byte("cursor of a list\x00" + caller + "\x00" + owner))
	return sum[:8]
}
