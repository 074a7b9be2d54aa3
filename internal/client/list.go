package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// ListOptions say which jobs to list. The zero value lists all jobs of the caller.
type ListOptions struct {
	Owner        string   // another owner, where the policies allow that
	Statuses     []string // any of these; empty: all
	Since, Until time.Time
	Limit        int // at most so many jobs; zero: all
}

// largestPage is the largest number of jobs on a page.
const largestPage = 100

// List yields jobs, the newest first, page by page. It ends at the first error.
func (c *Client) List(ctx context.Context, o ListOptions) iter.Seq2[*Job, error] {
	return func(yield func(*Job, error) bool) {
		left := o.Limit
		for next := c.firstPage(o); next != ""; {
			var page struct {
				Jobs []*Job `json:"jobs"`
				Next string `json:"next"`
			}
			if _, err := c.do(ctx, request{method: http.MethodGet, url: next, good: []int{http.StatusOK}, into: &page}); err != nil {
				yield(nil, err)
				return
			}
			for _, j := range page.Jobs {
				j.URL = c.jobURL(j.ID)
				if !yield(j, nil) {
					return
				}
				if left--; left == 0 {
					return
				}
			}
			next = c.here(page.Next)
		}
	}
}

func (c *Client) firstPage(o ListOptions) string {
	q := url.Values{"status": o.Statuses, "limit": {strconv.Itoa(largestPage)}}
	if o.Limit > 0 {
		q.Set("limit", strconv.Itoa(min(o.Limit, largestPage)))
	}
	if o.Owner != "" {
		q.Set("owner", o.Owner)
	}
	for name, t := range map[string]time.Time{"since": o.Since, "until": o.Until} {
		if !t.IsZero() {
			q.Set(name, t.UTC().Format(time.RFC3339Nano))
		}
	}
	return c.server + "/jobs?" + q.Encode()
}

// here returns the URL of a next page under the name by which this client knows the server,
// which may differ from the server's public name.
func (c *Client) here(next string) string {
	u, err := url.Parse(next)
	if err != nil || next == "" {
		return ""
	}
	return c.server + "/jobs?" + u.RawQuery
}
