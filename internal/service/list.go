package service

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/service/authz"
)

const (
	// MaxList is the largest number of jobs on a page of a list.
	MaxList = 100
	// maxListReads bounds the documents that one request for a page reads, however few of
	// them the caller asks for.
	maxListReads = 100
	// filteredReads is the least number of documents that a filtered list reads at once.
	filteredReads = 25
)

// ListQuery selects jobs of an owner.
type ListQuery struct {
	Owner        string
	Statuses     []job.Status // any of these; empty: all
	Since, Until time.Time    // of CreatedAt, both included; a zero time does not bound
	Limit        int          // 1 to MaxList
	After        job.Place    // the zero value: from the newest job on
}

// JobList is a page of an owner's jobs.
type JobList struct {
	Jobs []*job.Job // the newest first
	// Next is where the next page begins, if More says that there may be one. A page may have
	// fewer jobs than the query's limit, or none, and a next page all the same.
	Next job.Place
	More bool
}

// List returns the jobs of an owner, as Status returns each of them. What a client was
// answered with an error it leaves out, and what the caller may not read. It reads at most
// 100 documents.
func (s *Service) List(ctx context.Context, who job.Caller, q ListQuery) (*JobList, error) {
	list, err := s.authz.List(ctx, who, q.Owner)
	if err != nil {
		return nil, err
	}
	out := &JobList{Next: q.After, More: true}
	for left := maxListReads; out.More && left > 0 && len(out.Jobs) < q.Limit; {
		n := q.Limit - len(out.Jobs)
		if len(q.Statuses) > 0 {
			n = max(n, filteredReads)
		}
		read, err := s.listSome(ctx, who, list, q, out, min(n, left))
		if job.KindOf(err) == job.Exhausted && left < maxListReads {
			return out, nil // what is read already is an answer
		}
		if err != nil {
			return nil, err
		}
		left -= read
	}
	return out, nil
}

// listSome appends what is wanted of the next n jobs of the list, and returns how many it
// has read.
func (s *Service) listSome(ctx context.Context, who job.Caller, list authz.Lister, q ListQuery, out *JobList, n int) (read int, err error) {
	if err := s.quota.Reads(who.Owner(), n); err != nil {
		return 0, err
	}
	page, err := list(ctx, job.Window{After: out.Next, Since: q.Since, Until: q.Until, Limit: n})
	if err != nil {
		return 0, err
	}
	s.quota.Unread(who.Owner(), n-page.Looked)
	if len(page.Damaged) > 0 {
		s.log.ErrorContext(ctx, "documents are damaged; the list leaves them out", slog.Any("job_ids", page.Damaged))
	}
	for i, j := range page.Jobs {
		j = s.effective(j)
		if j.Unaccepted || len(q.Statuses) > 0 && !slices.Contains(q.Statuses, j.Status) {
			continue
		}
		if j.Upload, err = s.upload(ctx, j); err != nil {
			return 0, err
		}
		out.Jobs = append(out.Jobs, j)
		if len(out.Jobs) == q.Limit && (i < len(page.Jobs)-1 || page.More) {
			out.Next, out.More = job.Place{CreatedAt: j.CreatedAt, ID: j.ID}, true
			return page.Looked, nil
		}
	}
	out.Next, out.More = page.Last, page.More
	return page.Looked, nil
}
