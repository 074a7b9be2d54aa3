package processor_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor"
	"claimcheck.example/internal/test/program"
)

// TestBillsThatDoNotCount has a program and a server bill text that is not a number of
// units, or a number too large to sum: they bill nothing, and the log warns the operator.
func TestBillsThatDoNotCount(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{"": 0, "1.5": 1.5, "1e12": 1e12, "1.7e308": 0, "1.1e12": 0, "-1": 0, "nan": 0, "inf": 0, "much": 0} {
		var log bytes.Buffer
		opts := processor.Options{Logger: slog.New(slog.NewJSONHandler(&log, nil))}
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if text != "" {
				w.Header().Set("X-Billable-Units", text)
			}
			io.WriteString(w, "done")
		}))
		server, err := processor.New(srv.URL, opts)
		if err != nil {
			t.Fatal(err)
		}
		script := "printf done"
		if text != "" {
			script += "; echo " + text + ` >"$CLAIMCHECK_UNITS"`
		}
		program.Need(t, "sh")
		counts, err := processor.New("exec:sh -c '"+script+"'", opts)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []processor.Processor{server, counts} {
			log.Reset()
			r, err := p.Process(t.Context(), job.Task{Image: strings.NewReader("picture"), Progress: func(float64, string) {}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				t.Error(err)
			}
			var got float64
			if r.Units != nil {
				got = r.Units()
			}
			warned := strings.Contains(log.String(), "from 0 to 1e12")
			if counts := text == "" || want > 0; got != want || warned == counts {
				t.Errorf("%q by %T: got %v, want %v; the log: %s", text, p, got, want, log.Bytes())
			}
			r.Body.Close()
		}
		srv.Close()
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, spec := range []string{"", "magic", "exec:", "exec:no-such-program-anywhere", "exec:sh 'open", "http://", "http:ftp://x"} {
		if _, err := processor.New(spec, processor.Options{}); err == nil {
			t.Errorf("New(%q): no error", spec)
		}
	}
}
