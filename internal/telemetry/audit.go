package telemetry

import (
	"context"
	"log/slog"
)

// Audit returns a logger that writes as log does, but regardless of its level: for
// records that must exist, such as access decisions.
func Audit(log *slog.Logger) *slog.Logger { return slog.New(audit{log.Handler()}) }

type audit struct{ slog.Handler }

func (audit) Enabled(context.Context, slog.Level) bool { return true }

func (a audit) WithAttrs(attrs []slog.Attr) slog.Handler { return audit{a.Handler.WithAttrs(attrs)} }
func (a audit) WithGroup(name string) slog.Handler       { return audit{a.Handler.WithGroup(name)} }
