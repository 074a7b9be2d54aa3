// Package gcplog sends structured log lines to Cloud Logging through its API.
//
// Only the build tag logapi links it into a binary, since it needs gRPC.
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

// Limits. Cloud Logging accepts 256 KB an entry and 10 MB a call.
const (
	maxLineBytes   = 256_000
	maxCallBytes   = 4 << 20
	maxCallLines   = 1000
	maxQueuedBytes = 8 << 20
)

// Options configure New.
type Options struct {
	// Project is the Google Cloud project of the log. Required.
	Project string
	// LogID names the log within the project; empty means "claimcheck".
	LogID string
	// ResourceType and ResourceLabels are the monitored resource of the lines; an empty type
	// means "global".
	ResourceType   string
	ResourceLabels map[string]string
	// Fallback receives the lines that cannot be exported; nil means standard error.
	Fallback io.Writer
	// Delay is the longest time that a line waits for others; zero means one second.
	Delay time.Duration
	// Timeout bounds one call; zero means five seconds.
	Timeout time.Duration
	// Pause is the time without calls after a failed call; zero means 30 seconds.
	Pause time.Duration
	// Client are options of the API's client, such as its endpoint.
	Client []option.ClientOption
}

// Exporter is a writer of structured lines, one for each Write, that sends them to Cloud
// Logging in the background. Write never blocks on the network and never fails. Every
// line goes either to the API or to the fallback, which the platform collects as well:
// during an outage, when the queue is full, when a line is too long, and after Close.
// Safe for concurrent use.
//
// It uses the bundler of logging.Logger without that type: when a call fails, a Logger
// reports the error and drops the lines, and its Flush has no context.
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

	// Only the bundler's goroutine uses these; it sends one bundle at a time.
	idPrefix string
	sent     uint64

	mu       sync.Mutex // guards the fields below
	resumeAt time.Time
	giveUp   context.CancelCauseFunc // of the last call; nil before the first

	fallbackMu sync.Mutex // guards fallback
	fallback   io.Writer
}

// New returns an exporter that uses the application's default credentials unless the
// client's options say otherwise. It does not wait for the API, since a service must
// start without its log. The caller must call Close.
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

// Diverted returns the number of lines that went to the fallback so far.
func (e *Exporter) Diverted() int64 { return e.diverted.Load() }

// Flush returns once all earlier lines are with the API or with the fallback. When ctx
// ends first, it stops calling the API for the pause, the lines in progress go to the
// fallback, and the error is ctx's cause.
func (e *Exporter) Flush(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.bundler.Flush() // returns, since the timeout bounds each call
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	e.rest(context.Cause(ctx))
	<-done // at once, since no call is made any more
	return fmt.Errorf("flush logs: %w", context.Cause(ctx))
}

// Close flushes and ends the exporter. Like Flush it stops when ctx ends.
func (e *Exporter) Close(ctx context.Context) error {
	e.closed.Store(true)
	err := e.Flush(ctx)
	if closeErr := e.client.Close(); closeErr != nil {
		err = errors.Join(err, fmt.Errorf("close log client: %w", closeErr))
	}
	return err
}

// begin returns the context of a call, or nil during a pause.
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

// rest begins a pause; it cancels a running call.
func (e *Exporter) rest(cause error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.resumeAt = time.Now().Add(e.pause)
	if e.giveUp != nil {
		e.giveUp(cause)
	}
}

// send makes one call. The bundler runs it in one goroutine at a time.
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
		// Its own id keeps an entry single however often the call is repeated.
		entries[i].InsertId = e.idPrefix + strconv.FormatUint(e.sent, 36)
		e.sent++
	}
	// All or nothing (no PartialSuccess): after a failure no line is stored.
	_, err := e.client.WriteLogEntries(ctx, &loggingpb.WriteLogEntriesRequest{
		LogName: e.template.LogName, Resource: e.template.Resource, Entries: entries,
	})
	if err != nil {
		e.rest(err)
		e.notice(err)
		e.divert(lines...)
	}
}

// divert writes lines to the fallback. It ignores errors, which it cannot report.
func (e *Exporter) divert(lines ...[]byte) {
	e.diverted.Add(int64(len(lines)))
	e.fallbackMu.Lock()
	defer e.fallbackMu.Unlock()
	for _, line := range lines {
		e.fallback.Write(line)
	}
}

// notice explains in the fallback why lines appear there.
func (e *Exporter) notice(err error) {
	line, marshalErr := json.Marshal(map[string]any{
		"severity": "WARNING",
		"message":  "cannot export logs to Cloud Logging, writing them here",
		"error":    err.Error(),
		"pause":    e.pause.String(),
		"time":     time.Now().UTC(),
	})
	if marshalErr != nil {
		return // impossible: strings and a time
	}
	e.fallbackMu.Lock()
	defer e.fallbackMu.Unlock()
	e.fallback.Write(append(line, '\n'))
}
