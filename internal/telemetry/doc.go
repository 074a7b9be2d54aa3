// Package telemetry is what an operator sees of Claimcheck: logs, traces and metrics.
//
// Logs are log/slog everywhere. [NewLogger] writes them as the structured lines that
// Google Cloud reads from standard output, as plain JSON, or as text for people at a
// terminal. Each line carries the trace and whatever [With] has put into the context,
// and passes a guard that takes secrets out. [OpenLogExport] sends the same lines to
// Cloud Logging by its API.
//
// Traces follow a job from the submit through the queue to the end of its work: the
// server span of [Handler], the carrier of [Inject] and [Extract], and the
// AWS calls of [Providers.AWS]. Metrics are events of [Metrics], one method each.
// [OpenOTLP] exports both as the standard OTEL_* variables say.
//
// What needs gRPC is linked in on demand, since it more than doubles the size of a
// binary: the tag logapi links the export of logs, the tag otlp that of traces and
// metrics. The packages behind the tags, gcplog and otlp, are ordinary ones and are
// tested without any tag. Asking for an export that is not linked in is an error at
// the start, [ErrNotLinked].
package telemetry
