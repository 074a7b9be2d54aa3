package imaging

import (
	"context"

	"claimcheck.example/internal/job"
)

// Engine executes plans. Safe for concurrent use.
type Engine interface {
	// Process does the work of job.Processor's Process for params that have been read. It
	// returns the picture upright, with the colours and metadata of the plan, or an error
	// whose sentence names what the engine does not support.
	Process(ctx context.Context, t job.Task, plan Plan) (*job.Result, error)
	// Describe returns the engine's name and version.
	Describe() Description
}

// Description identifies the engine in a worker's log.
type Description struct {
	// Name is "embedded" or "vips".
	Name    string
	Version string
	Capabilities
}
