package proof

import (
	"context"
	"fmt"
	"slices"
)

// Promise is a behaviour of a backend that the code depends on.
type Promise struct {
	Name string
	// Breaks says what fails without it.
	Breaks string
	// Remedy says what an operator can do.
	Remedy string
}

// Remedies for broken promises.
const (
	documentsElsewhere = "take a version of the store that honours it, or keep the documents in PostgreSQL (DATABASE_URL) and only the images here"
	otherVersion       = "take another version of the store, or another store"
	noChecksums        = "set AWS_REQUEST_CHECKSUM_CALCULATION=when_required for provision, server and worker: requests then carry no checksum"
	noGroups           = "set SQS_MESSAGE_GROUPS=false; an owner with many jobs then holds up the others"
	otherQueue         = "take another version of the queue's server, or keep the queue in PostgreSQL (DATABASE_URL)"
)

// probe checks one promise. Its error says what the store did instead.
type probe[T any] struct {
	Promise
	ask func(context.Context, T) error
}

// result runs the probe. It fails only when ctx ends.
func (p probe[T]) result(ctx context.Context, of T) (Result, error) {
	err := p.ask(ctx, of)
	if ctx.Err() != nil {
		return Result{}, fmt.Errorf("the proof broke off at %q: %w", p.Name, context.Cause(ctx))
	}
	r := Result{Promise: p.Name, Kept: err == nil}
	if err != nil {
		r.Saw = err.Error()
	}
	return r, nil
}

// Lookup returns the promise with that name.
func Lookup(name string) Promise {
	for _, p := range slices.Concat(names(storeProbes), names(queueProbes)) {
		if p.Name == name {
			return p
		}
	}
	return Promise{Name: name}
}

func names[T any](probes []probe[T]) []Promise {
	promises := make([]Promise, len(probes))
	for i, p := range probes {
		promises[i] = p.Promise
	}
	return promises
}

// OfStore returns the promises that [Store] checks.
func OfStore() []Promise { return names(storeProbes) }

// OfQueue returns the promises that [Queue] checks.
func OfQueue() []Promise { return names(queueProbes) }
