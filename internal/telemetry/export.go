package telemetry

import (
	"context"
	"errors"
	"io"
)

// ErrNotLinked is the error of an export that is not linked into the binary.
var ErrNotLinked = errors.New("not linked into this binary")

// LogExport is a writer for [LogOptions] with FormatGCP that sends the lines to Cloud
// Logging. Write never blocks on the network and never fails; lines that it cannot send
// go to the fallback.
type LogExport interface {
	io.Writer
	// Flush returns once all earlier lines are sent, or with ctx's cause. Call it before a
	// function freezes.
	Flush(ctx context.Context) error
	// Close flushes and ends the export; when ctx ends first, the remaining lines go to the
	// fallback.
	Close(ctx context.Context) error
}

// LogExportOptions describe the source of the lines.
type LogExportOptions struct {
	// Project is the Google Cloud project of the log. Required.
	Project string
	// Service, Revision and Location are those of the Cloud Run service; without a service
	// the lines belong to the project.
	Service, Revision, Location string
	// Fallback receives the lines that cannot be sent; nil means standard error.
	Fallback io.Writer
}

// OpenLogExport returns the export to Cloud Logging by its API (LOG_EXPORT=api). The
// error is ErrNotLinked when the binary was built without the tag logapi. It does not
// wait for the API.
func OpenLogExport(ctx context.Context, o LogExportOptions) (LogExport, error) {
	return openLogExport(ctx, o)
}
