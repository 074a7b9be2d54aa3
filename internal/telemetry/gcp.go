package telemetry

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"path"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// The keys of a structured line that Google Cloud's logging agents move into the log
// entry (cloud.google.com/logging/docs/structured-logging).
const (
	keySeverity = "severity"
	keyMessage  = "message"
	keyTime     = "time"
	keyTrace    = "logging.googleapis.com/trace"
	keySpan     = "logging.googleapis.com/spanId"
	keySampled  = "logging.googleapis.com/trace_sampled"
	keySource   = "logging.googleapis.com/sourceLocation"
	keyLabels   = "logging.googleapis.com/labels"
	keyRequest  = "httpRequest"
)

// cloudKeys are not available to attributes at the top of a line: a second "message"
// would replace the first.
var cloudKeys = map[string]bool{
	keySeverity: true, keyMessage: true, keyTime: true, slog.LevelKey: true, slog.MessageKey: true, slog.SourceKey: true,
	keyTrace: true, keySpan: true, keySampled: true, keySource: true, keyLabels: true,
}

// plainKeys is the same for slog's own JSON.
var plainKeys = map[string]bool{slog.TimeKey: true, slog.LevelKey: true, slog.MessageKey: true, slog.SourceKey: true}

// cloudAttr gives slog's built-in attributes the names and values that the agents read.
func cloudAttr(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return readableDuration(groups, a)
	}
	switch a.Key {
	case slog.LevelKey:
		if level, ok := a.Value.Any().(slog.Level); ok {
			return slog.String(keySeverity, severity(level))
		}
	case slog.MessageKey:
		a.Key = keyMessage
	case slog.SourceKey:
		if s, ok := a.Value.Any().(*slog.Source); ok {
			// The agents expect the line as a string (an int64 in proto3's JSON).
			return slog.Any(keySource, map[string]string{
				"file": sourceFile(s), "line": strconv.Itoa(s.Line), "function": s.Function,
			})
		}
	}
	return readableDuration(groups, a)
}

// severity returns Cloud Logging's name of a level; levels above error are critical.
func severity(l slog.Level) string {
	switch {
	case l < slog.LevelInfo:
		return "DEBUG"
	case l < slog.LevelWarn:
		return "INFO"
	case l < slog.LevelError:
		return "WARNING"
	case l == slog.LevelError:
		return "ERROR"
	}
	return "CRITICAL"
}

// sourceFile names the file by its package, as a build with -trimpath does, so that a
// line never reveals where the binary was built.
func sourceFile(s *slog.Source) string {
	dir, rest := path.Split(s.Function)
	pkg, _, _ := strings.Cut(rest, ".")
	return dir + strings.TrimSuffix(pkg, "_test") + "/" + path.Base(s.File)
}

func cloudLabels(service, version string) []slog.Attr {
	labels := nonEmpty("service", service, "version", version)
	if len(labels) == 0 {
		return nil
	}
	return []slog.Attr{{Key: keyLabels, Value: slog.GroupValue(labels...)}}
}

// cloudTrace returns the trace attributes with which Cloud Logging links lines.
func cloudTrace(project string) func(trace.SpanContext) []slog.Attr {
	if project == "" {
		return plainTrace
	}
	prefix := "projects/" + project + "/traces/"
	return func(sc trace.SpanContext) []slog.Attr {
		return []slog.Attr{
			slog.String(keyTrace, prefix+sc.TraceID().String()),
			slog.String(keySpan, sc.SpanID().String()),
			slog.Bool(keySampled, sc.IsSampled()),
		}
	}
}

func plainTrace(sc trace.SpanContext) []slog.Attr {
	return []slog.Attr{slog.String("trace_id", sc.TraceID().String()), slog.String("span_id", sc.SpanID().String())}
}

// noTrace leaves the trace out for people: 48 hexadecimal digits on every line do not
// help them.
func noTrace(trace.SpanContext) []slog.Attr { return nil }

// HTTPRequest returns the group that Cloud Logging shows as the line's request. It has
// the path without a link's token and without the query string, which may contain secrets. sent is the number of
// body bytes in the answer; source is the client's address, which may be invalid.
func HTTPRequest(r *http.Request, source netip.Addr, status int, sent int64, latency time.Duration) slog.Attr {
	attrs := []any{
		slog.String("requestMethod", r.Method),
		slog.String("requestUrl", withoutToken(r.URL.EscapedPath())),
		slog.Int("status", status),
		slog.String("responseSize", strconv.FormatInt(sent, 10)),
		slog.String("latency", fmt.Sprintf("%.6fs", latency.Seconds())),
		slog.String("protocol", r.Proto),
	}
	if source.IsValid() {
		attrs = append(attrs, slog.String("remoteIp", source.String()))
	}
	if r.ContentLength > 0 {
		attrs = append(attrs, slog.String("requestSize", strconv.FormatInt(r.ContentLength, 10)))
	}
	if agent := r.UserAgent(); agent != "" {
		attrs = append(attrs, slog.String("userAgent", agent))
	}
	return slog.Group(keyRequest, attrs...)
}
