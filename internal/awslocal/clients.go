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

// S3URL returns the S3 endpoint without a trailing slash. Buckets are in the path.
func (s *Servers) S3URL() string { return s.s3URL }

// SQSURL returns the SQS endpoint without a trailing slash.
func (s *Servers) SQSURL() string { return s.sqsURL }

// Config returns the SDK's settings: region, credentials and checksums as
// config.LoadDefaultConfig sets them. It sets no endpoint, since the two differ: use
// S3URL and SQSURL, or S3Client and SQSClient.
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

// EnsureBucket creates the bucket unless it exists, and writes into it the proof that
// these servers keep their promises, which server and worker require of a custom
// endpoint. The tests of package proof check each promise.
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

// finding is a proof that has no failure.
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
	// DeadLetter is the name of the dead-letter queue; EnsureQueue creates it, too.
	DeadLetter string
	// MaxReceives is the number of deliveries after which a message goes there.
	MaxReceives int
}

// EnsureQueue creates the queue, or changes an existing one to these settings, and
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
	// Without attributes this finds an existing queue, whatever its settings.
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

// Env returns the environment, as KEY=value, that makes Claimcheck and the AWS SDKs use
// these servers. boto3 and version 1 of the AWS command line read only
// AWS_DEFAULT_REGION.
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
