package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"maps"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"claimcheck.example/internal/telemetry"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// spanContext is a sampled span of a fixed trace.
func spanContext(t *testing.T) trace.SpanContext {
	t.Helper()
	traceID, err := trace.TraceIDFromHex("4bf92f3577b34da6a3ce929d0e0e4736")
	if err != nil {
		t.Fatal(err)
	}
	spanID, err := trace.SpanIDFromHex("00f067aa0ba902b7")
	if err != nil {
		t.Fatal(err)
	}
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: traceID, SpanID: spanID, TraceFlags: trace.FlagsSampled, Remote: true,
	})
}

func TestLineIsAsTheGoldenSays(t *testing.T) {
	t.Parallel()
	for _, format := range []telemetry.Format{telemetry.FormatGCP, telemetry.FormatJSON, telemetry.FormatText} {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			log := telemetry.NewLogger(telemetry.LogOptions{
				Format: format, Level: slog.LevelDebug, Writer: &out,
				Project: "orchard", Service: "claimcheck", Version: "v1.2.3",
			})
			ctx := trace.ContextWithSpanContext(t.Context(), spanContext(t))
			ctx = telemetry.With(ctx, slog.String("request_id", "r-1"), slog.String("job_id", "none yet"))
			ctx = telemetry.With(ctx, slog.String("job_id", "0198c0de-0000-7000-8000-000000000001"))

			r := httptest.NewRequest("POST", "/jobs?params=%7B%7D&token=abc", strings.NewReader("image"))
			r.Header.Set("User-Agent", "curl/8")
			handleAt(t, ctx, log, slog.LevelInfo, "request served",
				telemetry.HTTPRequest(r, netip.MustParseAddr("192.0.2.1"), 202, 311, 12500*time.Microsecond), slog.Duration("wait", 1500*time.Millisecond))
			handleAt(t, ctx, log.With("owner", "issuer|subject").WithGroup("store").With("key", "jobs/1"), slog.LevelError, "cannot store",
				slog.Any("error", io.ErrUnexpectedEOF), slog.Int("attempt", 2))
			golden(t, filepath.Join("testdata", "line."+string(format)), out.Bytes())
		})
	}
}

// handleAt logs with a fixed time and this function as the source.
func handleAt(t *testing.T, ctx context.Context, log *slog.Logger, level slog.Level, message string, attrs ...slog.Attr) {
	t.Helper()
	var pcs [1]uintptr
	runtime.Callers(1, pcs[:])
	r := slog.NewRecord(time.Date(2026, 11, 22, 10, 20, 30, 400_000_000, time.UTC), level, message, pcs[0])
	r.AddAttrs(attrs...)
	if err := log.Handler().Handle(ctx, r); err != nil {
		t.Error(err)
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestAuditKnowsNoLevel(t *testing.T) {
	t.Parallel()
	for _, format := range []telemetry.Format{telemetry.FormatGCP, telemetry.FormatJSON, telemetry.FormatText} {
		var out bytes.Buffer
		log := telemetry.NewLogger(telemetry.LogOptions{Format: format, Level: slog.LevelError, Writer: &out})
		log.Info("let in")
		telemetry.Audit(log).With("who", "alice").WithGroup("door").Info("on record", "n", 1)
		if s := out.String(); strings.Count(s, "\n") != 1 || !strings.Contains(s, "on record") || !strings.Contains(s, "alice") {
			t.Errorf("%s: %s", format, s)
		}
	}
}

func TestSeverities(t *testing.T) {
	t.Parallel()
	tests := map[slog.Level]string{
		slog.LevelDebug: "DEBUG", slog.LevelInfo: "INFO", slog.LevelWarn: "WARNING",
		slog.LevelError: "ERROR", slog.LevelError + 4: "CRITICAL",
	}
	for level, want := range tests {
		var out bytes.Buffer
		log := telemetry.NewLogger(telemetry.LogOptions{Format: telemetry.FormatGCP, Level: slog.LevelDebug, Writer: &out})
		log.Log(t.Context(), level, "m")
		if got := line(t, out.Bytes())["severity"]; got != want {
			t.Errorf("severity of %v = %v, want %v", level, got, want)
		}
	}
}

func TestAutoFormat(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		cloud bool
		key   string
	}{{true, "message"}, {false, "msg"}} {
		var out bytes.Buffer
		telemetry.NewLogger(telemetry.LogOptions{Writer: &out, GoogleCloud: tc.cloud}).Info("hello")
		if got := line(t, out.Bytes())[tc.key]; got != "hello" {
			t.Errorf("GoogleCloud %v: %s = %v in %s", tc.cloud, tc.key, got, &out)
		}
	}
}

func TestLevelIsTheLeastWritten(t *testing.T) {
	t.Parallel()
	for _, format := range []telemetry.Format{telemetry.FormatGCP, telemetry.FormatJSON, telemetry.FormatText} {
		var out bytes.Buffer
		log := telemetry.NewLogger(telemetry.LogOptions{Format: format, Level: slog.LevelWarn, Writer: &out})
		log.Info("quiet")
		if out.Len() > 0 {
			t.Errorf("%s: wrote %q below the level", format, &out)
		}
		log.Warn("loud")
		if !strings.Contains(out.String(), "loud") {
			t.Errorf("%s: did not write at the level", format)
		}
	}
}

func TestTextIsPlainUnlessAtATerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	telemetry.NewLogger(telemetry.LogOptions{Format: telemetry.FormatText, Writer: &out}).Error("hello")
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("colour in a file: %q", &out)
	}
}

