package app

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"claimcheck.example/internal/config"
)

// TestDrainCountsEachRequestOnce cuts one request off and reads the number in the warning.
func TestDrainCountsEachRequestOnce(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]func(*Function, http.ResponseWriter, *http.Request){
		"ServeHTTP":     (*Function).ServeHTTP,
		"ServeAndFlush": (*Function).ServeAndFlush,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			tel := Quiet(slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})))
			f := &Function{}
			handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				f.drain(&config.Config{Grace: 0}, tel)
			})
			f.build = func() *function { return &function{handler: handler, tel: tel} }
			serve(f, httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
			var record struct {
				Msg      string `json:"msg"`
				Requests int    `json:"requests"`
			}
			if err := json.Unmarshal(log.Bytes(), &record); err != nil {
				t.Fatalf("the log is %q: %v", log.String(), err)
			}
			if record.Requests != 1 {
				t.Errorf("the warning %q counts %d requests, want 1", record.Msg, record.Requests)
			}
			if n := f.underWay.Load(); n != 0 {
				t.Errorf("%d requests are under way after the answer, want 0", n)
			}
		})
	}
}

// TestFunctionsLeaveMetricsToOTLP sets the port that functions do not have. The metrics would
// go to a registry that no scraper reads, and no longer by OTLP.
func TestFunctionsLeaveMetricsToOTLP(t *testing.T) {
	t.Parallel()
	environ := []string{"METRICS_PORT=9464", "ALLOW_ANONYMOUS=true", "DATABASE_URL=postgres://nobody@127.0.0.1:1/none", "OBJECTS=file://" + t.TempDir(), "IMAGING=embedded"}
	w, err := newBatchWorker(environ)
	if err != nil {
		t.Fatal(err)
	}
	defer w.process.Close()
	f, err := (&Function{}).start(environ)
	if err != nil {
		t.Fatal(err)
	}
	for name, tel := range map[string]*Telemetry{"the function": f.tel, "the worker of a function": w.process.Telemetry} {
		if tel.scraped != nil {
			t.Errorf("%s keeps its metrics for a port", name)
		}
	}
}
