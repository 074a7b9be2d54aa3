package imaging

import (
	"context"
	"encoding/json"

	"claimcheck.example/internal/job"
)

// Processor is the built-in processor: an engine, and the rules that a submit checks
// first. It turns the first frame of an image upright by its EXIF orientation, converts
// its colours to sRGB, applies the operations of the job's params (by default: fit into
// 1024 x 1024, never enlarge), and encodes the result without metadata. [Parse] defines
// params.
type Processor struct {
	engine Engine
	can    Capabilities
	limits Limits
}

// New returns the processor of an engine. Can is what a submit accepts: the capabilities
// of the engine, or of any engine where other workers have others.
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
	// The orientation is not known yet.
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
