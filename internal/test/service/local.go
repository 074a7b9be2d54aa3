package service

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/test/process"
	"claimcheck.example/internal/test/program"
)

// Local is a running `claimcheck local`.
type Local struct {
	*process.Process
	// URL is the API's, without a final slash.
	URL string
}

// LocalFlags are flags for ports and a folder that nothing else uses. The first names
// the API's port.
func LocalFlags(tb testing.TB) []string {
	tb.Helper()
	flags := []string{"--port=%d", "--s3-port=%d", "--sqs-port=%d"}
	for i := range flags {
		port, err := process.FreePort()
		if err != nil {
			tb.Fatal(err)
		}
		flags[i] = fmt.Sprintf(flags[i], port)
	}
	return append(flags, "--data="+tb.TempDir())
}

// StartLocal starts `claimcheck local` with LocalFlags, and perhaps more, and returns when
// it has printed its welcome. The end of the test kills it.
func StartLocal(tb testing.TB, flags []string, vars ...string) Local {
	tb.Helper()
	return StartLocalIn(tb, "", flags, vars...)
}

// StartLocalIn is StartLocal in a working directory.
func StartLocalIn(tb testing.TB, dir string, flags []string, vars ...string) Local {
	tb.Helper()
	program.NeedProcessor(tb, vars)
	p, err := Commands(tb).StartIn(dir, "claimcheck", append([]string{"IMAGING=embedded"}, vars...), append([]string{"local"}, flags...)...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.Kill)
	l := Local{p, "http://localhost:" + strings.TrimPrefix(flags[0], "--port=")}
	ctx, cancel := context.WithTimeout(tb.Context(), Limit)
	defer cancel()
	if err := p.Await(ctx, l.URL+"/ready"); err != nil {
		tb.Fatal(err)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(p.Output(), "\nData is kept in ") { // the end of its welcome
		select {
		case <-tick.C:
		case <-ctx.Done():
			tb.Fatalf("there is no welcome: %s", p.Output())
		}
	}
	return l
}

// Submit posts an image.
func (l Local) Submit(t *testing.T, image []byte) apptest.Answer {
	t.Helper()
	ct, body := apptest.Form(t, image)
	return apptest.Do(t, http.MethodPost, l.URL+"/jobs", bytes.NewReader(body), "Content-Type", ct)
}

// Exports are the variables that it prints for other programs.
func (l Local) Exports() map[string]string {
	e := map[string]string{}
	for line := range strings.Lines(l.Output()) {
		if kv, ok := strings.CutPrefix(strings.TrimSpace(line), "export "); ok {
			k, v, _ := strings.Cut(kv, "=")
			e[k] = v
		}
	}
	return e
}
