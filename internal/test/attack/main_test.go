package main

import (
	"os"
	"testing"

	"claimcheck.example/internal/test/process"
	"claimcheck.example/internal/test/program"
)

func TestMain(m *testing.M) {
	process.RunBackend()
	os.Exit(m.Run())
}

// TestHonestOwnerGetsThrough has one owner attack in every way, while another one does three
// rounds of its work: it is never refused, and gets to their end.
func TestHonestOwnerGetsThrough(t *testing.T) {
	program.Need(t, "cat") // a processor
	if err := run(t.Context(), options{strength: 140, root: "../../.."}, t.Output()); err != nil {
		t.Fatal(err)
	}
}
