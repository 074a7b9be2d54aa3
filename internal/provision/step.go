package provision

import (
	"context"
	"errors"
	"fmt"
)

// State is the state of a step, before or after it runs.
type State uint8

const (
	// Fine: the thing is as it should be.
	Fine State = iota
	// Create: the thing does not exist, and the plan creates it.
	Create
	// Change: the thing exists, and the plan changes it.
	Change
	// Left: the thing differs, and a person must decide; Note says why and what to do.
	Left
	// Unsupported: the backend does not have this setting.
	Unsupported
	// Failed: the step could not be read or applied; Err says why.
	Failed
	// Done: the plan has created or changed it.
	Done
)

// Diff is one setting that differs.
type Diff struct {
	Setting string
	// Is is empty when there is no value.
	Is, Should string
}

// Step is one thing and its wanted state.
type Step struct {
	// On names the object: "bucket pictures".
	On string
	// What is the thing: "lifecycle rules".
	What  string
	State State
	// Diffs have the present and the wanted state; for a thing that is fine, the present
	// one.
	Diffs []Diff
	// Call is the operation that makes the change, such as "s3:PutBucketEncryption".
	Call string
	// Commands are the equivalent for the AWS command line: shell commands that may use
	// variables set by earlier steps.
	Commands []string
	// Note says why it is left, or what to know about it.
	Note string
	Err  error

	apply func(context.Context) error
	// creates says that without this step the rest of On does not exist.
	creates bool
	// proves says that the step checks a backend's promises, and changes no setting.
	proves bool
}

// Pending reports whether Apply would run the step.
func (s *Step) Pending() bool { return s.State == Create || s.State == Change }

// Plan lists the steps in the order in which they run.
type Plan struct {
	Steps    []*Step
	queue    *queue
	webhooks *queue // nil for none
}

// QueueURL is the value for SQS_QUEUE_URL; empty while the queue does not exist, and for
// a plan without one.
func (p *Plan) QueueURL() string { return urlOf(p.queue) }

// WebhookQueueURL is the same for WEBHOOK_QUEUE_URL.
func (p *Plan) WebhookQueueURL() string { return urlOf(p.webhooks) }

func urlOf(q *queue) string {
	if q == nil {
		return ""
	}
	return q.url
}

// Count returns the number of steps in one of the states.
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

// errNotCreated is the error of a step whose object could not be created.
var errNotCreated = errors.New("not tried: what it is about could not be created")

// Apply runs the pending steps in order, and calls ran after each. When a step fails, it
// skips only the steps that depend on it.
func (p *Plan) Apply(ctx context.Context, ran func(*Step)) {
	p.apply(ctx, ran, func(*Step) bool { return true })
}

// Prove is Apply for only those steps that check a backend's promises.
func (p *Plan) Prove(ctx context.Context, ran func(*Step)) {
	p.apply(ctx, ran, func(s *Step) bool { return s.proves })
}

func (p *Plan) apply(ctx context.Context, ran func(*Step), wanted func(*Step) bool) {
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
		ran(s)
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
