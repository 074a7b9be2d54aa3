// Package faults puts a failing network between the service and its bucket and
// queue, and holds every answer to what the API promises: bounded in time, true, and
// followed by business as usual once the fault is over.
package faults

import (
	"bytes"
	"context"
	"flag"
	"image"
	"image/png"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"claimcheck.example/internal/app"
	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awsclient"
	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/config"
	"claimcheck.example/internal/httpapi/apitest"
	"claimcheck.example/internal/test/program"
)

func TestMain(m *testing.M) {
	zerolog.SetGlobalLevel(zerolog.Disabled) // toxiproxy traces to standard error
	os.Exit(m.Run())
}

// ways are the proxies before the backends, by name.
type ways map[string]*toxiproxy.Proxy

// system is a service whose ways to its backends can be broken, each on its own.
type system struct {
	url   string
	ways  ways
	given *patience // of the clients of S3 and SQS; nil on a database
}

// patience has the clients of S3 and SQS give up a call after 300 ms while it is short,
// in place of the 15 to 20 seconds of their own. Only under silence does a call take so long.
type patience struct{ short atomic.Bool }

func (p *patience) limit(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("faults:Patience",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			if p.short.Load() {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 300*time.Millisecond)
				context.AfterFunc(ctx, cancel) // a body is read after the call
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.After)
}

// settings are those of each system. Short limits keep the tests short.
func settings() []string {
	return []string{"ALLOW_ANONYMOUS=true", "LEASE=3s", "SHUTDOWN_GRACE=1s", "PROCESSOR=exec:cat"}
}

// proxies returns what starts a proxy before an address.
func proxies(t *testing.T) func(name, upstream string) *toxiproxy.Proxy {
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	return func(name, upstream string) *toxiproxy.Proxy {
		p := toxiproxy.NewProxy(server, name, "127.0.0.1:0", upstream)
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Stop)
		return p
	}
}

// start starts an API and, a worker, on a bucket and a queue of their own.
func start(t *testing.T) *system {
	t.Helper()
	program.Need(t, "cat")
	env := awstest.Start(t)
	proxy := proxies(t)
	s3, sqs := proxy("s3", strings.TrimPrefix(env.S3URL, "http://")), proxy("sqs", strings.TrimPrefix(env.SQSURL, "http://"))
	c, err := config.Load(config.Server, append(settings(), "S3_BUCKET="+env.Bucket, "SQS_QUEUE_URL="+env.QueueURL))
	if err != nil {
		t.Fatal(err)
	}
	cfg := env.Servers.Config()
	cfg.Retryer = awsclient.Impatient
	given := &patience{}
	cfg.APIOptions = append(cfg.APIOptions, given.limit)
	// Each service has its endpoint, as AWS_ENDPOINT_URL_S3 and _SQS would set it.
	cfg.ConfigSources = []any{endpoints{"S3": "http://" + s3.Listen, "SQS": "http://" + sqs.Listen}}
	sys := serve(t, c, cfg, ways{"S3": s3, "SQS": sqs})
	sys.given = given
	return sys
}

// serve starts the API and the worker of a system.
func serve(t *testing.T, c *config.Config, cfg aws.Config, w ways) *system {
	t.Helper()
	s := &system{ways: w}
	tel := app.Quiet(slog.New(slog.DiscardHandler))
	p, err := app.New(t.Context(), c, cfg, tel)
	if err != nil {
		t.Fatal(err)
	}
	api, err := p.API()
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(apitest.Handler(t, api.Handler))
	worker, err := p.Worker()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- worker.Serve(ctx) }()
	t.Cleanup(func() {
		s.mend(t)
		cancel()
		<-done
		front.Close()
		api.Close()
		p.Close()
	})
	s.url = front.URL
	return s
}

// endpoints tells the SDK where each service is.
type endpoints map[string]string

func (e endpoints) GetServiceBaseEndpoint(_ context.Context, service string) (string, bool, error) {
	url, ok := e[service]
	return url, ok, nil
}

func (s *system) mend(t *testing.T) {
	if s.given != nil {
		s.given.short.Store(false)
	}
	for _, p := range s.ways {
		p.Toxics.ResetToxics(context.WithoutCancel(t.Context()))
		if !p.Enabled {
			if err := p.Start(); err != nil {
				t.Error(err)
			}
		}
	}
}

// all includes the silence of a database, and has the clients of S3 and SQS wait under
// silence as long as in production.
var all = flag.Bool("fault.all", false, "also the faults that take more than a minute")

// faults are the ways in which a network fails.
var faults = map[string]string{
	"latency":            `{"name":"t","type":"latency","stream":"downstream","attributes":{"latency":300}}`,
	"reset":              `{"name":"t","type":"reset_peer","stream":"downstream","attributes":{"timeout":1}}`,
	"half an answer":     `{"name":"t","type":"limit_data","stream":"downstream","attributes":{"bytes":120}}`,
	"half a request":     `{"name":"t","type":"limit_data","stream":"upstream","attributes":{"bytes":600}}`,
	"a trickle":          `{"name":"t","type":"bandwidth","stream":"upstream","attributes":{"rate":1}}`,
	"silence":            `{"name":"t","type":"timeout","stream":"downstream","attributes":{"timeout":0}}`,
	"down":               "",
	"answers after hits": `{"name":"t","type":"slicer","stream":"downstream","attributes":{"average_size":64,"size_variation":32,"delay":1000}}`,
}

