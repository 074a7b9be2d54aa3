// Package telemetry provides the logs, traces and metrics of Claimcheck.
//
// Logs are log/slog everywhere. [NewLogger] writes them as the structured lines that
// Google Cloud reads from standard output, as plain JSON, or as text for people at a
// terminal. Each line carries the trace and the attributes that [With] put into the
// context, and a guard removes secrets. [OpenLogExport] sends the same lines to Cloud
// Logging by its API.
//
// Traces follow a job from the submit through the queue to the end of its work: the
// server span of [Handler], the carrier of [Inject] and [Extract], and the AWS calls of
// [Providers.AWS]. Metrics are events of [Metrics], one method each. [OpenOTLP] exports
// both as the standard OTEL_* variables say.
//
// Exports need gRPC and are linked on demand, since it more than doubles the size of a
// binary: the tag logapi links the export of logs, the tag otlp that of traces and
// metrics. The packages behind the tags, gcplog and otlp, compile and have tests without
// them. Configuring an export that is not linked is an error at the start,
// [ErrNotLinked].
package telemetry
