package gcplog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/logging/apiv2/loggingpb"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"claimcheck.example/internal/telemetry/gcplog"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// cloudLogging is a server of the API. When answer is set, it decides each call by its
// number, from 1.
type cloudLogging struct {
	loggingpb.UnimplementedLoggingServiceV2Server
	answer func(ctx context.Context, call int) error

	mu    sync.Mutex // guards calls and taken
	calls []*loggingpb.WriteLogEntriesRequest
	taken []*loggingpb.LogEntry
}

func (s *cloudLogging) WriteLogEntries(ctx context.Context, r *loggingpb.WriteLogEntriesRequest) (*loggingpb.WriteLogEntriesResponse, error) {
	s.mu.Lock()
	s.calls = append(s.calls, r)
	call := len(s.calls)
	s.mu.Unlock()
	if s.answer != nil {
		if err := s.answer(ctx, call); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	s.taken = append(s.taken, r.Entries...)
	s.mu.Unlock()
	return &loggingpb.WriteLogEntriesResponse{}, nil
}

func (s *cloudLogging) seen() (calls []*loggingpb.WriteLogEntriesRequest, taken []*loggingpb.LogEntry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls), slices.Clone(s.taken)
}

// serve starts s on loopback and returns its address.
func serve(t *testing.T, s *cloudLogging) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	loggingpb.RegisterLoggingServiceV2Server(server, s)
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := server.Serve(listener); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		server.Stop()
		<-served
	})
	return listener.Addr().String()
}

// fallback is a writer that may be read while it is written.
type fallback struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (f *fallback) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.buf.Write(p)
}

func (f *fallback) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.buf.String()
}

// open returns an exporter to addr, which the test closes or its end does.
func open(t *testing.T, addr string, o gcplog.Options) *gcplog.Exporter {
	t.Helper()
	o.Project = "orchard"
	o.Client = []option.ClientOption{
		option.WithEndpoint(addr), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())),
	}
	exporter, err := gcplog.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		exporter.Close(ctx) // the test itself checks errors of Close
	})
	return exporter
}

// write writes a line, which must neither fail nor block.
func write(t *testing.T, e *gcplog.Exporter, line string) {
	t.Helper()
	start := time.Now()
	if n, err := e.Write([]byte(line)); n != len(line) || err != nil {
		t.Errorf("Write = %d, %v, want %d, nil", n, err, len(line))
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("Write took %v", took)
	}
}

func flush(t *testing.T, e *gcplog.Exporter) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := e.Flush(ctx); err != nil {
		t.Error(err)
	}
}

func TestLinesBecomeEntries(t *testing.T) {
	t.Parallel()
	server := &cloudLogging{}
	e := open(t, serve(t, server), gcplog.Options{
		LogID: "a/b", ResourceType: "cloud_run_revision", ResourceLabels: map[string]string{"service_name": "claimcheck"},
	})
	lines, err := os.ReadFile("../testdata/line.gcp") // a line of the logger
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(lines)) {
		write(t, e, line)
	}
	write(t, e, "panic: not a line of ours \xff\n")
	write(t, e, `{"severity":"LOUD","time":"noon","logging.googleapis.com/trace":7,"httpRequest":{"status":"teapot"}}`+"\n")
	flush(t, e)

	calls, _ := server.seen()
	if len(calls) != 1 {
		t.Fatalf("%d calls, want 1", len(calls))
	}
	for _, entry := range calls[0].Entries {
		if entry.InsertId == "" {
			t.Error("an entry without an insert id is kept as often as it is sent")
		}
		entry.InsertId = ""
	}
	compact, err := protojson.Marshal(calls[0])
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer // protojson varies its spaces on purpose
	if err := json.Indent(&got, compact, "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	const name = "testdata/request.json"
	if *update {
		if err := os.WriteFile(name, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestEveryLineArrivesOnce(t *testing.T) {
	t.Parallel()
	server := &cloudLogging{}
	var aside fallback
	e := open(t, serve(t, server), gcplog.Options{Fallback: &aside, Delay: time.Millisecond})
	const writers, each = 8, 500
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			buf := make([]byte, 0, 64) // reused, as slog does
			for i := range each {
				buf = fmt.Appendf(buf[:0], `{"message":"%d/%d"}`+"\n", w, i)
				e.Write(buf)
			}
		})
	}
	wg.Wait()
	flush(t, e)
	_, taken := server.seen()
	messages, ids := map[string]int{}, map[string]int{}
	for _, entry := range taken {
		messages[entry.GetJsonPayload().GetFields()["message"].GetStringValue()]++
		ids[entry.InsertId]++
	}
	if len(taken) != writers*each || len(messages) != len(taken) || len(ids) != len(taken) {
		t.Errorf("%d entries, %d messages, %d ids, want %d of each", len(taken), len(messages), len(ids), writers*each)
	}
	if aside.String() != "" || e.Diverted() != 0 {
		t.Errorf("fallback: %s", &aside)
	}
}

