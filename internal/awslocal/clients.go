package awslocal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"claimcheck.example/internal/proof"
)

// S3URL is the S3 endpoint, without a slash at its end. Buckets are in the path.
func (s *Servers) S3URL() string { return s.s3URL }

// SQSURL is the SQS endpoint, without a slash at its end.
func (s *Servers) SQSURL() string { return s.sqsURL }

// Config returns the SDK's settings: region, credentials and checksums as
// config.LoadDefaultConfig sets them. The endpoints, which differ, are the caller's to
// set from S3URL and SQSURL; S3Client and SQSClient have them.
func (s *Servers) Config() aws.Config {
	return aws.Config{
		Region:                     s.options.Region,
		Credentials:                credentials.NewStaticCredentialsProvider(s.options.AccessKey, s.options.SecretKey, ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
	}
}

// S3Client returns a client of the S3 endpoint.
func (s *Servers) S3Client() *s3.Client {
	return s3.NewFromConfig(s.Config(), func(o *s3.Options) {
		o.BaseEndpoint = aws.String(s.s3URL)
		o.UsePathStyle = true
	})
}

// SQSClient returns a client of the SQS endpoint.
func (s *Servers) SQSClient() *sqs.Client {
	return sqs.NewFromConfig(s.Config(), func(o *sqs.Options) {
		o.BaseEndpoint = aws.String(s.sqsURL)
	})
}

// EnsureBucket creates the bucket unless it exists, and writes into it that these servers
// keep their promises, for which server and worker look under a custom endpoint. The tests
// of proof ask for each of them.
func (s *Servers) EnsureBucket(ctx context.Context, name string) error {
	_, err := s.S3Client().CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(name)})
	if _, ok := errors.AsType[*s3types.BucketAlreadyOwnedByYou](err); err != nil && !ok {
		return fmt.Errorf("ensure bucket %s: %w", name, err)
	}
	if err := s.finding().Save(ctx, s.S3Client(), name); err != nil {
		return fmt.Errorf("write the proof into bucket %s: %w", name, err)
	}
	return nil
}

// finding says that these servers keep every promise.
func (s *Servers) finding() *proof.Finding {
	kept := func(promises []proof.Promise) []proof.Result {
		results := make([]proof.Result, len(promises))
		for i, p := range promises {
			results[i] = proof.Result{Promise: p.Name, Kept: true}
		}
		return results
	}
	now := time.Now().UTC().Truncate(time.Second)
	return &proof.Finding{
		Version: proof.Version, ProvedAt: now, Endpoint: s.s3URL, Server: "claimcheck local", Results: kept(proof.OfStore()),
		Queue: &proof.QueueFinding{ProvedAt: now, Endpoint: s.sqsURL, Results: kept(proof.OfQueue())},
	}
}

// AllowUploads lets pages of these origins put objects into the bucket by presigned URLs.
func (s *Servers) AllowUploads(ctx context.Context, bucket string, origins ...string) error {
	_, err := s.S3Client().PutBucketCors(ctx, &s3.PutBucketCorsInput{Bucket: aws.String(bucket), CORSConfiguration: &s3types.CORSConfiguration{
		CORSRules: []s3types.CORSRule{{AllowedOrigins: origins, AllowedMethods: []string{"PUT"}, AllowedHeaders: []string{"*"}}},
	}})
	if err != nil {
		return fmt.Errorf("allow uploads to %s: %w", bucket, err)
	}
	return nil
}

// QueueOptions are a queue's settings; zero values leave the service's defaults.
type QueueOptions struct {
	// Visibility is the default visibility timeout, in whole seconds.
	Visibility time.Duration
	// DeadLetter is the name of the dead-letter queue, which is ensured too.
	DeadLetter string
	// MaxReceives is how often a message is delivered before it goes there.
	MaxReceives int
}

// EnsureQueue creates the queue, or gives the one that exists these settings, and
// returns its URL.
func (s *Servers) EnsureQueue(ctx context.Context, name string, o QueueOptions) (url string, err error) {
	client := s.SQSClient()
	attributes := make(map[string]string)
	if o.Visibility > 0 {
		attributes[string(types.QueueAttributeNameVisibilityTimeout)] = strconv.Itoa(int(o.Visibility / time.Second))
	}
	if o.DeadLetter != "" {
		policy, err := s.ensureDeadLetter(ctx, client, o)
		if err != nil {
			return "", fmt.Errorf("ensure queue %s: %w", name, err)
		}
		attributes[string(types.QueueAttributeNameRedrivePolicy)] = policy
	}
	// Without attributes it is created or found, whatever settings it has.
	queue, err := client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String(name)})
	if err != nil {
		return "", fmt.Errorf("ensure queue %s: %w", name, err)
	}
	if len(attributes) > 0 {
		_, err = client.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: queue.QueueUrl, Attributes: attributes})
		if err != nil {
			return "", fmt.Errorf("ensure queue %s: %w", name, err)
		}
	}
	return *queue.QueueUrl, nil
}

// ensureDeadLetter creates the dead-letter queue unless it exists, and returns the
// redrive policy that names it.
func (s *Servers) ensureDeadLetter(ctx context.Context, client *sqs.Client, o QueueOptions) (policy string, err error) {
	url, err := s.EnsureQueue(ctx, o.DeadLetter, QueueOptions{})
	if err != nil {
		return "", err
	}
	dead, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl:       aws.String(url),
		AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
	})
	if err != nil {
		return "", err
	}
	b, err := json.Marshal(map[string]string{
		"deadLetterTargetArn": dead.Attributes[string(types.QueueAttributeNameQueueArn)],
		"maxReceiveCount":     strconv.Itoa(o.MaxReceives),
	})
	return string(b), err
}

// Env returns the environment, as KEY=value, under which Claimcheck and the AWS SDKs
// use these servers. boto3 and the first AWS command line know AWS_DEFAULT_REGION alone.
func (s *Servers) Env(bucket, queueURL string) []string {
	return []string{
		"AWS_ENDPOINT_URL_S3=" + s.s3URL,
		"AWS_ENDPOINT_URL_SQS=" + s.sqsURL,
		"AWS_REGION=" + s.options.Region,
		"AWS_DEFAULT_REGION=" + s.options.Region,
		"AWS_ACCESS_KEY_ID=" + s.options.AccessKey,
		"AWS_SECRET_ACCESS_KEY=" + s.options.SecretKey,
		"S3_BUCKET=" + bucket,
		"SQS_QUEUE_URL=" + queueURL,
	}
}
