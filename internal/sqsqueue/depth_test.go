package sqsqueue_test

import (
	"testing"
	"time"

	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/sqsqueue"
)

func TestDepth(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	q := sqsqueue.New(newClient(env), env.QueueURL, sqsqueue.Options{Wait: time.Second})
	ctx := t.Context()
	for range 3 {
		if err := q.Send(ctx, job.Message{JobID: job.NewID(), Owner: "someone"}); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := q.Receive(ctx, 1, time.Hour); err != nil || len(got) != 1 {
		t.Fatalf("received %d messages: %v", len(got), err)
	}
	got, err := q.Depth(ctx)
	if want := (job.Depth{Visible: 2, Hidden: 1}); err != nil || got != want {
		t.Errorf("depth is %+v, %v; want %+v", got, err, want)
	}
	if _, err := sqsqueue.New(newClient(env), env.QueueURL+"-none", sqsqueue.Options{}).Depth(ctx); job.KindOf(err) != job.Misconfigured {
		t.Errorf("the depth of a missing queue fails with %v; want Misconfigured", err)
	}
}
