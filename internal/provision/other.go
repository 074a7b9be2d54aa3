package provision

import (
	"context"
	"slices"
)

// NewStep returns a step for a backend that this package does not know, such as a
// database. A step that creates or changes something has an apply.
func NewStep(s Step, apply func(context.Context) error) *Step {
	s.apply = apply
	return &s
}

// With returns the plan followed by more steps. A nil plan has none.
func (p *Plan) With(steps ...*Step) *Plan {
	if p == nil {
		return &Plan{Steps: steps}
	}
	return &Plan{slices.Concat(p.Steps, steps), p.queue, p.webhooks}
}
