package main

import (
	"context"
	"fmt"
)

// list measures the newest page of the list, which reads 20 documents. The floor has no list,
// so there is no comparison.
func (b *bench) list(ctx context.Context, c curves, n, times, jobs int) error {
	s, err := b.harness.start(ctx, b.harness.probed, server)
	if err != nil {
		return err
	}
	defer s.Kill()
	conns := clients(n)
	defer conns.CloseIdleConnections()
	l := load{method: "GET", path: "/jobs"}
	rounds := map[side][]round{}
	for i := range 4 {
		r, err := l.drive(ctx, conns, s, n, until{requests: 100})
		if err != nil {
			return err
		}
		if i > 0 { // the first one makes connections and fills caches
			rounds[server] = append(rounds[server], r)
		}
	}
	b.add(c, "list", float64(jobs), compare(fmt.Sprintf("list of 20, %s, %d× = %d jobs", plural(n, "client"), times, jobs), rounds))
	return nil
}
