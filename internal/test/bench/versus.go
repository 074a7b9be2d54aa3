package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// versus adds a row: n clients request l from a server and the floor alternately.
func (b *bench) versus(ctx context.Context, name string, which side, l load, n int, goals []goal) error {
	rounds, err := b.alternate(ctx, name, l, n, until{time: b.round}, b.rounds, which, floor)
	if err != nil {
		return err
	}
	rounds[server] = rounds[which]
	r := compare(name, rounds)
	r.judge(goals)
	b.rows = append(b.rows, r)
	return nil
}

// alternate measures two sides alternately, each in a process of its own, in count rounds each.
func (b *bench) alternate(ctx context.Context, name string, l load, n int, end until, count int, one, other side) (map[side][]round, error) {
	procs := map[side]*proc{}
	conns := map[side]*http.Client{}
	for _, who := range []side{one, other} {
		a, err := b.harness.start(ctx, b.harness.probed, who)
		if err != nil {
			return nil, err
		}
		defer a.Kill()
		procs[who], conns[who] = a, clients(n)
		defer conns[who].CloseIdleConnections()
		// A warm-up opens connections and fills caches.
		warm := l
		warm.padding = 0
		if _, err := warm.drive(ctx, conns[who], a, n, until{requests: 2 * n}); err != nil {
			return nil, err
		}
	}
	if b.profiles != "" {
		if err := b.profile(ctx, name, l, conns[one], procs[one], n); err != nil {
			return nil, err
		}
	}
	rounds := map[side][]round{}
	for i := range count {
		order := []side{one, other}
		if i%2 == 1 { // the second finds the first's dust still settling
			order = []side{other, one}
		}
		for _, who := range order {
			r, err := l.drive(ctx, conns[who], procs[who], n, end)
			if err != nil {
				return nil, err
			}
			rounds[who] = append(rounds[who], r)
		}
	}
	return rounds, nil
}

// profile writes profiles of a round outside of the measurement.
func (b *bench) profile(ctx context.Context, name string, l load, c *http.Client, a *proc, n int) error {
	seconds := max(int(b.round.Seconds()), 2)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		_, err := l.drive(ctx, c, a, n, until{time: time.Duration(seconds+1) * time.Second})
		return err
	})
	b.profiled(ctx, g, name, a, seconds)
	return g.Wait()
}

// profiled takes both profiles of a for some seconds.
func (b *bench) profiled(ctx context.Context, g *errgroup.Group, name string, a *proc, seconds int) {
	file := strings.NewReplacer(" ", "-", ",", "").Replace(name)
	for kind, path := range map[string]string{"cpu": "profile", "allocs": "allocs"} {
		g.Go(func() error {
			return a.profile(ctx, fmt.Sprintf("/debug/pprof/%s?seconds=%d", path, seconds), filepath.Join(b.profiles, file+"."+kind+".prof"))
		})
	}
}

// completed returns the id of a completed job; the output is the image.
func (b *bench) completed(ctx context.Context, image []byte) (string, error) {
	w, err := b.harness.startWorker(server, nil, "PROCESSOR=exec:cat")
	if err != nil {
		return "", err
	}
	defer w.Kill()
	s, err := b.harness.start(ctx, b.harness.probed, server)
	if err != nil {
		return "", err
	}
	defer s.Kill()
	j, err := submitAndWait(ctx, http.DefaultClient, s.url, image)
	return j.ID, err
}

// answer is the API's view of a job.
type answer struct {
	ID      string    `json:"job_id"`
	Status  string    `json:"status"`
	Updated time.Time `json:"updated_at"`
}

// submitAndWait submits an image and waits for the job's end.
func submitAndWait(ctx context.Context, c *http.Client, base string, image []byte) (answer, error) {
	j, err := submitOnce(ctx, c, base, image, "wait=60")
	if err == nil && j.Status != "completed" {
		err = fmt.Errorf("the job was not completed: %+v", j)
	}
	return j, err
}

// submitOnce submits an image with a preference, which may be empty.
func submitOnce(ctx context.Context, c *http.Client, base string, image []byte, prefer string) (answer, error) {
	l := load{method: "POST", path: "/jobs", body: image}
	req, err := l.request(ctx, base)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Prefer", prefer)
	resp, err := c.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, err
	}
	var j answer
	if err := json.Unmarshal(body, &j); err != nil {
		return j, fmt.Errorf("%s: %w", resp.Status, err)
	}
	return j, nil
}
