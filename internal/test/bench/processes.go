package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// cold adds a row: the time from exec to the first answer, including one read of S3, of the
// binaries of production.
func (b *bench) cold(ctx context.Context, name string, image []byte) error {
	id, err := b.completed(ctx, image)
	if err != nil {
		return err
	}
	rounds := map[side][]round{}
	for i := range 4 * b.rounds {
		order := []side{server, floor}
		if i%2 == 1 {
			order = []side{floor, server}
		}
		for _, who := range order {
			r, err := b.coldStart(ctx, who, id)
			if err != nil {
				return err
			}
			rounds[who] = append(rounds[who], r)
		}
	}
	r := compare(name, rounds)
	for _, f := range []figures{r.Server, r.Floor, r.Ratio} {
		delete(f, perSecond)
		delete(f, allocs)
	}
	r.judge([]goal{{Figure: p50, Ratio: true, Bound: 1.5}})
	b.rows = append(b.rows, r)
	return nil
}

// coldStart runs one process until its first answer.
func (b *bench) coldStart(ctx context.Context, who side, id string) (r round, err error) {
	c := clients(1)
	defer c.CloseIdleConnections()
	start := time.Now()
	a, err := b.harness.exec(b.harness.plain, who)
	if err != nil {
		return r, err
	}
	defer a.Kill()
	for {
		err := load{method: "GET", path: "/jobs/" + id}.ask(ctx, c, a.url)
		if err == nil {
			break
		}
		select {
		case <-a.Done():
			return r, fmt.Errorf("it ended: %v: %s", a.Wait(), a.Output())
		case <-ctx.Done():
			return r, context.Cause(ctx)
		case <-time.After(300 * time.Microsecond):
		}
	}
	r.took = time.Since(start)
	r.latencies = []time.Duration{r.took}
	if r.taken.PeakRSS, err = a.PeakRSS(); err != nil {
		return r, err
	}
	a.Kill()
	r.taken.CPU, err = a.CPU()
	return r, err
}

// memory adds a row: n uploads of size bytes at once, to fresh processes.
func (b *bench) memory(ctx context.Context, name string, n int, size int64, head []byte, most float64) error {
	l := load{method: "POST", path: "/jobs", body: head, padding: size - int64(len(head)), want: http.StatusAccepted}
	rounds := map[side][]round{}
	for _, who := range []side{server, floor} {
		a, err := b.harness.start(ctx, b.harness.probed, who)
		if err != nil {
			return err
		}
		r, err := l.drive(ctx, clients(n), a, n, until{requests: n})
		a.Kill()
		if err != nil {
			return err
		}
		rounds[who] = append(rounds[who], r)
	}
	r := compare(name, rounds)
	r.judge([]goal{{Figure: peakRSS, Bound: most}})
	b.rows = append(b.rows, r)
	return nil
}
