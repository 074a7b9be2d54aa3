package provision

import (
	"context"
	"errors"
	"fmt"
)

// State is what a step finds, or leaves.
type State uint8

const (
	// Fine: it is as it should be.
	Fine State = iota
	// Create: it does not exist and will be made.
	Create
	// Change: it exists and will be changed.
	Change
	// Left: it differs, and is left to a person; Note says why and what to do.
	Left
	// Unsupported: the backend has no such thing.
	Unsupported
	// Failed: it could not be looked at, or not be made; Err says why.
	Failed
	// Done: it has been made or changed.
	Done
)

// Diff is one setting that differs.
type Diff struct {
	Setting string
	// Is is empty where there is nothing.
	Is, Should string
}

// Step is one thing that should be so.
type Step struct {
	// On is what it is about: "bucket pictures".
	On string
	// What is the thing: "lifecycle rules".
	What  string
	State State
	// Diffs are what is and what should be; for a thing that is fine, what is.
	Diffs []Diff
	// Call is the operation that brings it about, such as "s3:PutBucketEncryption".
	Call string
	// Commands are the AWS command line's equivalent: shell commands that may use what
	// those of earlier steps have put into variables.
	Commands []string
	// Note says why it is left, or what to know about it.
	Note string
	Err  error

	apply func(context.Context) error
	// creates says that without this step there is nothing to do the rest of On to.
	creates bool
	// proves says that the step asks a backend for its promises, and changes no setting.
	proves bool
}

// Pending reports whether applying the plan would do the step.
func (s *Step) Pending() bool { return s.State == Create || s.State == Change }

// Plan is what is and what should be, in the order in which it is brought about.
type Plan struct {
	Steps []*Step
	queue *queue
}

// QueueURL is what SQS_QUEUE_URL should be; empty as long as the queue does not exist, and
// for a plan without one.
func (p *Plan) QueueURL() string {
	if p.queue == nil {
		return ""
	}
	return p.queue.url
}

// Count returns how many steps are in one of the states.
func (p *Plan) Count(states ...State) int {
	n := 0
	for _, s := range p.Steps {
		for _, state := range states {
			if s.State == state {
				n++
			}
		}
	}
	return n
}

// Err returns the errors of all steps that failed.
func (p *Plan) Err() error {
	var all []error
	for _, s := range p.Steps {
		if s.State == Failed {
			all = append(all, fmt.Errorf("%s: %s: %w", s.On, s.What, s.Err))
		}
	}
	return errors.Join(all...)
}

// errNotCreated is why nothing more is done to a thing that could not be made.
var errNotCreated = errors.New("not tried: what it is about could not be created")

// Apply does what is to be done, in order, and calls told after each step it tried. A
// step that fails keeps only those from being tried that cannot work without it.
func (p *Plan) Apply(ctx context.Context, told func(*Step)) {
	p.apply(ctx, told, func(*Step) bool { return true })
}

// Prove is Apply of the steps alone that ask backends for their promises.
func (p *Plan) Prove(ctx context.Context, told func(*Step)) {
	p.apply(ctx, told, func(s *Step) bool { return s.proves })
}

func (p *Plan) apply(ctx context.Context, told func(*Step), wanted func(*Step) bool) {
	missing := map[string]bool{}
	for _, s := range p.Steps {
		if s.State == Failed && s.creates {
			missing[s.On] = true
		}
		if s.Pending() && !wanted(s) && s.creates {
			missing[s.On] = true
		}
		if !s.Pending() || !wanted(s) {
			continue
		}
		switch {
		case missing[s.On]:
			s.State, s.Err = Failed, errNotCreated
		default:
			s.finish(ctx)
			missing[s.On] = s.State == Failed && s.creates
		}
		told(s)
	}
}

func (s *Step) finish(ctx context.Context) {
	err := ctx.Err()
	if err == nil {
		err = s.apply(ctx)
	}
	switch {
	case err == nil:
		s.State = Done
	case unsupported(err):
		s.State, s.Note = Unsupported, noSuchThing
	default:
		s.State, s.Err = Failed, err
	}
}
