package s3store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/s3store"
)

func TestUsage(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	s := s3store.New(newClient(env), env.Bucket, s3store.Options{})
	const alice, bob = "https://issuer.example/|alice", "https://issuer.example/|alice/../bob"
	first := time.Date(2026, 2, 27, 23, 59, 0, 0, time.UTC)
	day := func(n int) time.Time { return first.AddDate(0, 0, n) }
	record := func(owner string, n int, id job.ID, text string) {
		t.Helper()
		if err := s.RecordUsage(t.Context(), owner, day(n), id, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 4 {
		id := job.NewID()
		record(alice, n, id, fmt.Sprint("record ", n))
		record(alice, n, id, "a second bill")
	}
	record(bob, 1, job.NewID(), "bob's")

	read := func(owner string, from, to int) (got []string) {
		t.Helper()
		for r, err := range s.ReadUsage(t.Context(), owner, day(from), day(to)) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(r))
		}
		return got
	}
	want := []string{"record 1", "record 2"}
	if diff := cmp.Diff(want, read(alice, 1, 2)); diff != "" {
		t.Errorf("two days of alice's (-want +got):\n%s", diff)
	}
	if got := read(alice, -100, 100); len(got) != 4 {
		t.Errorf("got %q of alice, want four records", got)
	}
	if got := read(bob, -100, 100); len(got) != 1 {
		t.Errorf("got %q of bob, want one record", got)
	}
	if got := read("unknown|owner", -100, 100); len(got) != 0 {
		t.Errorf("got %q of an unknown owner", got)
	}
	for range s.ReadUsage(t.Context(), alice, day(0), day(3)) {
		break // an early end is not an error
	}
	for _, err := range s3store.New(newClient(env), "no-such-bucket", s3store.Options{}).ReadUsage(t.Context(), alice, day(0), day(1)) {
		wantKind(t, err, job.Misconfigured)
	}
}

func TestEscapeOwner(t *testing.T) {
	t.Parallel()
	for owner, want := range map[string]string{
		"https://issuer.example/|alice": "https=3A=2F=2Fissuer.example=2F=7Calice",
		"..":                            "=2E.",
		"~a=b":                          "=7Ea=3Db",
		"ü":                             "=C3=BC",
	} {
		if got := s3store.EscapeOwner(owner); got != want {
			t.Errorf("EscapeOwner(%q) = %q, want %q", owner, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		owner := rapid.OneOf(rapid.String(), rapid.StringN(100, 400, -1), rapid.StringMatching(`[.~=/|A-F0-9]{0,6}`))
		a, b := owner.Draw(t, "a"), owner.Draw(t, "b")
		ea, eb := s3store.EscapeOwner(a), s3store.EscapeOwner(b)
		if (a == b) != (ea == eb) {
			t.Fatalf("%q and %q become %q and %q", a, b, ea, eb)
		}
		if ea == "" || len(ea) > 255 || ea[0] == '.' || strings.ContainsAny(ea, "/\x00%") {
			t.Fatalf("%q becomes %q, which is not valid as a segment of a key", a, ea)
		}
	})
}
