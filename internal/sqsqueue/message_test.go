package sqsqueue_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/sqsqueue"
)

func TestDecodeBody(t *testing.T) {
	t.Parallel()
	const id = "0190163d-8694-739b-aea5-966c26f8ad91"
	tests := []struct {
		body string
		ok   bool
	}{
		{`{"job_id":"` + id + `"}`, true},
		{" {\n\"job_id\" : \"" + id + "\" }\n", true},
		{`{"version":2,"job_id":"` + id + `","hint":{"a":[1]}}`, true},
		{"", false},
		{id, false},
		{`"` + id + `"`, false},
		{`{"job_id":"` + id + `"`, false},
		{`{"job_id":"` + id + `"}{}`, false},
		{`{"job_id":["` + id + `"]}`, false},
		{`{"job_id":"` + strings.ToUpper(id) + `"}`, false},
		{`{"job_id":"{` + id + `}"}`, false},
		{`{"job_id":"../` + id + `"}`, false},
		{`{"Records":[{"s3":{"object":{"key":"input/` + id + `"}}}]}`, false},
		{`{"job_id":"` + id + `","pad":"` + strings.Repeat("x", 5000) + `"}`, false},
	}
	for _, tt := range tests {
		got, err := sqsqueue.DecodeBody(tt.body)
		if (err == nil) != tt.ok || tt.ok && got != id {
			t.Errorf("body %.80q: got %q, %v; want ok %v", tt.body, got, err, tt.ok)
		}
		if err != nil && len(err.Error()) > 200 {
			t.Errorf("body %.80q: the error is %d bytes long", tt.body, len(err.Error()))
		}
	}
}

func FuzzDecodeBody(f *testing.F) {
	f.Add(`{"job_id":"0190163d-8694-739b-aea5-966c26f8ad91"}`)
	f.Add(`{"Event":"s3:TestEvent"}`)
	f.Add(`[[[[`)
	f.Fuzz(func(t *testing.T, body string) {
		id, err := sqsqueue.DecodeBody(body)
		if (err == nil) != (id != "") {
			t.Fatalf("got id %q with error %v", id, err)
		}
		if err != nil {
			return
		}
		if again, err := job.ParseID(string(id)); err != nil || again != id {
			t.Fatalf("got id %q, which is none: %v", id, err)
		}
		if again, err := sqsqueue.DecodeBody(sqsqueue.EncodeBody(id)); err != nil || again != id {
			t.Fatalf("encoding %q again gives %q, %v", id, again, err)
		}
	})
}

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
