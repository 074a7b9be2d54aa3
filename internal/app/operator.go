package app

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"claimcheck.example/internal/config"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/provision"
	"claimcheck.example/internal/redrive"
	"claimcheck.example/internal/s3store"
	"claimcheck.example/internal/sqsqueue"
)

// UsageOfAll reads what each owner used on the days from..to (UTC, both included) from
// where the documents are, which only the operator can.
func UsageOfAll(ctx context.Context, documents config.Location, from, to time.Time) (all iter.Seq2[*job.Usage, error], closes func(), err error) {
	if documents == "" {
		return nil, nil, errors.New("S3_BUCKET is missing: name the bucket of the service, or set DATABASE_URL")
	}
	o := operatorOpener(ctx)
	store, err := o.documents(documents)
	if err != nil {
		return nil, nil, err
	}
	return job.Bill(store.ReadUsageOfAll(ctx, from, to), from, to), o.databases.close, nil
}

// NewProvisioner returns what creates or checks bucket and queues, in w's region or,
// where that is empty, in the one that the SDK's variables and files name.
func NewProvisioner(ctx context.Context, w provision.Wanted) (*provision.Provisioner, error) {
	if w.Region != "" {
		if err := os.Setenv("AWS_REGION", w.Region); err != nil {
			return nil, err
		}
	}
	cfg, err := LoadAWS(ctx, slog.Default())
	if err != nil {
		return nil, err
	}
	w.Region = cfg.Region
	return provision.New(s3.NewFromConfig(cfg, s3store.ClientOptions), sqs.NewFromConfig(cfg, sqsqueue.ClientOptions), w)
}

// Redriver puts jobs back for the operator of a service.
type Redriver struct {
	*redrive.Redriver
	job.Index
	queue     queue
	databases databases
}

// NewRedriver returns the redriver of the backends that c names, whose messages live as long
// as retention says. Close ends it.
func NewRedriver(ctx context.Context, c *config.Config, retention time.Duration) (*Redriver, error) {
	o := operatorOpener(ctx)
	o.wait = time.Second // so that the end of the dead letters shows soon
	documents, err := o.documents(c.Documents())
	if err != nil {
		return nil, err
	}
	objects, err := o.objects(c.Objects())
	if err != nil {
		return nil, err
	}
	queue, err := o.queue(c.Queue())
	if err != nil {
		return nil, err
	}
	r := redrive.New(redrive.Config{Store: &store{documents, objects}, Queue: queue, Retention: retention, Now: time.Now})
	return &Redriver{r, documents, queue, o.databases}, nil
}

// DeadLetters returns the dead-letter queue of the queue.
func (r *Redriver) DeadLetters(ctx context.Context) (job.DeadLetters, error) {
	return r.queue.DeadLetters(ctx)
}

// Close closes the connections to databases.
func (r *Redriver) Close() { r.databases.close() }

// operatorOpener opens backends without telemetry, those on AWS by the SDK's own variables
// and files.
func operatorOpener(ctx context.Context) opener {
	log := slog.Default()
	clients := newAWSClients(Quiet(log), func() (aws.Config, error) { return LoadAWS(ctx, log) })
	return opener{aws: clients, databases: databases{}, noGroups: os.Getenv("SQS_MESSAGE_GROUPS") == "false"}
}