func TestLinesGoOutWithoutAFlush(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	server := &cloudLogging{answer: func(context.Context, int) error { close(arrived); return nil }}
	e := open(t, serve(t, server), gcplog.Options{Delay: time.Millisecond})
	write(t, e, `{"message":"m"}`+"\n")
	select {
	case <-arrived:
	case <-time.After(2 * time.Minute):
		t.Fatal("nothing was sent")
	}
}

func TestRepeatedCallHasTheSameIDs(t *testing.T) {
	t.Parallel()
	server := &cloudLogging{answer: func(_ context.Context, call int) error {
		if call == 1 {
			return status.Error(codes.Unavailable, "try again")
		}
		return nil
	}}
	e := open(t, serve(t, server), gcplog.Options{})
	write(t, e, `{"message":"m"}`+"\n")
	flush(t, e)
	calls, taken := server.seen()
	if len(calls) != 2 || len(taken) != 1 || calls[0].Entries[0].InsertId != calls[1].Entries[0].InsertId {
		t.Errorf("%d calls, %d entries: %v", len(calls), len(taken), calls)
	}
	if e.Diverted() != 0 {
		t.Errorf("%d lines diverted", e.Diverted())
	}
}

func TestOutageLosesNothingAndIsLeftAlone(t *testing.T) {
	t.Parallel()
	server := &cloudLogging{answer: func(context.Context, int) error { return status.Error(codes.PermissionDenied, "no") }}
	var aside fallback
	e := open(t, serve(t, server), gcplog.Options{Fallback: &aside, Pause: time.Hour})
	write(t, e, `{"message":"first"}`+"\n")
	flush(t, e)
	write(t, e, `{"message":"second"}`+"\n")
	flush(t, e)
	if calls, _ := server.seen(); len(calls) != 1 {
		t.Errorf("%d calls, want 1: the second falls into the pause", len(calls))
	}
	lines := strings.Split(strings.TrimSpace(aside.String()), "\n")
	if len(lines) != 3 || lines[1] != `{"message":"first"}` || lines[2] != `{"message":"second"}` {
		t.Fatalf("fallback:\n%s", &aside)
	}
	var notice struct{ Severity, Message, Error string }
	if err := json.Unmarshal([]byte(lines[0]), &notice); err != nil || notice.Severity != "WARNING" || !strings.Contains(notice.Error, "PermissionDenied") {
		t.Errorf("notice = %s (%v)", lines[0], err)
	}
	if e.Diverted() != 2 {
		t.Errorf("Diverted = %d, want 2", e.Diverted())
	}
}

func TestExportGoesOnAfterThePause(t *testing.T) {
	t.Parallel()
	server := &cloudLogging{answer: func(_ context.Context, call int) error {
		if call == 1 {
			return status.Error(codes.ResourceExhausted, "quota")
		}
		return nil
	}}
	var aside fallback
	e := open(t, serve(t, server), gcplog.Options{Fallback: &aside, Pause: time.Nanosecond})
	write(t, e, `{"message":"first"}`+"\n")
	flush(t, e)
	write(t, e, `{"message":"second"}`+"\n")
	flush(t, e)
	_, taken := server.seen()
	if len(taken) != 1 || taken[0].GetJsonPayload().GetFields()["message"].GetStringValue() != "second" {
		t.Errorf("taken = %v", taken)
	}
	if strings.Contains(aside.String(), "second") || !strings.Contains(aside.String(), `"first"`) {
		t.Errorf("fallback:\n%s", &aside)
	}
}

func TestLinesWithoutAServerGoToTheFallback(t *testing.T) {
	t.Parallel()
	var aside fallback
	e := open(t, "127.0.0.1:1", gcplog.Options{Fallback: &aside, Timeout: 50 * time.Millisecond})
	write(t, e, `{"message":"m"}`+"\n")
	flush(t, e)
	if !strings.Contains(aside.String(), `{"message":"m"}`) {
		t.Errorf("fallback:\n%s", &aside)
	}
}

