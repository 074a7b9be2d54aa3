package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"claimcheck.example/internal/test/process"
)

// harness is the running system: backend, proxies in front of it, server and workers.
type harness struct {
	dir           string
	binaries      *process.Binaries
	beside        *process.Binaries // of another release; nil for none
	url           string
	port          int
	s3Port, qPort int
	env           []string // of server and workers: S3 and SQS by way of the proxies
	backendEnv    []string // the same, straight
	s3, sqs       *toxiproxy.Proxy
	receiver      *receiver
	database      *database // in place of S3 and SQS, without proxies; nil for none
	ends          *ends
	workers       int

	mu       sync.Mutex // guards what follows
	starts   [2]int     // of this source, and of the release beside
	procs    map[string]proc
	kills    map[string]int
	faults   map[string]int
	troubles []trouble
}

// proc is a process that chaos may kill.
type proc interface {
	Kill()
	Done() <-chan struct{}
	Output() string
}

// trouble is a time in which a process was dead, or the network to S3 or SQS broken.
type trouble struct {
	where    string
	from, to time.Time
}

// troubled records a trouble that ends now.
func (s *harness) troubled(where string, from time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.troubles = append(s.troubles, trouble{where, from, time.Now()})
}

// explains reports whether a trouble at one of these places may be the reason for an object of
// that time that is left behind: it began within the duration of a request, or had just ended.
func (s *harness) explains(at time.Time, where ...string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.troubles, func(t trouble) bool {
		return slices.Contains(where, t.where) && t.from.Before(at.Add(30*time.Second)) && at.Before(t.to.Add(time.Second))
	})
}

