package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"claimcheck.example/internal/config"
	"claimcheck.example/internal/processor/imaging"
	"claimcheck.example/internal/processor/imaging/embedded"
	"claimcheck.example/internal/processor/imaging/vips"
)

// imageLimits bound what the built-in processor takes and gives.
func imageLimits(c *config.Config) imaging.Limits {
	return imaging.Limits{MaxPixels: c.MaxImagePixels, MaxInputBytes: int64(c.MaxImageBytes), MaxOutputBytes: int64(c.MaxOutputBytes)}
}

// openEngine opens the engine that IMAGING names, and logs which one it is. Close ends its
// processes; it may be nil.
func openEngine(c *config.Config, log *slog.Logger) (engine imaging.Engine, close func() error, err error) {
	if c.Imaging != "embedded" {
		v, err := openVips(c, log)
		if err == nil {
			return v, v.Close, nil
		}
		if c.Imaging == "vips" {
			return nil, nil, fmt.Errorf("IMAGING: %w", err)
		}
		if !errors.Is(err, vips.ErrNotFound) {
			log.Warn("the vips engine does not start; the embedded engine replaces it", "error", err)
		}
	}
	e := embedded.New(imageLimits(c))
	logEngine(log, e)
	return e, nil, nil
}

func openVips(c *config.Config, log *slog.Logger) (*vips.Engine, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	path, err := vips.Find(self)
	if err != nil {
		return nil, err
	}
	e, err := vips.Open(context.Background(), vips.Options{
		Path: path, Processes: c.Concurrency, Limits: imageLimits(c), Timeout: c.ProcessTimeout, MaxMemory: int64(c.ProcessorMemory), Logger: log,
	})
	if err != nil {
		return nil, err
	}
	walls, missing := e.Walls()
	logEngine(log, e, "path", path, "walls", walls, "missing_walls", missing, "start", e.StartTime().String())
	return e, nil
}

func logEngine(log *slog.Logger, e imaging.Engine, attrs ...any) {
	d := e.Describe()
	log.Info("image engine", append([]any{"engine", d.Name, "version", d.Version, "reads", d.Reads, "writes", d.Writes}, attrs...)...)
}

// submitted is what a submit takes for the built-in processor. A server knows its own
// configuration and not the workers' machines, so it takes what any engine can do, unless
// IMAGING says that they have the embedded one.
func submitted(c *config.Config) imaging.Capabilities {
	if c.Imaging == "embedded" {
		return imaging.Embedded()
	}
	return imaging.Any()
}
