//go:build logapi

package telemetry

import (
	"context"

	"claimcheck.example/internal/telemetry/gcplog"
)

func openLogExport(ctx context.Context, o LogExportOptions) (LogExport, error) {
	opts := gcplog.Options{Project: o.Project, LogID: o.Service, Fallback: o.Fallback}
	if o.Service != "" {
		opts.ResourceType = "cloud_run_revision"
		opts.ResourceLabels = map[string]string{
			"project_id": o.Project, "location": o.Location, "service_name": o.Service,
			"revision_name": o.Revision, "configuration_name": o.Service,
		}
	}
	export, err := gcplog.New(ctx, opts)
	if err != nil {
		return nil, err
	}
	return export, nil
}
