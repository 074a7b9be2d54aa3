package job_test

import (
	"strings"
	"testing"

	"claimcheck.example/internal/job"
)

func TestDecodeClaim(t *testing.T) {
	t.Parallel()
	const id = "0190163d-8694-739b-aea5-966c26f8ad91"
	tests := []struct {
		body string
		ok   bool
	}{
		{`{"job_id":"` + id + `"}`, true},
		{" {\n\"job_id\" : \"" + id + "\" }\n", true},
		{`{"version":2,"job_id":"` + id + `","hint":{"a":[1]}}`, true},
		{`{"job_id":"` + id + `","for":"webhook"}`, true},
		{`{"job_id":"` + id + `","for":"another purpose"}`, false},
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
		got, webhook, err := job.DecodeClaim(tt.body)
		if (err == nil) != tt.ok || tt.ok && got != id || webhook != (tt.ok && strings.Contains(tt.body, "webhook")) {
			t.Errorf("body %.80q: got %q, %t, %v; want ok %v", tt.body, got, webhook, err, tt.ok)
		}
		if err != nil && len(err.Error()) > 200 {
			t.Errorf("body %.80q: the error is %d bytes long", tt.body, len(err.Error()))
		}
	}
}

func FuzzDecodeClaim(f *testing.F) {
	f.Add(`{"job_id":"0190163d-8694-739b-aea5-966c26f8ad91"}`)
	f.Add(`{"Event":"s3:TestEvent"}`)
	f.Add(`[[[[`)
	f.Fuzz(func(t *testing.T, body string) {
		id, webhook, err := job.DecodeClaim(body)
		if (err == nil) != (id != "") {
			t.Fatalf("got id %q with error %v", id, err)
		}
		if err != nil {
			return
		}
		if again, err := job.ParseID(string(id)); err != nil || again != id {
			t.Fatalf("got id %q, which is none: %v", id, err)
		}
		if again, same, err := job.DecodeClaim(job.EncodeClaim(job.Message{JobID: id, Webhook: webhook})); err != nil || again != id || same != webhook {
			t.Fatalf("encoding %q again gives %q, %v", id, again, err)
		}
	})
}
