package app

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/command"
	"claimcheck.example/internal/test/program"
	"claimcheck.example/internal/worker"
)

// TestStandardErrorIsShown has a program fail after many lines, and a failure of another
// kind.
func TestStandardErrorIsShown(t *testing.T) {
	t.Parallel()
	program.Need(t, "sh")
	c, err := command.New(`sh -c "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo line $i >&2; done; exit 3"`, command.Options{})
	if err != nil {
		t.Fatal(err)
	}
	id := job.NewID()
	fail := func(ctx context.Context, _ job.Delivery) worker.Outcome {
		res, err := c.Process(ctx, job.Task{ID: id, Image: strings.NewReader("image")})
		if err == nil {
			_, err = new(bytes.Buffer).ReadFrom(res.Body)
			err = errors.Join(err, res.Body.Close())
		}
		return worker.Outcome{Job: &job.Job{Attempts: 2}, Err: err}
	}
	var shown bytes.Buffer
	showStderr(&shown, fail)(t.Context(), job.Delivery{Message: job.Message{JobID: id}})
	want := "job " + string(id) + ", attempt 2: the processor wrote to standard error:\n    line 3\n"
	if got := shown.String(); !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "\n    line 12\n") || strings.Count(got, "\n") != 11 {
		t.Errorf("got %q, want ten lines after %q", got, want)
	}
	shown.Reset()
	showStderr(&shown, func(context.Context, job.Delivery) worker.Outcome {
		return worker.Outcome{Err: errors.New("storage failed")}
	})(t.Context(), job.Delivery{Message: job.Message{JobID: id}})
	if shown.Len() > 0 {
		t.Errorf("of another failure it shows %q", shown.String())
	}
}
