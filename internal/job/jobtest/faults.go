package jobtest

import (
	"context"
	"slices"
	"sync"

	"claimcheck.example/internal/job"
)

// Op names an operation of a twin.
type Op string

// The operations of the twins, named after the methods.
const (
	OpCreate Op = "Create"
	OpLoad   Op = "Load"
	OpSwap   Op = "Swap"
	OpErase  Op = "Erase"
	OpJobs   Op = "Jobs"

	OpEnlist Op = "Enlist"
	OpDelist Op = "Delist"
	OpList   Op = "List"

	OpStage  Op = "Stage"
	OpCommit Op = "Commit"
	OpOpen   Op = "Open"
	OpStat   Op = "Stat"
	OpRemove Op = "Remove"

	OpSend    Op = "Send"
	OpReceive Op = "Receive"
	OpExtend  Op = "Extend"
	OpDelete  Op = "Delete"

	OpReady Op = "Ready"
)

// When is the point of an operation at which a fault occurs.
type When uint8

const (
	// Before: the operation fails and has done nothing.
	Before When = iota
	// After: the operation takes effect, but its answer is lost. Stage and Open have no
	// effect without their answer; for them it is the same as Before.
	After
	// Block: the operation does nothing and hangs until its context ends.
	Block
)

// Fault makes calls of one operation fail.
type Fault struct {
	Op Op
	// Call is the number of the failing call, counted from the injection: 1 is the next.
	// Zero means every call.
	Call int
	When When
	// Err is the error of the call; nil means an Unavailable error. Block returns a
	// Canceled error instead.
	Err error
}

// Faults counts the calls of a twin and makes them fail on demand. Safe for concurrent
// use.
type Faults struct {
	mu      sync.Mutex
	calls   map[Op]int
	planned []*plannedFault
}

type plannedFault struct {
	Fault
	seen int
}

// Inject plans a fault. The returned function removes it.
func (f *Faults) Inject(fault Fault) (remove func()) {
	if fault.Err == nil {
		fault.Err = job.Errorf(job.Unavailable, "injected: %s does not answer", fault.Op)
	}
	p := &plannedFault{Fault: fault}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.planned = append(f.planned, p)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.planned = slices.DeleteFunc(f.planned, func(q *plannedFault) bool { return q == p })
	}
}

// Calls returns the number of calls of op so far, including failed ones.
func (f *Faults) Calls(op Op) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[op]
}

// next counts a call of op and returns its fault, if any.
func (f *Faults) next(op Op) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.calls == nil {
		f.calls = make(map[Op]int)
	}
	f.calls[op]++
	var hit *plannedFault
	for _, p := range f.planned {
		if p.Op != op {
			continue
		}
		p.seen++
		if hit == nil && (p.Call == 0 || p.Call == p.seen) {
			hit = p
		}
	}
	if hit == nil {
		return Fault{}, false
	}
	return hit.Fault, true
}

// charged are the requests of each operation that S3 and SQS charge for.
var charged = map[Op]job.Requests{
	OpCreate: {StoreWrites: 1}, OpSwap: {StoreWrites: 1}, OpEnlist: {StoreWrites: 1}, OpCommit: {StoreWrites: 1}, OpList: {StoreWrites: 1},
	OpLoad: {StoreReads: 1}, OpOpen: {StoreReads: 1}, OpStat: {StoreReads: 1},
	OpSend: {Queue: 1}, OpReceive: {Queue: 1}, OpExtend: {Queue: 1}, OpDelete: {Queue: 1},
}

// run performs one call of op under the planned faults.
func run[T any](ctx context.Context, f *Faults, op Op, apply func() (T, error)) (T, error) {
	var zero T
	fault, struck := f.next(op)
	job.MeterOf(ctx).Add(charged[op])
	if err := ctx.Err(); err != nil {
		return zero, canceled(err)
	}
	if struck && (fault.When == Before || fault.When == After && (op == OpStage || op == OpOpen)) {
		return zero, fault.Err
	}
	if struck && fault.When == Block {
		<-ctx.Done()
		return zero, canceled(ctx.Err())
	}
	v, err := apply()
	if err == nil && struck {
		return zero, fault.Err
	}
	return v, err
}

func canceled(err error) error {
	return job.Wrap(job.Canceled, err, "the request was canceled")
}
