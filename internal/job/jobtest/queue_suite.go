package jobtest

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"claimcheck.example/internal/job"
)

// TestQueue tests an implementation of job.Queue against the comments on the interface.
// Each subtest gets a fixture of its own.
func TestQueue(t *testing.T, open func(t *testing.T) QueueFixture) {
	tests := map[string]func(*testing.T, QueueFixture){
		"a message is delivered as it was sent":       testDelivery,
		"Receive returns none when none came":         testReceiveNone,
		"Receive returns at most the limit":           testLimit,
		"Receive waits for a message":                 testLongPoll,
		"a delivered message is invisible":            testInvisibility,
		"an undeleted message comes again":            testRedelivery,
		"Extend keeps a message invisible":            testExtend,
		"Extend by zero makes a message visible":      testExtendZero,
		"Extend with a receipt no longer good":        testExtendDeleted,
		"Delete removes for good":                     testDelete,
		"a foreign body is Malformed":                 testMalformed,
		"many receivers get every message just once":  testReceivers,
		"an ended context is Canceled":                testQueueCanceled,
		"a queue that exists is ready":                testQueueReady,
		"owners of every kind can have messages sent": testOwners,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

const (
	hidden = time.Minute // a visibility that lasts longer than a test
	brief  = time.Second // the least visibility on the wire
)

func send(t testing.TB, q job.Queue) job.Message {
	t.Helper()
	m := job.Message{JobID: job.NewID(), Owner: "https://issuer.example/|alice"}
	must(t, q.Send(t.Context(), m))
	return m
}

// receive returns the next delivery, and fails the test after ten seconds without one.
func receive(t testing.TB, q job.Queue, visibility time.Duration) job.Delivery {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		got, err := q.Receive(t.Context(), 1, visibility)
		must(t, err)
		if len(got) == 1 {
			return got[0]
		}
	}
	t.Fatal("no message came")
	return job.Delivery{}
}

func receiveNone(t testing.TB, q job.Queue) {
	t.Helper()
	got, err := q.Receive(t.Context(), 10, hidden)
	must(t, err)
	if len(got) != 0 {
		t.Fatalf("got %+v, want nothing", got)
	}
}

func testDelivery(t *testing.T, q QueueFixture) {
	sent := job.Message{
		JobID: job.NewID(),
		Owner: "https://issuer.example/|alice",
		Trace: map[string]string{
			"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
			"tracestate":  "vendor=value",
		},
	}
	before := time.Now()
	must(t, q.Send(t.Context(), sent))
	d := receive(t, q, hidden)
	if d.JobID != sent.JobID || !maps.Equal(d.Trace, sent.Trace) || d.Malformed != "" {
		t.Errorf("got %+v, want job and trace of %+v", d, sent)
	}
	if d.Receipt == "" || d.Received != 1 {
		t.Errorf("got receipt %q, received %d; want a receipt, received once", d.Receipt, d.Received)
	}
	if d.SentAt.Before(before.Add(-time.Second)) || d.SentAt.After(time.Now().Add(time.Second)) {
		t.Errorf("got SentAt %v, want about %v", d.SentAt, before)
	}
}

func testReceiveNone(t *testing.T, q QueueFixture) {
	begin := time.Now()
	receiveNone(t, q)
	if waited := time.Since(begin); waited > 21*time.Second {
		t.Errorf("Receive waited for %v, want at most 20 s", waited)
	}
}

func testLimit(t *testing.T, q QueueFixture) {
	want := map[job.ID]bool{}
	for range 12 {
		want[send(t, q).JobID] = true
	}
	for len(want) > 0 {
		limit := min(len(want), 10)
		got, err := q.Receive(t.Context(), limit, hidden)
		must(t, err)
		if len(got) == 0 || len(got) > limit {
			t.Fatalf("got %d messages, want 1 to %d", len(got), limit)
		}
		for _, d := range got {
			if !want[d.JobID] {
				t.Errorf("job %s came twice or was never sent", d.JobID)
			}
			delete(want, d.JobID)
		}
	}
}

func testLongPoll(t *testing.T, q QueueFixture) {
	got := make(chan job.Delivery, 1)
	var group sync.WaitGroup
	group.Go(func() {
		for t.Context().Err() == nil {
			ds, err := q.Receive(t.Context(), 1, hidden)
			if err != nil {
				t.Error(err)
				return
			}
			if len(ds) == 1 {
				got <- ds[0]
				return
			}
		}
	})
	m := send(t, q)
	if d := <-got; d.JobID != m.JobID {
		t.Errorf("got job %s, want %s", d.JobID, m.JobID)
	}
	group.Wait()
}

func testInvisibility(t *testing.T, q QueueFixture) {
	send(t, q)
	receive(t, q, hidden)
	receiveNone(t, q)
}

func testRedelivery(t *testing.T, q QueueFixture) {
	m := send(t, q)
	first := receive(t, q, brief)
	second := receive(t, q, hidden)
	if second.JobID != m.JobID || second.Received != 2 || !second.SentAt.Equal(first.SentAt) {
		t.Errorf("got %+v again, want job %s received twice, sent at %v", second, m.JobID, first.SentAt)
	}
}

func testExtend(t *testing.T, q QueueFixture) {
	send(t, q)
	d := receive(t, q, 2*time.Second)
	must(t, q.Extend(t.Context(), d.Receipt, hidden))
	receiveNone(t, q)
	receiveNone(t, q)
	receiveNone(t, q)
}

func testExtendZero(t *testing.T, q QueueFixture) {
	send(t, q)
	d := receive(t, q, hidden)
	must(t, q.Extend(t.Context(), d.Receipt, 0))
	if again := receive(t, q, hidden); again.JobID != d.JobID || again.Received != 2 {
		t.Errorf("got %+v, want job %s again", again, d.JobID)
	}
}

func testExtendDeleted(t *testing.T, q QueueFixture) {
	send(t, q)
	d := receive(t, q, hidden)
	must(t, q.Delete(t.Context(), d.Receipt))
	for _, receipt := range []string{d.Receipt, "no receipt of this queue"} {
		if err := q.Extend(t.Context(), receipt, hidden); err != nil { // a queue need not tell
			wantKind(t, err, job.NotFound)
		}
	}
}

func testDelete(t *testing.T, q QueueFixture) {
	send(t, q)
	d := receive(t, q, brief)
	must(t, q.Delete(t.Context(), d.Receipt))
	if err := q.Delete(t.Context(), d.Receipt); err != nil {
		t.Errorf("Delete of what is gone: %v", err)
	}
	receiveNone(t, q)
	receiveNone(t, q)
}

func testMalformed(t *testing.T, q QueueFixture) {
	for _, body := range []string{
		"hello", "{}", "[]", "null", `{"job_id": 7}`, `{"job_id": "nonsense"}`, `{"Event": "s3:TestEvent"}`,
		`{"job_id":"0190163D-8694-739B-AEA5-966C26F8AD91"}`,
	} {
		q.PutRaw(t, body)
		d := receive(t, q, hidden)
		if d.Malformed == "" || d.JobID != "" {
			t.Errorf("body %q: got %+v, want it malformed", body, d)
		}
		must(t, q.Delete(t.Context(), d.Receipt))
	}
}

func testReceivers(t *testing.T, q QueueFixture) {
	const messages, receivers = 60, 6
	sent := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		defer close(sent)
		for range messages {
			send(t, q)
		}
	})
	var mu sync.Mutex
	seen := map[job.ID]int{}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for range receivers {
		group.Go(func() {
			for ctx.Err() == nil {
				got, err := q.Receive(ctx, 10, hidden)
				if err != nil && job.KindOf(err) != job.Canceled {
					t.Error(err)
					return
				}
				for _, d := range got {
					if err := q.Delete(t.Context(), d.Receipt); err != nil {
						t.Error(err)
					}
					mu.Lock()
					seen[d.JobID]++
					mu.Unlock()
				}
				mu.Lock()
				all := len(seen) == messages
				mu.Unlock()
				if all {
					cancel()
				}
			}
		})
	}
	group.Wait()
	<-sent
	if len(seen) != messages {
		t.Errorf("%d messages arrived, want %d", len(seen), messages)
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("job %s came %d times", id, n)
		}
	}
}

func testQueueCanceled(t *testing.T, q QueueFixture) {
	ctx := ended(t)
	wantKind(t, q.Send(ctx, job.Message{JobID: job.NewID(), Owner: "o|s"}), job.Canceled)
	_, err := q.Receive(ctx, 1, hidden)
	wantKind(t, err, job.Canceled)
	wantKind(t, q.Extend(ctx, "receipt", hidden), job.Canceled)
	wantKind(t, q.Delete(ctx, "receipt"), job.Canceled)
	wantKind(t, q.Ready(ctx), job.Canceled)
}

func testQueueReady(t *testing.T, q QueueFixture) {
	must(t, q.Ready(t.Context()))
}

func testOwners(t *testing.T, q QueueFixture) {
	for _, owner := range []string{"a", "a b", "ü|ß", "line\nbreak|\x00", fmt.Sprintf("%0300d|x", 7)} {
		if err := q.Send(t.Context(), job.Message{JobID: job.NewID(), Owner: owner}); err != nil {
			t.Errorf("owner %.20q: %v", owner, err)
		}
	}
}
