package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/app/apptest"
)

// TestListen has a service call the receiver of the command, which passes what it verified
// on; and looks at the deliveries, and sends the webhook again.
func TestListen(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, "WEBHOOK_KEY=whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "OUTBOUND_ALLOW=127.0.0.1")
	s.StartWorker(t)
	passed := make(chan string, 4)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		passed <- r.Header.Get("Webhook-Id")
		w.WriteHeader(http.StatusAccepted)
	}))
	defer app.Close()
	out, outEnd := io.Pipe()
	errs, errsEnd := io.Pipe()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		code := run(ctx, []string{"listen", "--server", s.URL, "--port", "0", "--forward", app.URL}, streams{strings.NewReader(""), outEnd, errsEnd})
		outEnd.Close()
		errsEnd.Close()
		ended <- code
	}()
	hint, err := bufio.NewReader(errs).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_, hook, _ := strings.Cut(strings.TrimSpace(hint), "webhook=")
	file := filepath.Join(t.TempDir(), "a.jpg")
	if err := os.WriteFile(file, apptest.Photograph(t), 0o600); err != nil {
		t.Fatal(err)
	}
	r := claimcheck(t.Context(), nil, "submit", "--server", s.URL, "--webhook", hook, file)
	if r.code != exitOK {
		t.Fatalf("submit: %+v", r)
	}
	location := strings.TrimSpace(r.out)
	printed := make(chan printedEvent, 8) // the command waits for the reader of each line
	go func() {
		defer close(printed)
		for lines := json.NewDecoder(out); ; {
			var p printedEvent
			if lines.Decode(&p) != nil {
				return
			}
			printed <- p
		}
	}()
	next := func() printedEvent {
		t.Helper()
		p, ok := <-printed
		if !ok {
			t.Fatal("the command prints no more lines")
		}
		return p
	}
	p := next()
	if !p.Verified || p.Answer != http.StatusAccepted || !strings.Contains(string(p.Event), "job.completed") || p.ID == "" || <-passed != p.ID {
		t.Errorf("printed %+v", p)
	}
	forged, err := http.Post(hook, "application/json", strings.NewReader(`{"type":"job.completed"}`))
	if err != nil {
		t.Fatal(err)
	}
	forged.Body.Close()
	if p := next(); p.Verified || p.Error == "" || forged.StatusCode != http.StatusBadRequest {
		t.Errorf("what is forged: %s, %+v", forged.Status, p)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for r = claimcheck(t.Context(), nil, "deliveries", "--server", s.URL, location); strings.HasPrefix(r.out, "pending"); <-tick.C {
		r = claimcheck(t.Context(), nil, "deliveries", "--server", s.URL, location)
	}
	if r.code != exitOK || !strings.HasPrefix(r.out, "delivered "+p.ID+"\n") || !strings.Contains(r.out, "  202  ") {
		t.Errorf("deliveries: %+v", r)
	}
	if r := claimcheck(t.Context(), nil, "deliveries", "--server", s.URL, "--replay", "--format", "json", location); r.code != exitOK || !strings.Contains(r.out, `"state":"pending"`) {
		t.Errorf("replay: %+v", r)
	}
	if again := next(); again.ID != p.ID {
		t.Errorf("the replay is %+v", again)
	}
	stop()
	if code := <-ended; code != exitOK {
		t.Errorf("listen ends with %d", code)
	}
}

func TestListenOnWrongLines(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--port", "70000"}, {"--forward", "localhost:3000"}, {"--forward", "ftp://a/"}} {
		if r := claimcheck(t.Context(), nil, append([]string{"listen"}, args...)...); r.code != exitUsage {
			t.Errorf("%q: %+v", args, r)
		}
	}
	without := apptest.Start(t)
	if r := claimcheck(t.Context(), nil, "listen", "--server", without.URL, "--port", "0"); r.code != exitError || !strings.Contains(r.err, "WEBHOOK_KEY") {
		t.Errorf("a service without keys: %+v", r)
	}
}