func (s *system) breakWith(t *testing.T, p *toxiproxy.Proxy, fault string) {
	t.Helper()
	if fault == "" {
		p.Stop()
		return
	}
	if _, err := p.Toxics.AddToxicJson(strings.NewReader(fault)); err != nil {
		t.Fatal(err)
	}
}

func picture(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 30, 20))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// await asks for a job's status, waiting for its end as a client may, three minutes at
// the longest.
func await(t *testing.T, location string) apptest.Answer {
	t.Helper()
	for range 9 {
		a := apptest.Get(t, location, "Prefer", "wait=60")
		if st := a.JSON(t)["status"]; st != "pending" && st != "processing" {
			return a
		}
	}
	t.Fatal("the job does not end")
	return apptest.Answer{}
}

// longest is the most that any answer may take: a submit settles within 30 s, a call of
// storage with its retries ends within 20 s.
const longest = 50 * time.Second

// TestEveryCallUnderEveryFault breaks the way to S3, to SQS or to both, or to PostgreSQL, by every fault,
// while one job is submitted, one is worked on, and a third one's status and output are
// read. Answers under the fault are good or an honest 500; what was accepted completes
// once the fault is over, and so does a job submitted then.
func TestEveryCallUnderEveryFault(t *testing.T) {
	t.Parallel()
	// All at once, whatever -parallel says: they wait most of the time.
	var cases sync.WaitGroup
	defer cases.Wait()
	for name, fault := range faults {
		for where, broken := range map[string][]string{"S3": {"S3"}, "SQS": {"SQS"}, "both": {"S3", "SQS"}, "PostgreSQL": {"PostgreSQL"}} {
			silent := name == "silence" && !*all
			if silent && where == "PostgreSQL" {
				continue
			}
			run := func(t *testing.T) {
				start := start
				if where == "PostgreSQL" {
					start = startOnDatabase
				}
				s := start(t)
				img := picture(t)
				submit := func(wait string) apptest.Answer {
					return apptest.Do(t, http.MethodPost, s.url+"/jobs", bytes.NewReader(img), "Content-Type", "image/png", "Prefer", wait)
				}
				ready := submit("wait=60")
				if ready.StatusCode != http.StatusCreated {
					t.Fatalf("before the fault: %s: %s", ready.Status, ready.Bytes)
				}
				output := ready.Header.Get("Location")
				worked := submit("wait=0") // on its way to the worker when the fault comes
				if silent {
					s.given.short.Store(true)
				}
				for _, way := range broken {
					s.breakWith(t, s.ways[way], fault)
				}
				begin := time.Now()
				inTime := func(what string) {
					t.Helper()
					if took := time.Since(begin); took > longest {
						t.Errorf("the %s took %s", what, took)
					}
					begin = time.Now()
				}
				during := submit("wait=0")
				inTime("submit")
				switch during.StatusCode {
				case http.StatusAccepted:
				case http.StatusInternalServerError:
					if during.Header.Get("Location") == "" || during.JSON(t)["detail"] == "" {
						t.Errorf("a 500 that tells of no job: %s", during.Bytes)
					}
				default:
					t.Errorf("submit: %s: %s", during.Status, during.Bytes)
				}
				for _, url := range []string{strings.TrimSuffix(output, "/output"), output} {
					resp, err := http.Get(url)
					inTime("read")
					if err != nil {
						continue // cut off in the middle of a body
					}
					resp.Body.Close()
					if c := resp.StatusCode; c != 200 && c != 201 && c != 500 {
						t.Errorf("%s: %s", url, resp.Status)
					}
				}
				s.mend(t)
				after := submit("wait=0")
				if after.StatusCode != http.StatusAccepted {
					t.Fatalf("after the fault: %s: %s", after.Status, after.Bytes)
				}
				for which, a := range map[string]apptest.Answer{"in work": worked, "under the fault": during, "after it": after} {
					location := a.Header.Get("Location")
					if a.StatusCode == http.StatusInternalServerError {
						// Failed, never stored, or, where storage took the document and could not be
						// reached to take it back, pending until a message would have expired. A
						// database takes document and message at once, so that the job may be done.
						refused := apptest.Get(t, location)
						if st := refused.JSON(t)["status"]; (st == "completed" || st == "processing") && where != "PostgreSQL" {
							t.Errorf("the refused job %s: %s", which, refused.Bytes)
						}
						continue
					}
					end := await(t, location)
					if end.JSON(t)["status"] != "completed" {
						t.Errorf("the job %s: %s", which, end.Bytes)
					}
					if got := apptest.Get(t, location+"/output"); !bytes.Equal(got.Bytes, img) {
						t.Errorf("the output of the job %s is another: %s", which, got.Status)
					}
				}
			}
			cases.Go(func() { t.Run(name+" at "+where, run) })
		}
	}
}
