package telemetry

import (
	"context"
	"log/slog"
)

// Audit returns a logger that writes as log does, but whatever its level: for what has to
// be on record, such as who was let in.
func Audit(log *slog.Logger) *slog.Logger { return slog.New(audit{log.Handler()}) }

type audit struct{ slog.Handler }

func (audit) Enabled(context.Context, slog.Level) bool { return true }

func (a audit) WithAttrs(attrs []slog.Attr) slog.Handler { return audit{a.Handler.WithAttrs(attrs)} }
func (a audit) WithGroup(name string) slog.Handler       { return audit{a.Handler.WithGroup(name)} }
