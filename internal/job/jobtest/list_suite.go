package jobtest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"claimcheck.example/internal/job"
)

// testLists runs all tests on one store, each with a separate owner.
func testLists(t *testing.T, open func(t *testing.T) StoreFixture) {
	s := open(t)
	tests := map[string]func(*testing.T, StoreFixture, string){
		"List shows the newest first, and only the owner's":  testListOrder,
		"jobs of one moment come in the order of their ids":  testListOfOneMoment,
		"List is within its bounds":                          testListBounds,
		"List leaves out what is gone and what is damaged":   testListGone,
		"List shows each life of a key once":                 testListLives,
		"List misses nothing while jobs come and go":         testListRace,
		"pages under random submits, deletes and expiration": testListModel,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, s, "https://issuer.example/|"+t.Name())
		})
	}
}

// lists returns the fixture's store as job.Lists.
func lists(t testing.TB, s StoreFixture) job.Lists {
	l, ok := s.Store.(job.Lists)
	if !ok {
		t.Fatalf("%T is not a job.Lists", s.Store)
	}
	return l
}

// submitted stores a job as a submit does.
func submitted(t testing.TB, s StoreFixture, owner string, at time.Time) *job.Job {
	t.Helper()
	j := NewJob()
	j.Owner, j.CreatedAt, j.UpdatedAt = owner, at, at
	must(t, lists(t, s).Enlist(context.Background(), j))
	version, err := s.Create(context.Background(), j)
	must(t, err)
	j.Version = version
	return j
}

func deleted(t testing.TB, s StoreFixture, j *job.Job) {
	t.Helper()
	must(t, lists(t, s).Delist(context.Background(), j))
	must(t, s.Erase(context.Background(), j.ID, ""))
}

// all reads a list to its end, page by page, and returns the identifiers.
func all(t testing.TB, s StoreFixture, owner string, w job.Window) (ids []job.ID) {
	t.Helper()
	for range 1000 {
		page, err := lists(t, s).List(context.Background(), owner, w)
		must(t, err)
		ids = append(ids, idsOf(page.Jobs)...)
		if !page.More {
			return ids
		}
		if page.Last == w.After {
			t.Fatalf("a page says that more follow, and does not move on from %v", page.Last)
		}
		w.After = page.Last
	}
	t.Fatal("the list does not end")
	return nil
}

func idsOf(jobs []*job.Job) (ids []job.ID) {
	for _, j := range jobs {
		ids = append(ids, j.ID)
	}
	return ids
}

func wantIDs(t testing.TB, got []job.ID, want ...job.ID) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("the list has\n%v, want\n%v", got, want)
	}
}

// now is the current time in the precision of CreatedAt.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

func testListOrder(t *testing.T, s StoreFixture, owner string) {
	begin := now()
	wantIDs(t, all(t, s, owner, job.Window{Limit: 3}))
	var want []job.ID
	for i := range 7 {
		j := submitted(t, s, owner, begin.Add(time.Duration(i)*time.Second))
		want = append([]job.ID{j.ID}, want...)
		submitted(t, s, owner+"b", begin)
		wantIDs(t, all(t, s, owner, job.Window{Limit: 100}), want...) // at once
	}
	for _, limit := range []int{1, 2, 3, 6, 7, 8} {
		wantIDs(t, all(t, s, owner, job.Window{Limit: limit}), want...)
	}
	page, err := lists(t, s).List(t.Context(), owner, job.Window{Limit: 1})
	must(t, err)
	stored, err := s.Load(t.Context(), want[0])
	must(t, err)
	if got := page.Jobs[0]; got.Version != stored.Version || got.Owner != owner || page.Looked != 1 {
		t.Errorf("the page is %+v of %+v, and Load returns %+v", page, got, stored)
	}
	_, err = lists(t, s).List(ended(t), owner, job.Window{Limit: 1})
	wantKind(t, err, job.Canceled)
}

func testListOfOneMoment(t *testing.T, s StoreFixture, owner string) {
	at := now()
	var want []job.ID
	for range 5 {
		want = append(want, submitted(t, s, owner, at).ID)
	}
	slices.Sort(want)
	for _, limit := range []int{1, 2, 5} {
		wantIDs(t, all(t, s, owner, job.Window{Limit: limit}), want...)
	}
}

