package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"claimcheck.example/internal/app"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/redrive"
)

// redriveCmd puts failed jobs, or the jobs of dead letters, back.
type redriveCmd struct {
	Jobs   []string `arg:"" optional:"" name:"job" help:"The jobs: their URLs or identifiers."`
	Failed bool     `help:"Put back all failed jobs of the bucket."`
	Since  string   `placeholder:"WHEN" help:"With --failed: only jobs that failed since then; a day (UTC), a time such as 2026-11-01T08:00:00Z, or an age such as 36h or 2d."`
	Until  string   `placeholder:"WHEN" help:"With --failed: only jobs that failed until then; a day counts to its end."`
	Dead   bool     `help:"Put back the jobs of all messages in the dead-letter queue, and remove these messages."`
	Owner  string   `placeholder:"ISSUER|SUBJECT" help:"Put back only jobs of this owner."`
	Reason string   `placeholder:"TEXT" help:"Put back only jobs whose message contains this text."`
	DryRun bool     `help:"Print what the command would do without doing it."`
	JSON   bool     `name:"json" help:"Print the counts as JSON."`
	Bucket string   `env:"S3_BUCKET" help:"The bucket."`
	Queue  string   `env:"SQS_QUEUE_URL" placeholder:"URL" help:"The queue."`
	backends
	Retention time.Duration `env:"QUEUE_RETENTION" default:"96h" help:"How long the queue keeps a message (default ${default})."`
}

// Help is the text of --help in addition to the flags.
func (redriveCmd) Help() string {
	return `A failed job becomes pending again, with all its attempts, and gets a new message; it is billed only once. Jobs that are pending, processing, completed or canceled stay unchanged. It is safe to repeat or interrupt the command.

The command uses the AWS credentials of the environment, which need s3:ListBucket, s3:GetObject and s3:PutObject on jobs/*, s3:GetObject on input/*, and sqs:SendMessage; with --dead also sqs:GetQueueAttributes on the queue, and sqs:GetQueueUrl, sqs:ReceiveMessage, sqs:DeleteMessage and sqs:ChangeMessageVisibility on its dead-letter queue.

Exit status: 0, success; 1, something failed, or the command cannot put back a named job.`
}

// Run puts back what was asked for, one way after the other, and tells the counts.
func (c redriveCmd) Run(ctx context.Context, s streams) error {
	if len(c.Jobs) == 0 && !c.Failed && !c.Dead {
		return wrongLine("nothing to put back: name jobs, or use --failed or --dead")
	}
	at := c.backends.config(c.Bucket, c.Queue)
	if at.Documents() == "" || at.Objects() == "" || at.Queue() == "" {
		return wrongLine("name the store of the jobs with --bucket and --queue, or with --database and --objects; or set S3_BUCKET and SQS_QUEUE_URL, or DATABASE_URL and OBJECTS")
	}
	if !c.Failed && c.Since+c.Until != "" {
		return wrongLine("--since and --until need --failed")
	}
	from, to, err := bounds(c.Since, c.Until, time.Now())
	if err != nil {
		return err
	}
	named, err := c.named()
	if err != nil {
		return err
	}
	r, err := app.NewRedriver(ctx, at, c.Retention)
	if err != nil {
		return err
	}
	defer r.Close()
	t := redriveTally{c: c, s: s, Jobs: map[string]int{}, DryRun: c.DryRun}
	opts := redrive.Options{Owner: c.Owner, Reason: c.Reason, DryRun: c.DryRun}
	err = r.RedriveAll(ctx, named, opts, t.named)
	if err == nil && c.Dead {
		err = t.dead(ctx, r, opts)
	}
	if err == nil && c.Failed {
		err = r.RedriveAll(ctx, r.Index.Jobs(ctx, from, to), opts, t.listed)
	}
	err = errors.Join(t.write(s.out), err) // the counts, however far it came
	if err == nil && t.Errors > 0 {
		err = errSomeFailed
	}
	return err
}

// named reads the jobs that were named: an identifier is the last part of a job's URL.
func (c redriveCmd) named() (iter.Seq2[job.ID, error], error) {
	var ids []job.ID
	for _, name := range c.Jobs {
		id, err := job.ParseID(name[strings.LastIndexByte(name, '/')+1:])
		if err != nil {
			return nil, wrongLine("%s: no job's URL or identifier", name)
		}
		ids = append(ids, id)
	}
	return func(yield func(job.ID, error) bool) {
		for _, id := range ids {
			if !yield(id, nil) {
				return
			}
		}
	}, nil
}

// redriveTally counts what became of jobs, and tells of each that is put back.
type redriveTally struct {
	c redriveCmd
	s streams

	DryRun bool `json:"dry_run"`
	// Jobs counts jobs by what became of them: "put_back", "sent_again", …
	Jobs map[string]int `json:"jobs"`
	// DeadLetters is what was in the dead-letter queue, if that was asked for.
	DeadLetters *deadLetters `json:"dead_letters,omitempty"`
	Errors      int          `json:"errors"`
}

type deadLetters struct {
	Removed   int `json:"removed"`
	Kept      int `json:"kept"`
	Malformed int `json:"malformed"`
}

func (t *redriveTally) failed(id job.ID, why any) {
	t.Errors++
	fmt.Fprintf(t.s.err, "claimcheck: %s: %v\n", id, why)
}

// listed takes a job that the command line does not name.
func (t *redriveTally) listed(id job.ID, what redrive.Result, err error) {
	if err != nil {
		t.failed(id, err)
		return
	}
	t.Jobs[strings.ReplaceAll(what.String(), " ", "_")]++
	if !what.Left() && !t.c.JSON {
		fmt.Fprintf(t.s.out, "%s\t%s\n", id, what)
	}
}

// named takes a job that was named.
func (t *redriveTally) named(id job.ID, what redrive.Result, err error) {
	t.listed(id, what, err)
	switch what {
	case redrive.NotThere, redrive.NeverAccepted, redrive.NeverUploaded, redrive.ImageGone:
		if err == nil {
			t.failed(id, "it cannot be put back: "+what.String())
		}
	}
}

func (t *redriveTally) dead(ctx context.Context, r *app.Redriver, opts redrive.Options) error {
	dead, err := r.DeadLetters(ctx)
	if err != nil {
		return err
	}
	n, err := r.RedriveDead(ctx, dead, opts, t.listed)
	t.DeadLetters = &deadLetters{n.Removed, n.Kept, n.Malformed}
	return err
}

// write tells the counts.
func (t *redriveTally) write(w io.Writer) error {
	if t.c.JSON {
		return json.NewEncoder(w).Encode(t)
	}
	var counts []string
	for _, what := range slices.Sorted(maps.Keys(t.Jobs)) {
		counts = append(counts, fmt.Sprintf("%d %s", t.Jobs[what], strings.ReplaceAll(what, "_", " ")))
	}
	if len(counts) == 0 {
		counts = append(counts, "no job")
	}
	line := "Jobs: " + strings.Join(counts, ", ")
	if d := t.DeadLetters; d != nil {
		line += fmt.Sprintf(". Dead letters: %d removed, %d kept, %d malformed and kept", d.Removed, d.Kept, d.Malformed)
	}
	if t.Errors > 0 {
		line += fmt.Sprintf(". Errors: %d", t.Errors)
	}
	if t.DryRun {
		line = "Dry run; nothing changed. " + line
	}
	_, err := fmt.Fprintln(w, line+".")
	return err
}
