package telemetry

import (
	"context"
	"errors"
	"io"
)

// ErrNotLinked is what an export that was left out of the binary answers.
var ErrNotLinked = errors.New("not linked into this binary")

// LogExport is a writer for [LogOptions] with FormatGCP that sends the lines to Cloud
// Logging. Write never blocks on the network and never fails; lines that cannot be sent
// go to the fallback.
type LogExport interface {
	io.Writer
	// Flush returns once every line written before is out, or with ctx's cause. Call it
	// before a function freezes.
	Flush(ctx context.Context) error
	// Close flushes and ends the export; when ctx ends first, what is left goes to the
	// fallback.
	Close(ctx context.Context) error
}

// LogExportOptions say whose lines they are.
type LogExportOptions struct {
	// Project is the Google Cloud project whose log it is. Required.
	Project string
	// Service, Revision and Location are the Cloud Run service's; without a service the
	// lines belong to the project as a whole.
	Service, Revision, Location string
	// Fallback gets the lines that cannot be sent; nil means standard error.
	Fallback io.Writer
}

// OpenLogExport returns the export to Cloud Logging by its API (LOG_EXPORT=api). The
// error is ErrNotLinked when the binary was built without the tag logapi. It does not
// wait for the API.
func OpenLogExport(ctx context.Context, o LogExportOptions) (LogExport, error) {
	return openLogExport(ctx, o)
}
