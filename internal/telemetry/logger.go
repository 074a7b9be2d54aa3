package telemetry

import (
	"io"
	"log/slog"
	"os"

	"github.com/lmittmann/tint"
	"golang.org/x/term"
)

// Format is the format of log lines.
type Format string

const (
	// FormatAuto is FormatGCP on Google Cloud, FormatText at a terminal, else FormatJSON.
	FormatAuto Format = "auto"
	// FormatJSON is one JSON object a line, with slog's own keys.
	FormatJSON Format = "json"
	// FormatText is for people, with colour where the writer is a terminal.
	FormatText Format = "text"
	// FormatGCP is one JSON object a line, with the keys that Google Cloud's agents move
	// into the log entry.
	FormatGCP Format = "gcp"
)

// LogOptions configure [NewLogger].
type LogOptions struct {
	// Format is FormatAuto when it is empty or unknown.
	Format Format
	// Level is the lowest level that is written; nil means info.
	Level slog.Leveler
	// Writer receives one Write for each line; nil means standard output.
	Writer io.Writer
	// GoogleCloud says for FormatAuto that the platform reads structured lines.
	GoogleCloud bool
	// Project is the Google Cloud project of the traces. Without it a line has the plain
	// trace id, which Google Cloud does not link.
	Project string
	// Service and Version are on every line for machines; either may be empty.
	Service, Version string
	// NoColor turns colour off even at a terminal.
	NoColor bool
}

// NewLogger returns a logger whose lines carry the trace and the attributes of their
// context, and never a secret. Safe for concurrent use.
func NewLogger(o LogOptions) *slog.Logger {
	if o.Writer == nil {
		o.Writer = os.Stdout
	}
	if o.Level == nil {
		o.Level = slog.LevelInfo
	}
	tty := isTerminal(o.Writer)
	h := &handler{trace: plainTrace}
	switch o.format(tty) {
	case FormatText:
		h.trace = noTrace
		h.sink = tint.NewTextHandler(o.Writer, &tint.Options{
			Level:       o.Level,
			TimeFormat:  "15:04:05.000",
			NoColor:     o.NoColor || !tty,
			ReplaceAttr: briefRequest,
		})
	case FormatGCP:
		h.trace = cloudTrace(o.Project)
		h.reserved = cloudKeys
		h.sink = slog.NewJSONHandler(o.Writer, &slog.HandlerOptions{
			Level:       o.Level,
			AddSource:   true,
			ReplaceAttr: cloudAttr,
		}).WithAttrs(cloudLabels(o.Service, o.Version))
	default:
		h.reserved = plainKeys
		h.sink = slog.NewJSONHandler(o.Writer, &slog.HandlerOptions{
			Level:       o.Level,
			ReplaceAttr: readableDuration,
		}).WithAttrs(nonEmpty("service", o.Service, "version", o.Version))
	}
	return slog.New(h)
}

func (o LogOptions) format(tty bool) Format {
	switch o.Format {
	case FormatJSON, FormatText, FormatGCP:
		return o.Format
	}
	switch {
	case o.GoogleCloud:
		return FormatGCP
	case tty:
		return FormatText
	}
	return FormatJSON
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// readableDuration writes durations as "1.5s" where slog would write nanoseconds.
func readableDuration(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

// briefRequest keeps of a request's group only what the message does not say.
func briefRequest(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 && groups[0] == keyRequest && a.Key != "latency" {
		return slog.Attr{}
	}
	return a
}

// nonEmpty returns the attributes of key and value pairs whose value is not empty.
func nonEmpty(pairs ...string) []slog.Attr {
	var attrs []slog.Attr
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			attrs = append(attrs, slog.String(pairs[i], pairs[i+1]))
		}
	}
	return attrs
}
