package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
)

// point is one point of a curve.
type point struct {
	x float64 // jobs, or bytes
	row
}

// curves are points by the kind of request.
type curves map[string][]point

// growth adds rows of the same requests with more and more jobs in bucket, queue and list, and
// with larger and larger images, and draws them.
func (b *bench) growth(ctx context.Context, image, long []byte) error {
	jobs, err := b.moreJobs(ctx, image)
	if err != nil {
		return err
	}
	if err := b.lists(ctx, jobs, image, b.jobs); err != nil {
		return err
	}
	sizes, err := b.largerImages(ctx, long)
	if err != nil {
		return err
	}
	return drawGrowth(filepath.Join(b.plots, "growth.svg"), jobs, sizes)
}

// moreJobs measures at 1×, 10× and 100× of so many jobs in the bucket, and nearly as many
// messages in the queue.
func (b *bench) moreJobs(ctx context.Context, image []byte) (curves, error) {
	if err := b.harness.renew(ctx); err != nil {
		return nil, err
	}
	id, err := b.completed(ctx, image)
	if err != nil {
		return nil, err
	}
	c := curves{}
	const n = 16
	submit := load{method: "POST", path: "/jobs", body: image, want: http.StatusAccepted}
	have := 1
	for _, times := range []int{1, 10, 100} {
		jobs := times * b.jobs
		b.tell(fmt.Sprintf("%d jobs", jobs))
		s, err := b.harness.start(ctx, b.harness.probed, server)
		if err != nil {
			return nil, err
		}
		_, err = submit.drive(ctx, clients(n), s, n, until{requests: max(jobs-have, 0)})
		s.Kill()
		if err != nil {
			return nil, err
		}
		have = max(jobs, have)
		for _, m := range []struct {
			what string
			load load
			end  until
		}{
			{"status", load{method: "GET", path: "/jobs/" + id}, until{requests: 400}},
			{"submit 20 KB", submit, until{requests: 64}},
		} {
			rounds, err := b.alternate(ctx, m.what, m.load, n, m.end, 3, server, floor)
			if err != nil {
				return nil, err
			}
			if m.load.body != nil {
				have += 2 * (2*n + 3*m.end.requests)
			}
			b.add(c, m.what, float64(jobs), compare(fmt.Sprintf("%s, %s, %d× = %d jobs", m.what, plural(n, "client"), times, jobs), rounds))
		}
		const drained = 150
		r, err := b.drain(ctx, server, "claim to complete", drained)
		if err != nil {
			return nil, err
		}
		f := summary([]round{r})
		delete(f, p50)
		delete(f, p99)
		b.add(c, "claim to complete", float64(jobs), row{Name: fmt.Sprintf("claim to complete, 16 at once, %d× = %d jobs", times, jobs), Server: f})
	}
	return c, nil
}

// largerImages measures submits from 10 KB to 1 GiB, one after the other.
func (b *bench) largerImages(ctx context.Context, head []byte) (curves, error) {
	c := curves{}
	for _, m := range []struct {
		name     string
		size     int64
		requests int
	}{{"10 KB", 10_000, 60}, {"100 KB", 100_000, 60}, {"1 MB", 1_000_000, 30}, {"10 MB", 10_000_000, 8}, {"100 MB", 100_000_000, 3}, {"1 GiB", 1 << 30, 1}} {
		name := "submit " + m.name + ", 1 client"
		b.tell(name)
		if err := b.harness.renew(ctx); err != nil {
			return nil, err
		}
		l := load{method: "POST", path: "/jobs", body: head, padding: m.size - int64(len(head)), want: http.StatusAccepted}
		if l.padding < 0 {
			image, err := picture(int(m.size))
			if err != nil {
				return nil, err
			}
			l.body, l.padding = image, 0
		}
		rounds, err := b.alternate(ctx, name, l, 1, until{requests: m.requests}, 2, server, floor)
		if err != nil {
			return nil, err
		}
		b.add(c, "submit", float64(m.size), compare(name, rounds))
	}
	return c, nil
}

func (b *bench) add(c curves, what string, x float64, r row) {
	c[what] = append(c[what], point{x, r})
	b.rows = append(b.rows, r)
}
