package awslocal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/aws/smithy-go"
)

// Expire deletes the objects under these prefixes whose last write was before a time, and
// aborts the uploads begun before it. S3 does both by lifecycle rules, which the local
// server does not have.
func (s *Servers) Expire(ctx context.Context, bucket string, prefixes []string, before time.Time) error {
	client := s.S3Client()
	for _, prefix := range prefixes {
		pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return fmt.Errorf("expire objects: %w", err)
			}
			for _, o := range page.Contents {
				if !o.LastModified.Before(before) {
					continue
				}
				// An object that is written again meanwhile stays.
				_, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: o.Key, IfMatch: o.ETag})
				if err != nil && codeOf(err) != "PreconditionFailed" {
					return fmt.Errorf("expire objects: %w", err)
				}
			}
		}
		if err := s.expireUploads(ctx, client, bucket, prefix, before); err != nil {
			return fmt.Errorf("expire uploads: %w", err)
		}
	}
	return nil
}

func (s *Servers) expireUploads(ctx context.Context, client *s3.Client, bucket, prefix string, before time.Time) error {
	pages := s3.NewListMultipartUploadsPaginator(client, &s3.ListMultipartUploadsInput{Bucket: &bucket, Prefix: &prefix})
	var old []types.MultipartUpload
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, u := range page.Uploads {
			if u.Initiated.Before(before) {
				old = append(old, u)
			}
		}
	}
	for _, u := range old {
		_, err := client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &bucket, Key: u.Key, UploadId: u.UploadId})
		if err != nil && codeOf(err) != "NoSuchUpload" {
			return err
		}
	}
	return nil
}

// codeOf returns the error code of S3's answer; empty when there was none.
func codeOf(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}
