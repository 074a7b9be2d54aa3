package job

import (
	"context"
	"sync/atomic"
)

// Requests are the requests that a job has cost, as far as their provider charges for each:
// those to S3 and SQS, each try of a repeated one. Requests to a database or a folder are not
// among them. What clients ask for later, a status or an output, is not in a document either,
// since a read would have to write it.
type Requests struct {
	StoreWrites int `json:"store_writes"` // PUT, POST, LIST
	StoreReads  int `json:"store_reads"`  // GET, HEAD
	Queue       int `json:"queue"`
}

// Plus returns the sum.
func (r Requests) Plus(o Requests) Requests {
	return Requests{r.StoreWrites + o.StoreWrites, r.StoreReads + o.StoreReads, r.Queue + o.Queue}
}

func (r Requests) minus(o Requests) Requests {
	return Requests{r.StoreWrites - o.StoreWrites, r.StoreReads - o.StoreReads, r.Queue - o.Queue}
}

// Counted are the requests in a document.
type Counted struct {
	Requests
	// Attempts is Job.Attempts at the time of the count. Another number there means that a
	// worker which does not count has had the job.
	Attempts int `json:"attempts"`
}

// Charges says of which backends the provider charges for each request.
type Charges struct{ Documents, Objects, Queue bool }

// Write returns the requests of n writes of documents, records or entries of lists.
func (c Charges) Write(n int) (r Requests) {
	if c.Documents {
		r.StoreWrites = n
	}
	return r
}

// Upload returns the requests of n writes of images.
func (c Charges) Upload(n int) (r Requests) {
	if c.Objects {
		r.StoreWrites = n
	}
	return r
}

// Message returns the requests of n calls of the queue.
func (c Charges) Message(n int) (r Requests) {
	if c.Queue {
		r.Queue = n
	}
	return r
}

// CommitCounter is a [Staged] that knows how many requests its Commit makes.
type CommitCounter interface{ CommitRequests() int }

// Meter counts the requests that are made for one job in one context. Backends count into
// it. It is safe for concurrent use, but for Charge.
type Meter struct {
	writes, reads, queue atomic.Int64
	charged              Requests // those that a document has already
}

type meterKey struct{}

// WithMeter returns a context in which requests are counted.
func WithMeter(ctx context.Context) (context.Context, *Meter) {
	m := &Meter{}
	return context.WithValue(ctx, meterKey{}, m), m
}

// MeterOf returns the meter of a context; nil for none, which counts nothing.
func MeterOf(ctx context.Context) *Meter {
	m, _ := ctx.Value(meterKey{}).(*Meter)
	return m
}

// Add counts requests.
func (m *Meter) Add(r Requests) {
	if m == nil {
		return
	}
	m.writes.Add(int64(r.StoreWrites))
	m.reads.Add(int64(r.StoreReads))
	m.queue.Add(int64(r.Queue))
}

// Charge puts what has been counted since the last Charge into j, which is about to be
// written, along with what that write and those behind it will make. The caller calls
// written once j is stored. A job whose requests are not known keeps none.
func (m *Meter) Charge(j *Job, soon Requests) (written func()) {
	if m == nil || j.Requests == nil {
		return func() {}
	}
	now := Requests{int(m.writes.Load()), int(m.reads.Load()), int(m.queue.Load())}
	j.Requests = &Counted{j.Requests.Plus(now.minus(m.charged)).Plus(soon), j.Attempts}
	return func() { m.charged = now.Plus(soon) }
}

// ForgetUncounted drops the count of a job that a worker which does not count has had.
func (j *Job) ForgetUncounted() {
	if j.Requests != nil && j.Requests.Attempts != j.Attempts {
		j.Requests = nil
	}
}
