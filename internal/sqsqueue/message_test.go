package sqsqueue_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"claimcheck.example/internal/sqsqueue"
)

func TestGroupOf(t *testing.T) {
	t.Parallel()
	if got, want := sqsqueue.GroupOf("https://issuer.example/|alice"), "https://issuer.example/|alice"; got != want {
		t.Errorf("got group %q, want the owner as he is", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		owner := rapid.OneOf(rapid.String(), rapid.StringN(120, 140, -1), rapid.StringMatching(`[!-~]{120,140}`)).Draw(t, "owner")
		got := sqsqueue.GroupOf(owner)
		if got == "" || len(got) > 128 || strings.ContainsFunc(got, func(r rune) bool { return r < '!' || r > '~' }) {
			t.Fatalf("owner %q has the group %q, which SQS refuses", owner, got)
		}
	})
}

func TestSeconds(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]int32{
		-time.Second: 0, 0: 0, time.Nanosecond: 1, time.Second: 1, 1500 * time.Millisecond: 2, 13 * time.Hour: 43200,
	} {
		if got := sqsqueue.Seconds(d); got != want {
			t.Errorf("%v: got %d s, want %d", d, got, want)
		}
	}
}
