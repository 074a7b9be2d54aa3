package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal"
	"claimcheck.example/internal/job"
)

// runRedrive runs the command with these variables and returns its counts.
func runRedrive(t *testing.T, vars []string, code int, args ...string) (counts map[string]int, letters *deadLetters) {
	t.Helper()
	r := operate(t, vars, append([]string{"redrive", "--json"}, args...)...)
	var got struct {
		Jobs        map[string]int `json:"jobs"`
		DeadLetters *deadLetters   `json:"dead_letters"`
	}
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || r.code != code {
		t.Fatalf("%v: exit code %d, %q, %q, %v", args, r.code, r.out, r.err, err)
	}
	return got.Jobs, got.DeadLetters
}

func wantCounts(t *testing.T, what string, got, want map[string]int) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// TestRedrive puts back what a worker has failed, job by job and all at once, and the
// jobs of dead letters. What is completed in the end is billed once.
func TestRedrive(t *testing.T) {
	t.Parallel()
	works := filepath.Join(t.TempDir(), "works")
	script := filepath.Join(t.TempDir(), "script")
	err := os.WriteFile(script, []byte(`if [ -e "$1" ]; then exec cat; fi; cat >/dev/null; echo "the lens cap was on" >&2; exit 65`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	s := apptest.Start(t, "PROCESSOR=exec:sh '"+script+"' '"+works+"'")
	vars := s.Servers.Env(s.Bucket, s.QueueURL)
	image, err := os.ReadFile(photo(t))
	if err != nil {
		t.Fatal(err)
	}
	var urls []string
	submit := func(n int) []string {
		t.Helper()
		var added []string
		for range n {
			added = append(added, s.Submit(t, image).Header.Get("Location"))
		}
		urls = append(urls, added...)
		return added
	}
	await := func(urls []string, want string) {
		t.Helper()
		for _, url := range urls {
			if got := apptest.Await(t, url).JSON(t)["status"]; got != want {
				t.Fatalf("%s is %v, want %s", url, got, want)
			}
		}
	}
	stop := s.StartWorker(t)
	await(submit(5), "failed")
	stop()

	wantCounts(t, "a dry run", first(runRedrive(t, vars, exitOK, "--failed", "--since", "1h", "--dry-run")), map[string]int{"put_back": 5})
	wantCounts(t, "another reason", first(runRedrive(t, vars, exitOK, "--failed", "--reason", "out of paper")), map[string]int{"not_asked_for": 5})
	wantCounts(t, "another owner", first(runRedrive(t, vars, exitOK, "--failed", "--owner", "https://id.example|bob")), map[string]int{"not_asked_for": 5})
	wantCounts(t, "another day", first(runRedrive(t, vars, exitOK, "--failed", "--until", "2026-01-01")), map[string]int{})
	wantCounts(t, "two, by name", first(runRedrive(t, vars, exitOK, urls[0], urls[1][strings.LastIndexByte(urls[1], '/')+1:])), map[string]int{"put_back": 2})
	wantCounts(t, "once more", first(runRedrive(t, vars, exitOK, urls[0])), map[string]int{"sent_again": 1})
	wantCounts(t, "one that is not", first(runRedrive(t, vars, exitError, string(job.NewID()), urls[1])), map[string]int{"gone": 1, "sent_again": 1})
	wantCounts(t, "all", first(runRedrive(t, vars, exitOK, "--failed", "--reason", "lens cap", "--until", time.Now().UTC().Format(time.DateOnly))), map[string]int{"put_back": 3, "not_asked_for": 2})

	// Two more, and all messages so far, become dead letters; so does one of a stranger.
	submit(2)
	if _, err := s.SQS.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &s.QueueURL, MessageBody: aws.String("not ours")}); err != nil {
		t.Fatal(err)
	}
	if r := operate(t, vars, "redrive", "--dead"); r.code != exitError || !strings.Contains(r.err, "no dead-letter queue") {
		t.Errorf("no dead-letter queue: exit code %d, %q", r.code, r.err)
	}
	if _, err := s.Servers.EnsureQueue(t.Context(), s.Bucket, awslocal.QueueOptions{DeadLetter: s.Bucket + "-dead", MaxReceives: 1}); err != nil {
		t.Fatal(err)
	}
	s.SetQueueAttributes(t, map[string]string{"VisibilityTimeout": "0"})
	for received := 1; received > 0; {
		out, err := s.SQS.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &s.QueueURL, MaxNumberOfMessages: 10})
		if err != nil {
			t.Fatal(err)
		}
		received = len(out.Messages)
	}
	if err := os.WriteFile(works, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.StartWorker(t)
	dry, letters := runRedrive(t, vars, exitOK, "--dead", "--dry-run")
	wantCounts(t, "a dry run of dead letters", dry, map[string]int{"sent_again": 9}) // 7 jobs, two of them with two messages
	if *letters != (deadLetters{Removed: 9, Malformed: 1}) {
		t.Errorf("a dry run of dead letters: %+v", *letters)
	}
	if r := operate(t, vars, "redrive", "--dead"); r.code != exitOK || !strings.Contains(r.out, "Dead letters: 9 removed, 0 kept, 1 malformed and kept.") {
		t.Errorf("dead letters: exit code %d, %q, %q", r.code, r.out, r.err)
	}
	await(urls, "completed")
	if _, letters := runRedrive(t, vars, exitOK, "--dead"); *letters != (deadLetters{Malformed: 1}) {
		t.Errorf("and again: %+v", *letters)
	}
	wantCounts(t, "in the end", first(runRedrive(t, vars, exitOK, "--failed")), map[string]int{"completed": 7})

	for range time.Tick(20 * time.Millisecond) { // a record follows the end of its job
		r := operate(t, vars, "usage", "--all", "--format", "json")
		var bill struct{ Total struct{ Jobs int } }
		if err := json.Unmarshal([]byte(r.out), &bill); err != nil {
			t.Fatalf("%v: %q, %q", err, r.out, r.err)
		}
		if bill.Total.Jobs > 7 {
			t.Fatalf("%d jobs are billed", bill.Total.Jobs)
		}
		if bill.Total.Jobs == 7 {
			break
		}
	}
}

