//go:build !logapi

package telemetry

import "context"

func openLogExport(context.Context, LogExportOptions) (LogExport, error) {
	return nil, notLinked("the export of logs by API", "logapi")
}
