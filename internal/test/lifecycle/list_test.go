package lifecycle_test

import (
	"slices"
	"testing"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/service"
)

// list reads a list to its end, page by page; of alice's jobs, unless q says otherwise.
func (s *system) list(t testing.TB, q service.ListQuery) (ids []job.ID) {
	t.Helper()
	if q.Owner == "" {
		q.Owner = alice.Owner()
	}
	for range 1000 {
		page, err := s.service.List(t.Context(), alice, q)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Jobs) > q.Limit {
			t.Errorf("a page of %d has %d jobs", q.Limit, len(page.Jobs))
		}
		for _, j := range page.Jobs {
			ids = append(ids, j.ID)
		}
		if !page.More {
			return ids
		}
		q.After = page.Next
	}
	t.Fatal("the list does not end")
	return nil
}

// TestListAsksTheMonitor: the decision about the list comes first, and then each job is
// decided like its status.
func TestListAsksTheMonitor(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	a, b := s.submit(t, "IMG one"), s.submit(t, "IMG two")
	s.monitor.deny = func(q job.Access) (bool, bool) { return q.Job != nil && q.Job.ID == a.ID && q.Listed, true }
	if got := s.list(t, service.ListQuery{Limit: 2}); !slices.Equal(got, []job.ID{b.ID}) {
		t.Errorf("the list has %v, want %s alone", got, b.ID)
	}
	s.monitor.deny = func(q job.Access) (bool, bool) { return q.Action == job.ActionList, true }
	before := s.store.Calls(jobtest.OpList)
	_, err := s.service.List(t.Context(), alice, service.ListQuery{Owner: alice.Owner(), Limit: 1})
	wantKind(t, err, job.Denied)
	if n := s.store.Calls(jobtest.OpList); n != before {
		t.Error("the store was asked")
	}
}

// TestListIsDecidedOnceAPage: a page that needs several reads has one decision about the list,
// which is the one on record.
func TestListIsDecidedOnceAPage(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	for range 60 {
		s.submit(t, "IMG one")
	}
	var lists, unlisted int
	s.monitor.deny = func(q job.Access) (bool, bool) {
		switch {
		case q.Action == job.ActionList:
			lists++
		case !q.Listed:
			unlisted++
		}
		return false, true
	}
	before := s.store.Calls(jobtest.OpList)
	page, err := s.service.List(t.Context(), alice, service.ListQuery{Owner: alice.Owner(), Limit: 1, Statuses: []job.Status{job.Failed}})
	if err != nil || len(page.Jobs) != 0 {
		t.Fatalf("%+v, %v", page, err)
	}
	if reads := s.store.Calls(jobtest.OpList) - before; reads < 2 || lists != 1 || unlisted != 0 {
		t.Errorf("a page of %d reads has %d decisions about the list, and %d about jobs outside of it", reads, lists, unlisted)
	}
}

// TestListShowsEffectiveStatus filters by what a status request says, which the document
// need not say.
func TestListShowsEffectiveStatus(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	lost := s.submit(t, "IMG lost")
	s.advance(retention + time.Hour)
	fresh := s.submit(t, "IMG fresh")
	for status, want := range map[job.Status]job.ID{job.Failed: lost.ID, job.Pending: fresh.ID} {
		if got := s.list(t, service.ListQuery{Limit: 1, Statuses: []job.Status{status}}); !slices.Equal(got, []job.ID{want}) {
			t.Errorf("%s: %v, want %s", status, got, want)
		}
	}
}

// readQuota lets an owner read a number of documents.
type readQuota struct {
	counting
	left int
}

func (q *readQuota) Reads(_ string, n int) error {
	if n > q.left {
		return &job.Error{Kind: job.Exhausted, Message: "enough for now", RetryAfter: time.Second}
	}
	q.left -= n
	return nil
}

func (q *readQuota) Unread(_ string, n int) { q.left += n }

// TestListBooksItsReads: a page is booked as the documents that it reads, and ends early
// where no more may be read.
func TestListBooksItsReads(t *testing.T) {
	t.Parallel()
	quota := &readQuota{left: 40}
	s := newSystemWith(t, func(c *service.Config) { c.Quota = quota })
	for range 60 {
		s.submit(t, "IMG one")
	}
	q := service.ListQuery{Owner: alice.Owner(), Limit: 10}
	ask := func() (*service.JobList, error) { return s.service.List(t.Context(), alice, q) }
	if page, err := ask(); err != nil || len(page.Jobs) != 10 || quota.left != 30 {
		t.Errorf("a page of 10: %+v, %v; %d reads are left", page, err, quota.left)
	}
	q.Statuses = []job.Status{job.Completed}
	if page, err := ask(); err != nil || len(page.Jobs) != 0 || !page.More || quota.left != 5 {
		t.Errorf("a search: %+v, %v; %d reads are left", page, err, quota.left)
	}
	_, err := ask()
	wantKind(t, err, job.Exhausted)
	q.Statuses, q.Limit, q.Until = nil, 5, time.Now().Add(-time.Hour)
	if page, err := ask(); err != nil || len(page.Jobs) != 0 || page.More || quota.left != 5 {
		t.Errorf("nothing to read: %+v, %v; %d reads are left", page, err, quota.left)
	}
}