func first(counts map[string]int, _ *deadLetters) map[string]int { return counts }

// TestRedriveCommandLine asks for what cannot be meant.
func TestRedriveCommandLine(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args []string
		err  string
	}{
		"nothing":       {nil, "name jobs, or use --failed or --dead"},
		"no bucket":     {[]string{"--failed", "--bucket="}, "--bucket"},
		"no queue":      {[]string{"--failed", "--queue="}, "--queue"},
		"since of what": {[]string{"--dead", "--since", "1h"}, "need --failed"},
		"no time":       {[]string{"--failed", "--since", "monday"}, "--since is not a day"},
		"no end":        {[]string{"--failed", "--until=-1h"}, "--until is not a day"},
		"wrong order":   {[]string{"--failed", "--since", "1h", "--until", "2h"}, "later"},
		"no job":        {[]string{"http://localhost:8080/jobs/1"}, "no job's URL"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := claimcheck(t.Context(), nil, append([]string{"redrive", "--bucket", "b", "--queue", "http://127.0.0.1:1/q"}, tt.args...)...)
			if r.code != exitUsage || !strings.Contains(r.err, tt.err) || r.out != "" {
				t.Errorf("exit code %d, output %q, errors %q", r.code, r.out, r.err)
			}
		})
	}
}

// TestRedriveBounds reads --since and --until.
func TestRedriveBounds(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	c := redriveCmd{Since: "36h", Until: "2026-11-21"}
	from, to, err := bounds(c.Since, c.Until, now)
	if err != nil || !from.Equal(now.Add(-36*time.Hour)) || !to.Equal(time.Date(2026, 11, 21, 23, 59, 59, 0, time.UTC)) {
		t.Errorf("%v to %v, %v", from, to, err)
	}
	c = redriveCmd{Since: "2026-11-21T07:00:00+01:00"}
	if from, to, err = bounds(c.Since, c.Until, now); err != nil || !from.Equal(time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)) || !to.IsZero() {
		t.Errorf("%v to %v, %v", from, to, err)
	}
}
