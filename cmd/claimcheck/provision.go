package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"claimcheck.example/internal/app"
	"claimcheck.example/internal/config"
	"claimcheck.example/internal/provision"
)

// provisionCmd creates bucket and queues, a database's schema and a folder, or checks them.
type provisionCmd struct {
	Bucket string `env:"S3_BUCKET" help:"The bucket."`
	Queue  string `env:"SQS_QUEUE_URL" help:"The queue, by its name or URL."`
	elsewhere
	DLQ         string        `name:"dlq" placeholder:"NAME" help:"The dead-letter queue, by its name or URL (default: the queue's name with -dead)."`
	Webhooks    string        `name:"webhook-queue" env:"WEBHOOK_QUEUE_URL" placeholder:"NAME" help:"A queue for webhooks alone, by its name or URL; its dead-letter queue has that name with -dead."`
	Region      string        `env:"AWS_REGION" help:"The region of the bucket and the queues."`
	TTL         int           `name:"ttl-days" env:"JOB_TTL_DAYS" default:"7" placeholder:"DAYS" help:"Days that the bucket keeps a job (default ${default})."`
	Retention   time.Duration `env:"QUEUE_RETENTION" default:"96h" help:"How long the queue keeps a message (default ${default})."`
	Visibility  time.Duration `env:"LEASE" default:"60s" help:"The minimum visibility timeout of the queue (default ${default}); for Lambda, six times the function's timeout."`
	MaxReceives int           `default:"100" help:"The minimum number of receives before a message becomes a dead letter (default ${default})."`
	Origin      []string      `env:"CORS_ORIGINS" placeholder:"URL" help:"Origins whose pages may upload to the bucket directly: the origin of the service's own page, and those of CORS_ORIGINS."`
	Shorten     bool          `help:"Allow changes that delete data sooner than now."`
	DryRun      bool          `xor:"how" help:"Print the changes without making them."`
	Check       bool          `xor:"how" help:"Check without changing a setting, and prove a store and a queue under custom endpoints again."`
	Groups      bool          `name:"message-groups" env:"SQS_MESSAGE_GROUPS" default:"true" negatable:"" help:"Require message groups of the queue; disable this where the queue has none."`
	Print       bool          `xor:"how" help:"Print the AWS CLI commands for the changes without running them."`
}

// Help is the text of --help in addition to the flags.
func (provisionCmd) Help() string {
	return `Checks the bucket, the queue and the dead-letter queue, or the database schema and the folder of images; prints every difference and fixes it. The command deletes nothing, loosens nothing, and keeps settings that others made. It is safe to repeat.

The command tests a store or a queue under a custom endpoint, once and again with --check, for every promise that jobs rely on: conditional writes that race, stale swaps and deletes, checksums, presigned uploads, visibility and redelivery. It keeps the finding in the bucket under "proof"; server and worker do not start without it. Use the same endpoint as they do. The command does not test AWS itself.

Exit status: 0, there is no difference; 3, a dry run found something to change, or a difference remains that you must fix or that this backend does not support; 1, something failed.`
}

// errDiffers ends the command with exit code 3 without further words.
var errDiffers = errors.New("there are differences")

// Run plans, and shows, prints or applies the plan.
func (c provisionCmd) Run(ctx context.Context, s streams) error {
	steps, err := c.elsewhere.steps(ctx)
	if err != nil {
		return err
	}
	var plan *provision.Plan
	at := c.elsewhere.config(c.Bucket, c.Queue)
	bucket := c.bucket(at)
	if len(steps) == 0 || bucket != "" {
		if plan, err = c.onAWS(ctx, bucket, at); err != nil {
			return err
		}
	}
	plan = plan.With(steps...)
	if c.Print {
		err = plan.WriteCommands(s.out)
		return errors.Join(err, c.outcome(plan))
	}
	if err := plan.Write(s.out); err != nil {
		return err
	}
	if !c.DryRun && plan.Count(provision.Create, provision.Change) > 0 {
		fmt.Fprintln(s.out)
		apply := plan.Apply
		if c.Check {
			apply = plan.Prove
		}
		apply(ctx, func(step *provision.Step) { fmt.Fprintln(s.out, step.Outcome()) })
	}
	fmt.Fprintf(s.out, "\n%s\n", plan.Summary())
	if !c.DryRun && plan.QueueURL() != "" {
		hooks := ""
		if url := plan.WebhookQueueURL(); url != "" {
			hooks = " WEBHOOK_QUEUE_URL=" + url
		}
		fmt.Fprintf(s.out, "\n    export S3_BUCKET=%s SQS_QUEUE_URL=%s%s\n", c.Bucket, plan.QueueURL(), hooks)
	}
	return c.outcome(plan)
}

// bucket returns the bucket that holds documents or images; empty for none.
func (c provisionCmd) bucket(at *config.Config) string {
	if c.Bucket != "" && c.Queue != "" {
		return c.Bucket
	}
	for _, l := range []config.Location{at.Objects(), at.Documents()} {
		if l.Scheme() == "s3" {
			return l.Bucket()
		}
	}
	return ""
}

// onAWS plans bucket and queues. There are no queues where the messages are in a database.
func (c provisionCmd) onAWS(ctx context.Context, bucket string, at *config.Config) (*provision.Plan, error) {
	if bucket == "" || c.Queue == "" && at.Queue().Scheme() != "postgres" {
		return nil, wrongLine("name the bucket and the queue with --bucket and --queue (S3_BUCKET, SQS_QUEUE_URL), or a database with --database (DATABASE_URL)")
	}
	var queue, dead string
	if c.Queue != "" {
		queue = path.Base(c.Queue)
		dead = queue + "-dead"
		if c.DLQ != "" {
			dead = path.Base(c.DLQ)
		}
	}
	hooks := ""
	if c.Webhooks != "" && config.Location(c.Webhooks).Scheme() != "postgres" {
		hooks = path.Base(c.Webhooks)
	}
	p, err := app.NewProvisioner(ctx, provision.Wanted{
		Region: c.Region, Bucket: bucket, Queue: queue, DeadLetter: dead, Webhooks: hooks,
		JobTTLDays: c.TTL, Retention: c.Retention, Visibility: c.Visibility, MaxReceives: c.MaxReceives, Origins: c.Origin, Shorten: c.Shorten, Again: c.Check, NoGroups: !c.Groups,
		Prove: c.Check || at.Documents().Scheme() != "postgres", // images alone need no promise
	})
	if err != nil {
		return nil, err
	}
	return p.Plan(ctx), nil
}

// outcome is the command's end.
func (c provisionCmd) outcome(plan *provision.Plan) error {
	if err := plan.Err(); err != nil {
		return err
	}
	if plan.Count(provision.Create, provision.Change, provision.Left, provision.Unsupported) > 0 && !c.Print {
		return errDiffers
	}
	return nil
}