// hanging answers no call until the test ends.
func hanging(ctx context.Context, _ int) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestFlushGivesUp flushes to a server that never answers: the first flush takes until
// its context ends, the next one returns at once during the pause; no line is lost or
// duplicated.
func TestFlushGivesUp(t *testing.T) {
	t.Parallel()
	var aside fallback
	server := &cloudLogging{answer: hanging}
	e := open(t, serve(t, server), gcplog.Options{Fallback: &aside, Timeout: time.Hour, Delay: time.Millisecond, Pause: time.Hour})
	write(t, e, `{"message":"m"}`+"\n")
	cause := errors.New("grace is over")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 200*time.Millisecond, cause)
	defer cancel()
	if err := e.Flush(ctx); !errors.Is(err, cause) {
		t.Errorf("Flush = %v, want %v", err, cause)
	}
	write(t, e, `{"message":"n"}`+"\n")
	flush(t, e)
	if calls, _ := server.seen(); len(calls) > 1 {
		t.Errorf("%d calls, want one", len(calls))
	}
	for _, line := range []string{`{"message":"m"}`, `{"message":"n"}`} {
		if strings.Count(aside.String(), line) != 1 {
			t.Errorf("%s is not once in the fallback:\n%s", line, &aside)
		}
	}
}

func TestHangingServerDoesNotDelayTheEnd(t *testing.T) {
	t.Parallel()
	var aside fallback
	e := open(t, serve(t, &cloudLogging{answer: hanging}), gcplog.Options{Fallback: &aside, Timeout: time.Hour})
	write(t, e, `{"message":"m"}`+"\n")
	cause := errors.New("grace is over")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, cause)
	defer cancel()
	if err := e.Close(ctx); !errors.Is(err, cause) {
		t.Errorf("Close = %v, want %v", err, cause)
	}
	if strings.Count(aside.String(), `{"message":"m"}`) != 1 {
		t.Errorf("the line is not once in the fallback:\n%s", &aside)
	}
}

func TestHangingCallIsGivenUp(t *testing.T) {
	t.Parallel()
	var aside fallback
	e := open(t, serve(t, &cloudLogging{answer: hanging}), gcplog.Options{Fallback: &aside, Timeout: 20 * time.Millisecond})
	write(t, e, `{"message":"m"}`+"\n")
	flush(t, e)
	if !strings.Contains(aside.String(), `{"message":"m"}`) {
		t.Errorf("fallback:\n%s", &aside)
	}
}

func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	var aside fallback
	e := open(t, serve(t, &cloudLogging{answer: hanging}), gcplog.Options{Fallback: &aside, Timeout: time.Hour, Delay: time.Millisecond})
	const limit, size = 8 << 20, 200_000
	line := `{"message":"` + strings.Repeat("x", size) + `"}` + "\n"
	const lines = limit/size + 10
	for range lines {
		write(t, e, line)
	}
	if d := e.Diverted(); d < 10 || d > lines/2 {
		t.Errorf("%d of %d lines diverted, want those over %d bytes", d, lines, limit)
	}
	if got := int64(strings.Count(aside.String(), "\n")); got != e.Diverted() {
		t.Errorf("%d lines in the fallback, want %d", got, e.Diverted())
	}
}

func TestLineTooLongForTheAPI(t *testing.T) {
	t.Parallel()
	server := &cloudLogging{}
	var aside fallback
	e := open(t, serve(t, server), gcplog.Options{Fallback: &aside})
	write(t, e, strings.Repeat("x", 300_000)+"\n")
	flush(t, e)
	if calls, _ := server.seen(); len(calls) != 0 || len(aside.String()) != 300_001 {
		t.Errorf("%d calls, %d bytes in the fallback", len(calls), len(aside.String()))
	}
}

func TestWriteAfterClose(t *testing.T) {
	t.Parallel()
	server := &cloudLogging{}
	var aside fallback
	e := open(t, serve(t, server), gcplog.Options{Fallback: &aside})
	write(t, e, `{"message":"before"}`+"\n")
	if err := e.Close(t.Context()); err != nil {
		t.Error(err)
	}
	write(t, e, `{"message":"after"}`+"\n")
	if _, taken := server.seen(); len(taken) != 1 {
		t.Errorf("%d entries taken, want the one before", len(taken))
	}
	if got, want := aside.String(), `{"message":"after"}`+"\n"; got != want {
		t.Errorf("fallback = %q, want %q", got, want)
	}
}

func TestProjectIsRequired(t *testing.T) {
	t.Parallel()
	if _, err := gcplog.New(t.Context(), gcplog.Options{}); err == nil || !strings.Contains(err.Error(), "project") {
		t.Errorf("err = %v", err)
	}
}