func testListBounds(t *testing.T, s StoreFixture, owner string) {
	begin := now().Add(-time.Hour)
	var ids []job.ID // the oldest first
	for i := range 5 {
		ids = append(ids, submitted(t, s, owner, begin.Add(time.Duration(i)*time.Minute)).ID)
	}
	minute := func(n int) time.Time { return begin.Add(time.Duration(n) * time.Minute) }
	tests := map[string]struct {
		since, until time.Time
		want         []job.ID
	}{
		"all":                   {want: []job.ID{ids[4], ids[3], ids[2], ids[1], ids[0]}},
		"since, included":       {since: minute(3), want: []job.ID{ids[4], ids[3]}},
		"since, just missed":    {since: minute(3).Add(time.Millisecond), want: []job.ID{ids[4]}},
		"until, included":       {until: minute(1), want: []job.ID{ids[1], ids[0]}},
		"until, just missed":    {until: minute(1).Add(-time.Millisecond), want: []job.ID{ids[0]}},
		"both":                  {since: minute(1), until: minute(3), want: []job.ID{ids[3], ids[2], ids[1]}},
		"before the first job":  {until: begin.Add(-time.Minute)},
		"behind the last job":   {since: minute(9)},
		"the wrong way around":  {since: minute(3), until: minute(1)},
		"farther than any time": {since: time.Unix(1, 0), until: time.Date(2250, 1, 1, 0, 0, 0, 0, time.UTC), want: []job.ID{ids[4], ids[3], ids[2], ids[1], ids[0]}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for _, limit := range []int{1, 2, 100} {
				wantIDs(t, all(t, s, owner, job.Window{Since: tt.since, Until: tt.until, Limit: limit}), tt.want...)
			}
		})
	}
}

func testListGone(t *testing.T, s StoreFixture, owner string) {
	begin := now()
	var jobs []*job.Job
	for i := range 6 {
		jobs = append(jobs, submitted(t, s, owner, begin.Add(time.Duration(i)*time.Second)))
	}
	deleted(t, s, jobs[4])
	must(t, s.Erase(t.Context(), jobs[3].ID, "")) // as a lifecycle rule does
	s.PutRaw(t, jobs[2].ID, []byte(`{"job_id":`))
	must(t, lists(t, s).Delist(t.Context(), jobs[4]))
	for _, limit := range []int{1, 2, 10} {
		wantIDs(t, all(t, s, owner, job.Window{Limit: limit}), jobs[5].ID, jobs[1].ID, jobs[0].ID)
	}
	page, err := lists(t, s).List(t.Context(), owner, job.Window{Limit: 10})
	must(t, err)
	wantIDs(t, page.Damaged, jobs[2].ID)
}

// testListLives reuses an idempotency key, whose jobs have the same identifier.
func testListLives(t *testing.T, s StoreFixture, owner string) {
	begin := now()
	first := submitted(t, s, owner, begin)
	other := submitted(t, s, owner, begin.Add(time.Second))
	must(t, s.Erase(t.Context(), first.ID, "")) // its entry stays
	second := *first
	second.CreatedAt, second.Revision, second.Version = begin.Add(time.Minute), revision(), ""
	must(t, lists(t, s).Enlist(t.Context(), &second))
	must(t, lists(t, s).Enlist(t.Context(), &second))
	_, err := s.Create(t.Context(), &second)
	must(t, err)
	wantIDs(t, all(t, s, owner, job.Window{Limit: 1}), second.ID, other.ID)
	must(t, lists(t, s).Delist(t.Context(), first))
	wantIDs(t, all(t, s, owner, job.Window{Limit: 10}), second.ID, other.ID)
}

// testListRace submits and deletes while a list is read page by page.
func testListRace(t *testing.T, s StoreFixture, owner string) {
	begin := now().Add(-time.Hour)
	stay := map[job.ID]bool{}
	var leave []*job.Job
	for i := range 40 {
		j := submitted(t, s, owner, begin.Add(time.Duration(i/3)*time.Second))
		if i%4 == 0 {
			leave = append(leave, j)
		} else {
			stay[j.ID] = true
		}
	}
	var busy sync.WaitGroup
	busy.Go(func() {
		for _, j := range leave {
			deleted(t, s, j)
		}
	})
	busy.Go(func() {
		for range 10 {
			submitted(t, s, owner, now())
		}
	})
	got := all(t, s, owner, job.Window{Limit: 3})
	busy.Wait()
	seen := map[job.ID]bool{}
	for _, id := range got {
		if seen[id] {
			t.Errorf("job %s is in the list twice", id)
		}
		seen[id] = true
	}
	for id := range stay {
		if !seen[id] {
			t.Errorf("job %s, which was there from the first page to the last, is left out", id)
		}
	}
}

// listModel drives a list and a simple model of it: every job that exists from the first page
// to the last is in the pages exactly once, in order.
type listModel struct {
	t      testing.TB
	s      StoreFixture
	clock  time.Time
	owner  string
	jobs   map[job.ID]*job.Job
	reader *listReader
}

