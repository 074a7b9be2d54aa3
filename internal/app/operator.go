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

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/provision"
	"claimcheck.example/internal/redrive"
	"claimcheck.example/internal/s3store"
	"claimcheck.example/internal/sqsqueue"
)

// UsageOfAll reads what each owner used on the days from..to (UTC, both included) from
// the bucket itself, which only its operator can.
func UsageOfAll(ctx context.Context, bucket string, from, to time.Time) (iter.Seq2[*job.Usage, error], error) {
	if bucket == "" {
		bucket = os.Getenv("S3_BUCKET")
	}
	if bucket == "" {
		return nil, errors.New("S3_BUCKET is missing: name the bucket of the service")
	}
	store, err := operatorClients(ctx).store(bucket, s3store.Options{})
	if err != nil {
		return nil, err
	}
	return job.Bill(store.ReadUsageOfAll(ctx, from, to), from, to), nil
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
	w.Region, w.Prove = cfg.Region, true
	return provision.New(s3.NewFromConfig(cfg, s3store.ClientOptions), sqs.NewFromConfig(cfg, sqsqueue.ClientOptions), w)
}

// Redriver puts jobs back for the operator of a bucket and a queue.
type Redriver struct {
	*redrive.Redriver
	job.Index
	queue queue
}

// NewRedriver returns the redriver of bucket and queue, whose messages live as long as
// retention says.
func NewRedriver(ctx context.Context, bucket, queueURL string, retention time.Duration) (*Redriver, error) {
	clients := operatorClients(ctx)
	store, err := clients.store(bucket, s3store.Options{Proof: s3store.ForDocuments})
	if err != nil {
		return nil, err
	}
	// A short wait, so that the end of the dead letters shows soon.
	queue, err := clients.queue(queueURL, sqsqueue.Options{Wait: time.Second, NoGroups: os.Getenv("SQS_MESSAGE_GROUPS") == "false"})
	if err != nil {
		return nil, err
	}
	return &Redriver{redrive.New(redrive.Config{Store: store, Queue: queue, Retention: retention, Now: time.Now}), store, queue}, nil
}

// DeadLetters returns the dead-letter queue of the queue.
func (r *Redriver) DeadLetters(ctx context.Context) (job.DeadLetters, error) {
	return r.queue.DeadLetters(ctx)
}

// operatorClients makes clients by the SDK's own variables and files, without telemetry.
func operatorClients(ctx context.Context) *awsClients {
	log := slog.Default()
	return newAWSClients(Quiet(log), func() (aws.Config, error) { return LoadAWS(ctx, log) })
}
