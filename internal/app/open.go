package app

import (
	"context"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"

	"claimcheck.example/internal/config"
	"claimcheck.example/internal/processor/imaging"
)

// Role is what a process is for. Its telemetry bears the name.
type Role string

const (
	RoleServer   Role = "server"   // answers clients
	RoleWorker   Role = "worker"   // takes jobs from the queue
	RoleFunction Role = "function" // answers clients on a host that owns the server
	RoleLocal    Role = "local"    // does both on a developer's machine
)

// Process is what every process has once it has started: configuration, telemetry and
// backends. It makes the API and the worker from them.
type Process struct {
	Config    *config.Config
	Telemetry *Telemetry
	backends  *backends
	role      Role
	engine    func() (imaging.Engine, error) // of the worker
	closers   []func() error
}

// Open starts a process: it tunes the memory, opens the telemetry and chooses the backends
// that the configuration names. It waits for none of them, but for the finding of a store
// under a custom endpoint, without which it fails. Close ends it.
func Open(ctx context.Context, c *config.Config, role Role) (*Process, error) {
	tuneMemory(c)
	tel, err := NewTelemetry(ctx, c, "claimcheck-"+string(role))
	if err != nil {
		return nil, err
	}
	p, err := open(ctx, c, tel, role, func() (aws.Config, error) { return LoadAWS(ctx, tel.Log) })
	if err != nil {
		tel.Close()
		return nil, err
	}
	return p, nil
}

// New returns a process over the given AWS settings and telemetry.
func New(ctx context.Context, c *config.Config, cfg aws.Config, tel *Telemetry) (*Process, error) {
	return open(ctx, c, tel, RoleServer, func() (aws.Config, error) { return cfg, nil })
}

func open(ctx context.Context, c *config.Config, tel *Telemetry, role Role, load func() (aws.Config, error)) (*Process, error) {
	b, err := openBackends(c, tel, role, load)
	if err != nil {
		return nil, err
	}
	if err := b.proved(ctx); err != nil {
		b.databases.close()
		return nil, err
	}
	p := &Process{Config: c, Telemetry: tel, backends: b, role: role}
	p.engine = sync.OnceValues(func() (imaging.Engine, error) {
		e, closeEngine, err := openEngine(c, tel.Log)
		if closeEngine != nil {
			p.closers = append(p.closers, closeEngine)
		}
		return e, err
	})
	return p, nil
}

// Close ends what the process has started, closes the connections to databases, and sends
// what the telemetry still has, within a bounded time. Nothing of the process may be under
// way.
func (p *Process) Close() {
	for _, f := range p.closers {
		if err := f(); err != nil {
			p.Telemetry.Log.Warn("close", "error", err)
		}
	}
	p.backends.databases.close()
	p.Telemetry.Close()
}

// started logs that the process has started, with the configuration in force.
func (p *Process) started(what string, attrs ...any) {
	p.Telemetry.Log.Info(what+" started", append([]any{"version", Version, "config", p.Config}, attrs...)...)
}
