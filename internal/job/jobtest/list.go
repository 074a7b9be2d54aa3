package jobtest

import (
	"cmp"
	"context"
	"slices"

	"claimcheck.example/internal/job"
)

// listed is an entry of an owner's list.
type listed struct {
	owner string
	place job.Place
}

func listedOf(j *job.Job) listed {
	return listed{j.Owner, job.Place{CreatedAt: j.CreatedAt.UTC().Round(0), ID: j.ID}}
}

// Enlist implements job.Lists.
func (s *Store) Enlist(ctx context.Context, j *job.Job) error {
	_, err := run(ctx, &s.Faults, OpEnlist, func() (struct{}, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.lists[listedOf(j)] = struct{}{}
		return struct{}{}, nil
	})
	return err
}

// Delist implements job.Lists.
func (s *Store) Delist(ctx context.Context, j *job.Job) error {
	_, err := run(ctx, &s.Faults, OpDelist, func() (struct{}, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.lists, listedOf(j))
		return struct{}{}, nil
	})
	return err
}

// Listed returns the number of entries of all lists.
func (s *Store) Listed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.lists)
}

// List implements job.Lists.
func (s *Store) List(ctx context.Context, owner string, w job.Window) (*job.Page, error) {
	return run(ctx, &s.Faults, OpList, func() (*job.Page, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		page := &job.Page{Last: w.After}
		for _, p := range s.places(owner, w) {
			if page.Looked == max(1, w.Limit) {
				page.More = true
				break
			}
			page.Looked++
			page.Last = p
			raw, ok := s.docs[p.ID]
			if !ok {
				continue
			}
			j, err := job.DecodeDocument(p.ID, raw)
			switch {
			case job.KindOf(err) == job.Corrupt:
				page.Damaged = append(page.Damaged, p.ID)
			case err != nil:
				return nil, err
			case j.Owner == owner && j.CreatedAt.Equal(p.CreatedAt):
				j.Version = tagOf(raw)
				page.Jobs = append(page.Jobs, j)
			}
		}
		return page, nil
	})
}

// places returns the entries of an owner in a window; the caller has locked mu.
func (s *Store) places(owner string, w job.Window) (places []job.Place) {
	for l := range s.lists {
		t := l.place.CreatedAt
		switch {
		case l.owner != owner:
		case !w.Since.IsZero() && t.Before(w.Since), !w.Until.IsZero() && t.After(w.Until):
		case w.After.ID != "" && comparePlaces(l.place, w.After) <= 0:
		default:
			places = append(places, l.place)
		}
	}
	slices.SortFunc(places, comparePlaces)
	return places
}

// comparePlaces is the order of a list.
func comparePlaces(a, b job.Place) int {
	return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID))
}
