package imaging

import (
	"context"

	"claimcheck.example/internal/job"
)

// Engine carries out plans. Safe for concurrent use.
type Engine interface {
	// Process is job.Processor's method of that name, with the task's params read. It
	// returns the picture upright, in the colours and with the metadata that the plan
	// asks for, or an error whose sentence names what the engine does not know.
	Process(ctx context.Context, t job.Task, plan Plan) (*job.Result, error)
	// Describe says what the engine is.
	Describe() Description
}

// Description is what a worker logs of its engine when it starts.
type Description struct {
	// Name is "embedded" or "vips".
	Name    string
	Version string
	Capabilities
}