// listReader is a client between two pages.
type listReader struct {
	w     job.Window
	there map[job.ID]bool // at the first page, and since
	seen  []*job.Job
}

func (m *listModel) submit(rt *rapid.T) {
	m.clock = m.clock.Add(time.Duration(rapid.IntRange(0, 2).Draw(rt, "milliseconds")) * time.Millisecond)
	j := submitted(m.t, m.s, m.owner, m.clock)
	m.jobs[j.ID] = j
}

// again submits under the key of a job that is gone.
func (m *listModel) again(rt *rapid.T) {
	j := m.pick(rt)
	if j == nil {
		return
	}
	m.remove(j, rapid.Bool().Draw(rt, "expired"))
	m.clock = m.clock.Add(time.Millisecond)
	next := *j
	next.CreatedAt, next.UpdatedAt, next.Revision, next.Version = m.clock, m.clock, revision(), ""
	must(m.t, lists(m.t, m.s).Enlist(context.Background(), &next))
	_, err := m.s.Create(context.Background(), &next)
	must(m.t, err)
	m.jobs[j.ID] = &next
}

func (m *listModel) remove(j *job.Job, expired bool) {
	if expired { // the entry may outlive the document
		must(m.t, m.s.Erase(context.Background(), j.ID, ""))
	} else {
		deleted(m.t, m.s, j)
	}
	delete(m.jobs, j.ID)
	if m.reader != nil {
		delete(m.reader.there, j.ID)
	}
}

func (m *listModel) pick(rt *rapid.T) *job.Job {
	ids := make([]job.ID, 0, len(m.jobs))
	for id := range m.jobs {
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return nil
	}
	slices.SortFunc(ids, func(a, b job.ID) int {
		return comparePlaces(job.Place{CreatedAt: m.jobs[a].CreatedAt, ID: a}, job.Place{CreatedAt: m.jobs[b].CreatedAt, ID: b})
	})
	return m.jobs[ids[rapid.IntRange(0, len(ids)-1).Draw(rt, "which")]]
}

// page reads the next page, or the first.
func (m *listModel) page(rt *rapid.T) {
	if m.reader == nil {
		m.reader = &listReader{w: job.Window{Limit: rapid.IntRange(1, 4).Draw(rt, "limit")}, there: map[job.ID]bool{}}
		for id := range m.jobs {
			m.reader.there[id] = true
		}
	}
	r := m.reader
	page, err := lists(m.t, m.s).List(context.Background(), m.owner, r.w)
	must(m.t, err)
	r.seen = append(r.seen, page.Jobs...)
	r.w.After = page.Last
	if !page.More {
		m.reader = nil
		if err := r.wrong(); err != nil {
			rt.Fatal(err)
		}
	}
}

func (r *listReader) wrong() error {
	ids := map[job.ID]bool{}
	for i, j := range r.seen {
		if ids[j.ID] {
			return fmt.Errorf("job %s is in the list twice", j.ID)
		}
		ids[j.ID] = true
		if i > 0 && comparePlaces(job.Place{CreatedAt: r.seen[i-1].CreatedAt, ID: r.seen[i-1].ID}, job.Place{CreatedAt: j.CreatedAt, ID: j.ID}) >= 0 {
			return fmt.Errorf("job %s is out of order", j.ID)
		}
	}
	for id := range r.there {
		if !ids[id] {
			return fmt.Errorf("job %s is left out", id)
		}
	}
	return nil
}

// testListModel takes random steps. Each run has a separate owner in the same store.
func testListModel(t *testing.T, s StoreFixture, owner string) {
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		m := &listModel{t: t, s: s, clock: now(), owner: fmt.Sprintf("%s-%d", owner, runs), jobs: map[job.ID]*job.Job{}}
		for range rapid.IntRange(0, 6).Draw(rt, "jobs") {
			m.submit(rt)
		}
		steps := map[string]func(*rapid.T){
			"submit": m.submit,
			"page":   m.page,
			"again":  m.again,
			"delete": func(rt *rapid.T) {
				if j := m.pick(rt); j != nil {
					m.remove(j, false)
				}
			},
			"expire": func(rt *rapid.T) {
				if j := m.pick(rt); j != nil {
					m.remove(j, true)
				}
			},
		}
		names := []string{"page", "submit", "page", "delete", "again", "expire"}
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			steps[rapid.SampledFrom(names).Draw(rt, "step")](rt)
		}
		for range 40 {
			if m.page(rt); m.reader == nil {
				return
			}
		}
		rt.Fatal("the list does not end")
	})
}