func newHarness(ctx context.Context, o options, dir string) (*harness, error) {
	root, err := filepath.Abs(o.root)
	if err != nil {
		return nil, err
	}
	s := &harness{dir: dir, ends: &ends{count: map[string]int{}, said: map[string][]string{}}, workers: o.workers,
		procs: map[string]proc{}, kills: map[string]int{}, faults: map[string]int{}, receiver: newReceiver(o.seed)}
	if s.binaries, err = (process.Source{Root: root}).Build(ctx, nil, "server", "worker"); err != nil {
		return nil, err
	}
	if o.beside != "" {
		if s.beside, err = (process.Source{Root: o.beside}).Build(ctx, nil, "server", "worker"); err != nil {
			return nil, fmt.Errorf("build the release beside: %w", err)
		}
	}
	for _, p := range []*int{&s.port, &s.s3Port, &s.qPort} {
		if *p, err = process.FreePort(); err != nil {
			return nil, err
		}
	}
	s.url = "http://127.0.0.1:" + strconv.Itoa(s.port)
	if o.database {
		s.database = &database{}
	}
	if err := s.start(ctx, "backend"); err != nil {
		return nil, err
	}
	if s.database == nil {
		if err := s.startProxies(); err != nil {
			return nil, err
		}
	} else {
		s.env = slices.Clone(s.backendEnv)
	}
	s.env = append(s.env, webhookVars...)
	for _, name := range s.names()[1:] {
		if err := s.start(ctx, name); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// startProxies puts proxies before S3 and SQS.
func (s *harness) startProxies() error {
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	for _, p := range []struct {
		proxy **toxiproxy.Proxy
		name  string
		port  int
	}{{&s.s3, "s3", s.s3Port}, {&s.sqs, "sqs", s.qPort}} {
		*p.proxy = toxiproxy.NewProxy(server, p.name, "127.0.0.1:0", "127.0.0.1:"+strconv.Itoa(p.port))
		if err := (*p.proxy).Start(); err != nil {
			return err
		}
	}
	for _, kv := range s.backendEnv {
		switch {
		case strings.HasPrefix(kv, "AWS_ENDPOINT_URL_S3="):
			kv = "AWS_ENDPOINT_URL_S3=http://" + s.s3.Listen
		case strings.HasPrefix(kv, "AWS_ENDPOINT_URL_SQS="):
			kv = "AWS_ENDPOINT_URL_SQS=http://" + s.sqs.Listen
		}
		s.env = append(s.env, kv)
	}
	return nil
}

// names are the processes, the backend first.
func (s *harness) names() []string {
	names := []string{"backend", "server"}
	for i := range s.workers {
		names = append(names, fmt.Sprint("worker-", i+1))
	}
	return names
}

// start starts the process of that name, on its fixed ports.
func (s *harness) start(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	var a proc
	var p *process.Process
	var err error
	switch name {
	case "backend":
		if s.database != nil {
			a, err = s.database, s.database.start(ctx, s.dir)
			s.backendEnv = s.database.env
			break
		}
		var b *process.Backend
		if b, err = process.StartBackend(ctx, filepath.Join(s.dir, "data"), s.s3Port, s.qPort, nil); err == nil {
			p, s.backendEnv = b.Process, b.Env
		}
	case "server":
		p, err = s.release().Start("server", append([]string{"PORT=" + strconv.Itoa(s.port), "ALLOW_ANONYMOUS=true", "LOG_LEVEL=error", "SHUTDOWN_GRACE=1m"}, s.env...))
		if err == nil {
			err = p.Await(ctx, s.url+"/health")
		}
	default:
		// The output is the input, byte for byte, after a pause.
		p, err = s.release().WithLog(&lines{each: s.ends.line}).Start("worker", append([]string{
			"PROCESSOR=exec:sh -c 'sleep 0.0$$; cat'", "CONCURRENCY=6", "LEASE=5s", "MAX_ATTEMPTS=50", "SHUTDOWN_GRACE=2s",
		}, s.env...))
	}
	if err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	if a == nil {
		a = p
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.procs[name] = a
	return nil
}

// torment runs clients while processes die and the network fails, until ctx ends. The last
// quarter, or the last 20 s, has no faults: they explain nothing that is left behind then.
func (s *harness) torment(ctx context.Context, c *clients, o options) {
	ctx, end := context.WithTimeout(ctx, o.duration)
	defer end()
	wild, calm := context.WithTimeout(ctx, o.duration-min(o.duration/4, 20*time.Second))
	defer calm()
	var all sync.WaitGroup
	for i := range o.clients {
		all.Go(func() { c.submitUntil(ctx, rand.New(rand.NewPCG(o.seed, uint64(i)))) })
	}
	if o.killEvery > 0 {
		all.Go(func() { s.kill(wild, rand.New(rand.NewPCG(o.seed, 1<<32)), o.killEvery) })
	}
	if o.faultEvery > 0 && s.database == nil {
		all.Go(func() { s.fault(wild, rand.New(rand.NewPCG(o.seed, 1<<33)), o.faultEvery) })
	}
	all.Wait()
}

// rest waits for about d, or until ctx ends; it reports whether ctx is still valid.
func rest(ctx context.Context, r *rand.Rand, d time.Duration) bool {
	t := time.NewTimer(d/2 + time.Duration(r.Int64N(int64(d)+1)))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// kill ends processes in turn by SIGKILL, and starts them again.
func (s *harness) kill(ctx context.Context, r *rand.Rand, every time.Duration) {
	names := s.names()
	for rest(ctx, r, every) {
		name := names[r.IntN(len(names))]
		s.mu.Lock()
		p := s.procs[name]
		s.kills[name]++
		s.mu.Unlock()
		from := time.Now()
		p.Kill()
		rest(ctx, r, 200*time.Millisecond)
		for s.start(context.WithoutCancel(ctx), name) != nil {
			// A connection of a client may use the port for a moment.
			rest(context.WithoutCancel(ctx), r, 100*time.Millisecond)
		}
		where, _, _ := strings.Cut(name, "-")
		s.troubled(where, from)
	}
}

// toxics are the faults of the network.
var toxics = map[string]string{
	"latency":     `{"name":"t","type":"latency","stream":"downstream","attributes":{"latency":700,"jitter":500}}`,
	"reset":       `{"name":"t","type":"reset_peer","stream":"downstream","attributes":{"timeout":5}}`,
	"half answer": `{"name":"t","type":"limit_data","stream":"downstream","attributes":{"bytes":150}}`,
	"half asked":  `{"name":"t","type":"limit_data","stream":"upstream","attributes":{"bytes":700}}`,
	"black hole":  `{"name":"t","type":"timeout","stream":"downstream","attributes":{"timeout":0}}`,
	"slow":        `{"name":"t","type":"bandwidth","stream":"upstream","attributes":{"rate":5}}`,
}

// fault breaks the network to S3 or SQS repeatedly for a while.
func (s *harness) fault(ctx context.Context, r *rand.Rand, every time.Duration) {
	kinds := []string{"latency", "reset", "half answer", "half asked", "black hole", "slow"}
	for rest(ctx, r, every) {
		p, kind := s.s3, kinds[r.IntN(len(kinds))]
		if r.IntN(3) == 0 {
			p = s.sqs
		}
		from := time.Now()
		if _, err := p.Toxics.AddToxicJson(strings.NewReader(toxics[kind])); err != nil {
			continue
		}
		s.mu.Lock()
		s.faults[p.Name+" "+kind]++
		s.mu.Unlock()
		rest(ctx, r, 800*time.Millisecond)
		p.Toxics.ResetToxics(context.WithoutCancel(ctx))
		s.troubled(p.Name, from)
	}
}

// settle ends all faults, starts every process, and waits until the server has finished the
// submits whose clients have gone: until then a message may still arrive at an empty queue.
func (s *harness) settle(ctx context.Context) error {
	if s.database == nil {
		s.s3.Toxics.ResetToxics(ctx)
		s.sqs.Toxics.ResetToxics(ctx)
	}
	for _, name := range s.names() {
		select {
		case <-s.procs[name].Done():
			return fmt.Errorf("%s ended by itself: %s", name, s.procs[name].Output())
		default:
		}
	}
	if err := s.procs["server"].(*process.Process).Stop(2 * time.Minute); err != nil {
		return fmt.Errorf("stop the server: %w", err)
	}
	return s.start(ctx, "server")
}

// clear ends everything.
func (s *harness) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.procs {
		p.Kill()
	}
	if s.database != nil {
		s.database.stop()
	}
	s.receiver.server.CloseClientConnections()
	s.receiver.server.Close()
	for _, p := range []*toxiproxy.Proxy{s.s3, s.sqs} {
		if p != nil {
			p.Stop()
		}
	}
}

// lines splits its input into lines.
type lines struct {
	each func([]byte)
	rest []byte
}

var _ io.Writer = (*lines)(nil)

func (l *lines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		l.each(line)
		l.rest = rest
	}
}
