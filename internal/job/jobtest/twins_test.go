package jobtest_test

import (
	"testing"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
)

func openStore(tb testing.TB) jobtest.StoreFixture {
	s := jobtest.NewStore(tb)
	return jobtest.StoreFixture{
		Store:     s,
		PutRaw:    func(_ testing.TB, id job.ID, raw []byte) { s.PutRaw(id, raw) },
		PartBytes: 100,
	}
}

func openQueue(tb testing.TB) jobtest.QueueFixture {
	q := jobtest.NewQueue(tb, nil)
	q.Wait = time.Second
	return jobtest.QueueFixture{Queue: q, PutRaw: func(_ testing.TB, body string) { q.PutRaw(body) }}
}

func TestStoreConforms(t *testing.T) {
	t.Parallel()
	jobtest.TestStore(t, func(t *testing.T) jobtest.StoreFixture { return openStore(t) })
}

func TestQueueConforms(t *testing.T) {
	t.Parallel()
	jobtest.TestQueue(t, func(t *testing.T) jobtest.QueueFixture { return openQueue(t) })
}

func TestOutboxConforms(t *testing.T) {
	t.Parallel()
	jobtest.TestOutbox(t, func(t *testing.T) jobtest.OutboxFixture {
		s, q := jobtest.NewStore(t), jobtest.NewQueue(t, nil)
		q.Wait = time.Second
		return jobtest.OutboxFixture{Outbox: jobtest.NewOutbox(s, q), Documents: s, Queue: q}
	})
}

func BenchmarkStore(b *testing.B) {
	jobtest.BenchmarkStore(b, func(b *testing.B) jobtest.StoreFixture { return openStore(b) })
}

func BenchmarkQueue(b *testing.B) {
	jobtest.BenchmarkQueue(b, func(b *testing.B) jobtest.QueueFixture { return openQueue(b) })
}

func TestEventLogsConform(t *testing.T) {
	t.Parallel()
	jobtest.TestEventLogs(t, func(t *testing.T) job.EventLogs { return jobtest.NewStore(t) })
}

func TestChangesConform(t *testing.T) {
	t.Parallel()
	jobtest.TestChanges(t, func(t *testing.T) jobtest.ChangesFixture {
		s := jobtest.NewStore(t)
		return jobtest.ChangesFixture{Changes: s, Documents: s}
	})
}
