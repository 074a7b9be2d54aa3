package main

import (
	"flag"
	"os"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"claimcheck.example/internal/fleet"
)

var duration = flag.Duration("chaos.for", 12*time.Second, "how long the chaos lasts")

func TestMain(m *testing.M) {
	fleet.RunBackend()
	zerolog.SetGlobalLevel(zerolog.Disabled)
	flag.Parse()
	os.Exit(m.Run())
}

func TestNothingIsLostAndNothingDoneTwice(t *testing.T) {
	err := run(t.Context(), options{
		duration: *duration, killEvery: 2 * time.Second, faultEvery: 2 * time.Second,
		clients: 4, workers: 2, seed: uint64(time.Now().UnixNano()), root: "../..",
	}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
}

// TestTheAuditNotices breaks promises and has the audit find them.
func TestTheAuditNotices(t *testing.T) {
	o := options{duration: 2 * time.Second, clients: 2, workers: 1, root: "../.."}
	s, err := newStage(t.Context(), o, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.clear()
	c := newClients(s.url)
	id, status, err := c.post(t.Context(), picture(1), "key", true)
	if err != nil || status >= 300 {
		t.Fatalf("submit: %d, %v", status, err)
	}
	c.promised[id] = &promise{image: picture(2)}
	c.promised["00000000-0000-4000-8000-000000000000"] = &promise{image: picture(3)}
	for range 2 {
		s.ends.line([]byte(`{"job_id":"` + id + `","ended":true}`))
	}
	r, err := audit(t.Context(), s, c)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.broken) != 3 {
		t.Errorf("a wrong output, a lost job and a job ended twice are told as %q", r.broken)
	}
	if r.print(t.Output(), s) == nil {
		t.Error("the report is content")
	}
}
