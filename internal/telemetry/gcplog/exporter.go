// Package gcplog sends structured log lines to Cloud Logging through its API.
//
// It is linked into a binary by the build tag logapi alone, since it brings gRPC.
package gcplog

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	logging "cloud.google.com/go/logging/apiv2"
	"cloud.google.com/go/logging/apiv2/loggingpb"
	"google.golang.org/api/option"
	"google.golang.org/api/support/bundler"
	"google.golang.org/genproto/googleapis/api/monitoredres"
)

// Limits. Cloud Logging takes 256 KB an entry and 10 MB a call.
const (
	maxLineBytes   = 256_000
	maxCallBytes   = 4 << 20
	maxCallLines   = 1000
	maxQueuedBytes = 8 << 20
)

// Options say where the lines go.
type Options struct {
	// Project is the Google Cloud project whose log it is. Required.
	Project string
	// LogID names the log within the project; empty means "claimcheck".
	LogID string
	// ResourceType and ResourceLabels are the monitored resource that writes; an empty
	// type means "global".
	ResourceType   string
	ResourceLabels map[string]string
	// Fallback gets the lines that cannot be exported; nil means standard error.
	Fallback io.Writer
	// Delay is how long a line may wait for others; zero means one second.
	Delay time.Duration
	// Timeout bounds one call; zero means five seconds.
	Timeout time.Duration
	// Pause is how long the API is left alone after a failed call; zero means 30 seconds.
	Pause time.Duration
	// Client are options of the API's client, such as its endpoint.
	Client []option.ClientOption
}

// Exporter is a writer of structured lines, one a Write, that sends them to Cloud
// Logging in the background. Write never blocks on the network and never fails. Every
// line is either taken by the API or written to the fallback, which the platform
// collects as well: during an outage, when the queue is full, when a line is too long,
// and after Close. Safe for concurrent use.
//
// IAM: logging.logEntries.create (roles/logging.logWriter).
type Exporter struct {
	client   *logging.Client
	bundler  *bundler.Bundler
	template *loggingpb.WriteLogEntriesRequest
	timeout  time.Duration
	pause    time.Duration

	closed   atomic.Bool
	diverted atomic.Int64

	// The bundler hands over one bundle at a time; only that goroutine uses these.
	idPrefix string
	sent     uint64

	mu       sync.Mutex // guards what follows
	resumeAt time.Time
	giveUp   context.CancelCauseFunc // of the last call; nil before the first

	fallbackMu sync.Mutex // guards fallback
	fallback   io.Writer
}

// New returns an exporter that uses the application's default credentials unless the
// client's options say otherwise. It does not wait for the API: that a log cannot be
// written is no reason not to serve. The caller ends it by Close.
func New(ctx context.Context, o Options) (*Exporter, error) {
	if o.Project == "" {
		return nil, errors.New("export logs: no Google Cloud project is known")
	}
	client, err := logging.NewClient(ctx, o.Client...)
	if err != nil {
		return nil, fmt.Errorf("export logs: %w", err)
	}
	if o.LogID == "" {
		o.LogID = "claimcheck"
	}
	if o.ResourceType == "" {
		o.ResourceType = "global"
	}
	if o.Fallback == nil {
		o.Fallback = os.Stderr
	}
	e := &Exporter{
		client: client,
		template: &loggingpb.WriteLogEntriesRequest{
			LogName:  "projects/" + o.Project + "/logs/" + url.PathEscape(o.LogID),
			Resource: &monitoredres.MonitoredResource{Type: o.ResourceType, Labels: o.ResourceLabels},
		},
		timeout:  orElse(o.Timeout, 5*time.Second),
		pause:    orElse(o.Pause, 30*time.Second),
		idPrefix: rand.Text() + "-",
		fallback: o.Fallback,
	}
	e.bundler = bundler.NewBundler([]byte(nil), func(lines any) { e.send(lines.([][]byte)) })
	e.bundler.DelayThreshold = orElse(o.Delay, time.Second)
	e.bundler.BundleCountThreshold = maxCallLines
	e.bundler.BundleByteThreshold = maxCallBytes / 4
	e.bundler.BundleByteLimit = maxCallBytes
	e.bundler.BufferedByteLimit = maxQueuedBytes
	return e, nil
}