func TestTraceIsOutsideOpenGroups(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := telemetry.NewLogger(telemetry.LogOptions{Format: telemetry.FormatGCP, Writer: &out, Project: "p"})
	ctx := trace.ContextWithSpanContext(t.Context(), spanContext(t))
	log.WithGroup("a").With("x", 1).WithGroup("b").InfoContext(ctx, "m", "y", 2)
	got := line(t, out.Bytes())
	if want := "projects/p/traces/4bf92f3577b34da6a3ce929d0e0e4736"; got["logging.googleapis.com/trace"] != want {
		t.Errorf("trace = %v, want %v", got["logging.googleapis.com/trace"], want)
	}
	want := map[string]any{"x": 1.0, "b": map[string]any{"y": 2.0}}
	if diff := cmp.Diff(want, got["a"]); diff != "" {
		t.Errorf("group (-want +got):\n%s", diff)
	}
}

func TestLineHasEachKeyOnce(t *testing.T) {
	t.Parallel()
	for _, format := range []telemetry.Format{telemetry.FormatGCP, telemetry.FormatJSON} {
		var out bytes.Buffer
		log := telemetry.NewLogger(telemetry.LogOptions{Format: format, Writer: &out, Service: "s"})
		ctx := telemetry.With(t.Context(), slog.String("job_id", "context"), slog.String("msg", "context"))
		log.InfoContext(ctx, "the message", "job_id", "call", "message", "m", "severity", "s", "time", "t", "level", "l", "source", "here")
		keys := topKeys(t, out.Bytes())
		if unique := slices.Compact(slices.Sorted(slices.Values(keys))); len(unique) != len(keys) {
			t.Errorf("%s: a key is twice in %s", format, &out)
		}
		if got := line(t, out.Bytes())["job_id"]; got != "call" {
			t.Errorf("%s: job_id = %v, want the call's", format, got)
		}
	}
}

func topKeys(t *testing.T, object []byte) []string {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(object))
	if _, err := decoder.Token(); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key.(string))
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

func TestHandlerKeepsTheRulesOfSlog(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		out.Reset()
		return telemetry.NewLogger(telemetry.LogOptions{Format: telemetry.FormatJSON, Writer: &out}).Handler()
	}, func(t *testing.T) map[string]any {
		return line(t, out.Bytes())
	})
}

func TestLoggersDoNotShareAttributes(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := telemetry.NewLogger(telemetry.LogOptions{Format: telemetry.FormatJSON, Writer: &out}).WithGroup("g").With("a", 1).With("b", 2).With("c", 3)
	left, right := log.With("side", "left"), log.With("side", "right")
	left.Info("m")
	first := line(t, out.Bytes())["g"].(map[string]any)["side"]
	out.Reset()
	right.Info("m")
	second := line(t, out.Bytes())["g"].(map[string]any)["side"]
	if first != "left" || second != "right" {
		t.Errorf("sides = %v, %v", first, second)
	}
	out.Reset()
	ctx := telemetry.With(t.Context(), slog.Int("a", 1))
	telemetry.With(ctx, slog.Int("b", 2))
	telemetry.NewLogger(telemetry.LogOptions{Format: telemetry.FormatJSON, Writer: &out}).InfoContext(ctx, "m")
	if got := slices.Sorted(maps.Keys(line(t, out.Bytes()))); slices.Contains(got, "b") {
		t.Errorf("a context got its child's attribute: %v", got)
	}
}

func line(t *testing.T, b []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatalf("%q: %v", b, err)
	}
	return m
}
