package jobtest

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"claimcheck.example/internal/job"
)

// StoreFixture is a fresh, empty store for one test.
type StoreFixture struct {
	job.Store
	// PutRaw stores bytes in place of a job's document.
	PutRaw func(tb testing.TB, id job.ID, raw []byte)
	// PartBytes is the size above which the implementation uploads in parts; the suite
	// tries sizes around it.
	PartBytes int
}

// QueueFixture is a fresh, empty queue for one test. Its Receive waits for about a second.
type QueueFixture struct {
	job.Queue
	// PutRaw puts a message with any body into the queue.
	PutRaw func(tb testing.TB, body string)
}

// NewJob returns the document of a newly accepted job.
func NewJob() *job.Job {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return &job.Job{
		ID:        job.NewID(),
		Status:    job.Pending,
		CreatedAt: now,
		UpdatedAt: now,
		Input:     job.Media{ContentType: "image/png", SizeBytes: 3, SHA256: "abc"},
		Params:    []byte(`{"width":64}`),
		Owner:     "https://issuer.example/|alice",
		Revision:  revision(),
	}
}

// Claimed returns j after a claim by worker, or after a renewal of worker's claim.
func Claimed(j *job.Job, worker string) *job.Job {
	next := *j
	if j.Status == job.Pending {
		next.Attempts++
	}
	next.Status, next.Worker, next.Revision = job.Processing, worker, revision()
	next.UpdatedAt = time.Now().UTC()
	next.LeaseUntil = next.UpdatedAt.Add(time.Minute)
	return &next
}

func revision() string { return fmt.Sprintf("%016x", rand.Uint64()) }

// Bytes returns a reader of n pseudorandom bytes, the same for the same seed. It returns them
// in uneven pieces, as a network does, and buffers none.
func Bytes(seed uint64, n int64) io.Reader {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	return io.LimitReader(&uneven{r: rand.NewChaCha8(key)}, n)
}

type uneven struct {
	r     *rand.ChaCha8
	turns int
}

func (u *uneven) Read(p []byte) (int, error) {
	u.turns++
	return u.r.Read(p[:min(len(p), 1+(u.turns*7919)%65536)])
}

// must fails the test on an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantKind fails the test unless err is of kind k and has a sentence, as every error for
// clients must.
func wantKind(t testing.TB, err error, k job.Kind) {
	t.Helper()
	if job.KindOf(err) != k || err == nil {
		t.Fatalf("got error %v of kind %v, want kind %v", err, job.KindOf(err), k)
	}
	if job.MessageOf(err) == "" {
		t.Errorf("the error %v has no sentence for the client", err)
	}
}

// ended returns a context that is over.
func ended(t testing.TB) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
