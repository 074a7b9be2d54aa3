package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// echo is a processor that returns its input, and records its duration.
type echo struct {
	url string
	srv *http.Server

	mu   sync.Mutex // guards last
	last time.Duration
}

func newEcho() (*echo, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	e := &echo{url: "http://" + l.Addr().String()}
	e.srv = &http.Server{Handler: e}
	go func() { _ = e.srv.Serve(l) }()
	return e, nil
}

// ServeHTTP implements http.Handler.
func (e *echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "image/jpeg")
	_, _ = w.Write(body)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last = time.Since(start)
}

// beyond adds two rows: the duration of single jobs from the submit to completed, without the
// processor; by the document, and for a client that waits in its submit.
func (b *bench) beyond(ctx context.Context, name string, image []byte) error {
	stored, seen, err := b.lives(ctx, server, image)
	if err != nil {
		return err
	}
	r := row{Name: name + ", beyond the processing", Server: figures{p50: quantile(stored, 0.5), p99: quantile(stored, 0.99)}}
	r.judge([]goal{{Figure: p50, Bound: 30}})
	b.rows = append(b.rows, r, row{Name: "the same, until the answer to a waiting client", Server: figures{p50: quantile(seen, 0.5), p99: quantile(seen, 0.99)}})
	return nil
}

// lives runs single jobs, and returns the duration of each without the processing: by its
// document, and for its client.
func (b *bench) lives(ctx context.Context, which side, image []byte) (stored, seen []time.Duration, err error) {
	e, err := newEcho()
	if err != nil {
		return nil, nil, err
	}
	defer e.srv.Close()
	w, err := b.harness.startWorker(which, nil, "PROCESSOR="+e.url)
	if err != nil {
		return nil, nil, err
	}
	defer w.Kill()
	s, err := b.harness.start(ctx, b.harness.probed, which)
	if err != nil {
		return nil, nil, err
	}
	defer s.Kill()
	c := clients(1)
	defer c.CloseIdleConnections()
	const warm = 5
	for i, end := 0, time.Now().Add(b.round*time.Duration(b.rounds)); i < warm+10 || time.Now().Before(end); i++ {
		start := time.Now()
		j, err := submitAndWait(ctx, c, s.url, image)
		if err != nil {
			return nil, nil, err
		}
		whole := time.Since(start)
		e.mu.Lock()
		processing := e.last
		e.mu.Unlock()
		if i >= warm {
			// The document's time has whole milliseconds; it lacks half of one on average.
			stored = append(stored, j.Updated.Sub(start)+500*time.Microsecond-processing)
			seen = append(seen, whole-processing)
		}
	}
	return stored, seen, nil
}

// work adds a row: a worker's CPU time per job, and its throughput.
func (b *bench) work(ctx context.Context, name string, image []byte) error {
	n := b.queued()
	if err := b.submit(ctx, server, image, n); err != nil {
		return err
	}
	r, err := b.drain(ctx, server, name, n)
	if err != nil {
		return err
	}
	f := summary([]round{r})
	delete(f, p50)
	delete(f, p99)
	b.rows = append(b.rows, row{Name: name + ", 16 at once", Server: f})
	return nil
}

// queued is the number of jobs in the queue at the start of a round.
func (b *bench) queued() int { return int(b.round.Seconds()*float64(b.rounds)*30) + 32 }

// submit puts n jobs into the queue.
func (b *bench) submit(ctx context.Context, which side, image []byte, n int) error {
	return b.submitLoad(ctx, which, load{method: "POST", path: "/jobs", body: image, want: http.StatusAccepted}, n)
}

// submitLoad is submit of jobs in another form, to a server with more settings.
func (b *bench) submitLoad(ctx context.Context, which side, l load, n int, env ...string) error {
	s, err := b.harness.start(ctx, b.harness.probed, which, env...)
	if err != nil {
		return err
	}
	defer s.Kill()
	_, err = l.drive(ctx, clients(16), s, 16, until{requests: n})
	return err
}

// drain has a worker do n jobs that wait in the queue. The clock begins when the first jobs
// have ended: a worker lives for days, and its start has a row of its own for the server. A
// round's latencies are the times from one job's end to the next. The worker may have more
// settings.
func (b *bench) drain(ctx context.Context, which side, name string, n int, env ...string) (round, error) {
	e, err := newEcho()
	if err != nil {
		return round{}, err
	}
	defer e.srv.Close()
	ends := newEnds(min(32, n/2), n)
	w, err := b.harness.startWorker(which, ends, append(env, "PROCESSOR="+e.url, "CONCURRENCY=16")...)
	if err != nil {
		return round{}, err
	}
	defer w.Kill()
	g, gctx := errgroup.WithContext(ctx)
	if b.profiles != "" {
		if err := w.Await(ctx, w.probe+"/figures"); err != nil {
			return round{}, err
		}
		b.profiled(gctx, g, name, w, max(int(b.round.Seconds()), 2))
	}
	select {
	case <-ends.all:
	case <-w.Done():
		return round{}, fmt.Errorf("the worker ended: %v: %s", w.Wait(), w.Output())
	case <-ctx.Done():
		return round{}, context.Cause(ctx)
	}
	r := round{took: ends.took(), latencies: make([]time.Duration, n-ends.warm), jobs: n}
	if r.taken, err = w.taken(ctx); err != nil {
		return r, err
	}
	if err := g.Wait(); err != nil {
		return r, err
	}
	return r, w.Stop(10 * time.Second) // no message of its is left invisible
}

// ends counts the worker's log lines of ended jobs.
type ends struct {
	warm, want  int
	all         chan struct{} // closed when there are as many as wanted
	begin, last time.Time     // when warm and want jobs had ended; to be read once all is closed
	ended       int
	rest        []byte
}

func newEnds(warm, want int) *ends { return &ends{warm: warm, want: want, all: make(chan struct{})} }

func (e *ends) took() time.Duration { return e.last.Sub(e.begin) }

// Write implements io.Writer.
func (e *ends) Write(p []byte) (int, error) {
	e.rest = append(e.rest, p...)
	for {
		line, rest, ok := bytes.Cut(e.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		e.rest = rest
		if bytes.Contains(line, []byte(`"ended":true`)) {
			e.ended++
			if e.ended == e.warm {
				e.begin = time.Now()
			}
			if e.ended == e.want {
				e.last = time.Now()
				close(e.all)
			}
		}
	}
}
