package imaging

import (
	"context"
	"encoding/json"

	"claimcheck.example/internal/job"
)

// Processor is the built-in processor: an engine, and the rules that a submit asks
// before it. It turns the first frame of an image upright as its EXIF orientation says,
// brings its colours to sRGB, applies the operations that the job's params ask for (by
// default: fit into 1024 x 1024, never enlarged), and encodes the result without
// metadata. [Parse] says what params are.
type Processor struct {
	engine Engine
	can    Capabilities
	limits Limits
}

// New returns the processor of an engine. Can is what a submit accepts: what the engine
// can do, or, where other workers have other engines, any of them.
func New(engine Engine, can Capabilities, limits Limits) *Processor {
	return &Processor{engine: engine, can: can, limits: limits.WithDefaults()}
}

// CheckParams implements job.Rules.
func (p *Processor) CheckParams(input job.Media, params json.RawMessage) error {
	plan, err := Parse(params, p.limits)
	if err != nil {
		return err
	}
	if err := p.can.Write(plan); err != nil {
		return err
	}
	// Which way up it is turns out later.
	if plan.Bearable(input.Width, input.Height) == nil {
		return nil
	}
	return plan.Bearable(input.Height, input.Width)
}

// Accepts implements job.Rules.
func (p *Processor) Accepts(contentType string) bool {
	return p.can.Read(contentType) == nil
}

// Process implements job.Processor.
func (p *Processor) Process(ctx context.Context, t job.Task) (*job.Result, error) {
	plan, err := Parse(t.Params, p.limits)
	if err != nil {
		return nil, err
	}
	return p.engine.Process(ctx, t, plan)
}
