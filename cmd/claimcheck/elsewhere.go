package main

import (
	"context"

	"claimcheck.example/internal/app"
	"claimcheck.example/internal/config"
	"claimcheck.example/internal/provision"
)

// backends names the locations of jobs, in addition to a bucket and an SQS queue.
type backends struct {
	Database  config.Location `env:"DATABASE_URL" placeholder:"URL" help:"The PostgreSQL database that holds documents and queue, such as postgres://user@host/claimcheck."`
	Documents config.Location `env:"DOCUMENTS" hidden:""`
	Messages  config.Location `name:"messages" env:"QUEUE" hidden:""`
	Objects   config.Location `env:"OBJECTS" placeholder:"URL" help:"The folder or bucket that holds images, such as file:///var/lib/claimcheck or s3://pictures."`
}

// config returns where the jobs are, as servers and workers understand it.
func (b backends) config(bucket, queue string) *config.Config {
	return &config.Config{Bucket: bucket, QueueURL: queue, DatabaseURL: b.Database, DocumentsURL: b.Documents, ObjectsURL: b.Objects, QueueLocation: b.Messages}
}

// elsewhere is what is neither in S3 nor in SQS, to be made.
type elsewhere struct {
	backends
	Grant []string `placeholder:"ROLE" help:"Database roles that servers and workers use."`
}

// steps plans databases and folder.
func (e elsewhere) steps(ctx context.Context) ([]*provision.Step, error) {
	if e.Database != "" && e.Database.Scheme() != "postgres" {
		return nil, wrongLine("--database is not a URL such as postgres://user@host/claimcheck")
	}
	return app.ProvisionSteps(ctx, []config.Location{e.Database, e.Documents, e.Messages}, e.Objects, e.Grant)
}