func orElse(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// Write queues one line. The result is always len(line), nil.
func (e *Exporter) Write(line []byte) (int, error) {
	if e.closed.Load() || len(line) > maxLineBytes {
		e.divert(line)
		return len(line), nil
	}
	if err := e.bundler.Add(bytes.Clone(line), len(line)); err != nil {
		e.divert(line)
	}
	return len(line), nil
}

// Diverted is the number of lines that went to the fallback so far.
func (e *Exporter) Diverted() int64 { return e.diverted.Load() }

// Flush returns once every line written before has been taken by the API or by the
// fallback. When ctx ends first, the API is given up for the pause, the lines on their way
// go to the fallback, and the error is ctx's cause.
func (e *Exporter) Flush(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.bundler.Flush() // ends: each call is bounded by the timeout
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	e.rest(context.Cause(ctx))
	<-done // at once now: nothing is sent any more
	return fmt.Errorf("flush logs: %w", context.Cause(ctx))
}

// Close flushes and ends the exporter, as Flush does within the time of ctx.
func (e *Exporter) Close(ctx context.Context) error {
	e.closed.Store(true)
	err := e.Flush(ctx)
	if closeErr := e.client.Close(); closeErr != nil {
		err = errors.Join(err, fmt.Errorf("close log client: %w", closeErr))
	}
	return err
}

// begin returns the context of a call, or nil while the API is left alone.
func (e *Exporter) begin() (context.Context, context.CancelFunc) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if time.Now().Before(e.resumeAt) {
		return nil, nil
	}
	ctx, giveUp := context.WithCancelCause(context.Background())
	e.giveUp = giveUp
	return context.WithTimeout(ctx, e.timeout)
}

// rest leaves the API alone for the pause; a call under way is given up.
func (e *Exporter) rest(cause error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.resumeAt = time.Now().Add(e.pause)
	if e.giveUp != nil {
		e.giveUp(cause)
	}
}

// send makes one call. It is called by one goroutine at a time.
func (e *Exporter) send(lines [][]byte) {
	ctx, cancel := e.begin()
	if ctx == nil {
		e.divert(lines...)
		return
	}
	defer cancel()
	entries := make([]*loggingpb.LogEntry, len(lines))
	for i, line := range lines {
		entries[i] = entry(line)
		// With an id of its own an entry is kept once however often a call is repeated.
		entries[i].InsertId = e.idPrefix + strconv.FormatUint(e.sent, 36)
		e.sent++
	}
	// All or nothing (no PartialSuccess): what failed is known to be nowhere else.
	_, err := e.client.WriteLogEntries(ctx, &loggingpb.WriteLogEntriesRequest{
		LogName: e.template.LogName, Resource: e.template.Resource, Entries: entries,
	})
	if err != nil {
		e.rest(err)
		e.notice(err)
		e.divert(lines...)
	}
}

// divert writes lines to the fallback. Its errors have nowhere to go.
func (e *Exporter) divert(lines ...[]byte) {
	e.diverted.Add(int64(len(lines)))
	e.fallbackMu.Lock()
	defer e.fallbackMu.Unlock()
	for _, line := range lines {
		e.fallback.Write(line)
	}
}

// notice tells the fallback's reader why lines appear there.
func (e *Exporter) notice(err error) {
	line, marshalErr := json.Marshal(map[string]any{
		"severity": "WARNING",
		"message":  "cannot export logs to Cloud Logging, writing them here",
		"error":    err.Error(),
		"pause":    e.pause.String(),
		"time":     time.Now().UTC(),
	})
	if marshalErr != nil {
		return // cannot be: strings and a time
	}
	e.fallbackMu.Lock()
	defer e.fallbackMu.Unlock()
	e.fallback.Write(append(line, '\n'))
}
