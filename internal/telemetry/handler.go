package telemetry

import (
	"context"
	"log/slog"
	"slices"

	"go.opentelemetry.io/otel/trace"
)

type attrsKey struct{}

// With returns a context whose log lines carry attrs, such as the ids of request and job.
// An attribute replaces an earlier one of the same key.
func With(ctx context.Context, attrs ...slog.Attr) context.Context {
	had := contextAttrs(ctx)
	merged := make([]slog.Attr, 0, len(had)+len(attrs))
	for _, a := range had {
		if !hasKey(attrs, a.Key) {
			merged = append(merged, a)
		}
	}
	for _, a := range attrs {
		merged = append(merged, guardAttr(a))
	}
	return context.WithValue(ctx, attrsKey{}, merged)
}

func contextAttrs(ctx context.Context) []slog.Attr {
	attrs, _ := ctx.Value(attrsKey{}).([]slog.Attr)
	return attrs
}

func hasKey(attrs []slog.Attr, key string) bool {
	return slices.ContainsFunc(attrs, func(a slog.Attr) bool { return a.Key == key })
}

// handler passes records without secrets to its sink, and adds the trace and the
// attributes of the context. These belong at the top of the line even when groups are
// open, since tools do not look for a trace inside a group; so the handler keeps open
// groups itself.
type handler struct {
	sink slog.Handler // has all attributes given before the first group
	// trace returns the attributes of a valid span context.
	trace func(trace.SpanContext) []slog.Attr
	// reserved are the keys that the sink uses itself at the top of a line.
	reserved map[string]bool
	// groups are the open groups, the outermost first. Never changed in place.
	groups []openGroup
}

type openGroup struct {
	name  string
	attrs []slog.Attr
}

func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.sink.Enabled(ctx, level)
}

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	attrs := make([]slog.Attr, 0, r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, h.guard(a))
		return true
	})
	for _, g := range slices.Backward(h.groups) {
		attrs = []slog.Attr{{Key: g.name, Value: slog.GroupValue(append(slices.Clip(g.attrs), attrs...)...)}}
	}
	out := slog.NewRecord(r.Time, r.Level, guardText(r.Message), r.PC)
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		out.AddAttrs(h.trace(sc)...)
	}
	for _, a := range contextAttrs(ctx) {
		if !hasKey(attrs, a.Key) {
			out.AddAttrs(h.rename(a))
		}
	}
	out.AddAttrs(attrs...)
	return h.sink.Handle(ctx, out)
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	guarded := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		guarded[i] = h.guard(a)
	}
	next := *h
	if n := len(h.groups); n > 0 {
		next.groups = slices.Clone(h.groups)
		next.groups[n-1].attrs = append(slices.Clip(h.groups[n-1].attrs), guarded...)
	} else {
		next.sink = h.sink.WithAttrs(guarded)
	}
	return &next
}

func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	next := *h
	next.groups = append(slices.Clip(h.groups), openGroup{name: name})
	return &next
}

func (h *handler) guard(a slog.Attr) slog.Attr {
	if len(h.groups) == 0 {
		a = h.rename(a)
	}
	return guardAttr(a)
}

// rename avoids the sink's own keys.
func (h *handler) rename(a slog.Attr) slog.Attr {
	if h.reserved[a.Key] {
		a.Key += "_"
	}
	return a
}
