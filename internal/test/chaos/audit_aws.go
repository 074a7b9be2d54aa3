package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"claimcheck.example/internal/awslocal"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/test/process"
)

// awsAuditor reads S3 and SQS.
type awsAuditor struct {
	s3    *s3.Client
	sqs   *sqs.Client
	queue string
}

func newAWSAuditor(s *harness) awsAuditor {
	env := map[string]string{}
	for _, kv := range s.backendEnv {
		k, v, _ := strings.Cut(kv, "=")
		env[k] = v
	}
	cfg := aws.Config{Region: awslocal.DefaultRegion, Credentials: credentials.NewStaticCredentialsProvider(awslocal.DefaultAccessKey, awslocal.DefaultSecretKey, "")}
	return awsAuditor{
		s3:    s3.NewFromConfig(cfg, func(o *s3.Options) { o.BaseEndpoint = aws.String(env["AWS_ENDPOINT_URL_S3"]); o.UsePathStyle = true }),
		sqs:   sqs.NewFromConfig(cfg, func(o *sqs.Options) { o.BaseEndpoint = aws.String(env["AWS_ENDPOINT_URL_SQS"]) }),
		queue: env["SQS_QUEUE_URL"],
	}
}

func (a awsAuditor) left(ctx context.Context) (left int, err error) {
	for _, url := range []string{a.queue, strings.TrimSuffix(a.queue, process.Queue) + process.Queue + "-dead"} {
		out, err := a.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{"All"}})
		if err != nil {
			return 0, err
		}
		for _, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"} {
			var n int
			fmt.Sscan(out.Attributes[name], &n)
			left += n
		}
	}
	return left, nil
}

func (a awsAuditor) objects(ctx context.Context) (map[string]map[string]object, error) {
	objects := map[string]map[string]object{}
	pages := s3.NewListObjectsV2Paginator(a.s3, &s3.ListObjectsV2Input{Bucket: aws.String(process.Bucket)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			section, _, _ := strings.Cut(*o.Key, "/")
			id := (*o.Key)[strings.LastIndexByte(*o.Key, '/')+1:]
			if _, err := job.ParseID(id); err != nil {
				continue // what the local S3 leaves of a write in which it was killed
			}
			if objects[section] == nil {
				objects[section] = map[string]object{}
			}
			if other := objects[section][id]; other.key != "" {
				return nil, fmt.Errorf("job %s has two objects: %s and %s", id, other.key, *o.Key)
			}
			objects[section][id] = object{*o.Key, *o.LastModified}
		}
	}
	return objects, nil
}

func (a awsAuditor) document(ctx context.Context, id string) ([]byte, error) {
	return a.record(ctx, "jobs/"+id)
}

func (a awsAuditor) record(ctx context.Context, key string) ([]byte, error) {
	out, err := a.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(process.Bucket), Key: &key})
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	return io.ReadAll(out.Body)
}

func (a awsAuditor) uploads(ctx context.Context) (all []object, err error) {
	pages := s3.NewListMultipartUploadsPaginator(a.s3, &s3.ListMultipartUploadsInput{Bucket: aws.String(process.Bucket)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, u := range page.Uploads {
			all = append(all, object{*u.Key, *u.Initiated})
		}
	}
	return all, nil
}
