package s3store

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"claimcheck.example/internal/job"
)

// PresignInput implements job.Presigner. The URL dies with the session of the credentials
// that signed it; where these do not say when they end, nobody knows.
func (s *Store) PresignInput(ctx context.Context, id job.ID, contentType string, size int64, ttl time.Duration) (*job.Upload, error) {
	if err := s.Proved(ctx); err != nil {
		return nil, err
	}
	key := objectKey(job.Input, id)
	signer, err := s.client.Options().Credentials.Retrieve(ctx)
	if err != nil {
		return nil, s.translate(ctx, "presign "+key, err)
	}
	expires := time.Now().Add(ttl)
	if signer.CanExpire && signer.Expires.Before(expires) {
		expires = signer.Expires
	}
	req, err := s.presign.PresignPutObject(ctx, &s3.PutObjectInput{
		Bucket:        &s.bucket,
		Key:           &key,
		ContentType:   &contentType,
		ContentLength: &size,
		IfNoneMatch:   aws.String("*"),
	}, s3.WithPresignExpires(ttl), s3.WithPresignClientFromClientOptions(func(o *s3.Options) {
		o.Credentials = credentials.StaticCredentialsProvider{Value: signer}
	}))
	if err != nil {
		return nil, s.translate(ctx, "presign "+key, err)
	}
	headers := make(map[string]string, len(req.SignedHeader))
	for name := range req.SignedHeader {
		if name != "Host" { // every client sends it by itself
			headers[name] = req.SignedHeader.Get(name)
		}
	}
	return &job.Upload{Method: req.Method, URL: req.URL, Headers: headers, ExpiresAt: expires}, nil
}
