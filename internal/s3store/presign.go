package s3store

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"claimcheck.example/internal/job"
)

// PresignInput implements job.Presigner. The URL expires at the latest with the session of the
// credentials that signed it. Without a known end of the session, the expiry is unknown.
func (s *Store) PresignInput(ctx context.Context, id job.ID, image job.Media, ttl time.Duration) (*job.Upload, error) {
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
	put := &s3.PutObjectInput{
		Bucket:        &s.bucket,
		Key:           &key,
		ContentType:   &image.ContentType,
		ContentLength: &image.SizeBytes,
		IfNoneMatch:   aws.String("*"),
	}
	options := []func(*s3.PresignOptions){s3.WithPresignExpires(ttl), s3.WithPresignClientFromClientOptions(func(o *s3.Options) {
		o.Credentials = credentials.StaticCredentialsProvider{Value: signer}
	})}
	if sum, err := hex.DecodeString(image.SHA256); err == nil && len(sum) > 0 {
		put.ChecksumSHA256 = aws.String(base64.StdEncoding.EncodeToString(sum))
		// Every store checks a header against the signature. The SDK moves it to the query by
		// default, where not every store reads it.
		options = append(options, func(o *s3.PresignOptions) {
			o.Presigner = v4.NewSigner(func(o *v4.SignerOptions) { o.DisableHeaderHoisting, o.DisableURIPathEscaping = true, true })
		})
	}
	req, err := s.presign.PresignPutObject(ctx, put, options...)
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

// UploadedDigest implements job.Presigner. S3 keeps the checksum that a presigned upload must
// have; a store that ignores it has none.
func (s *Store) UploadedDigest(ctx context.Context, id job.ID) (sha256, tag string, err error) {
	key := objectKey(job.Input, id)
	head, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: &key, ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		return "", "", s.translate(ctx, "head "+key, err)
	}
	sum, err := base64.StdEncoding.DecodeString(aws.ToString(head.ChecksumSHA256))
	if err != nil {
		sum = nil // of the parts of an upload, which is not a digest of the image
	}
	return hex.EncodeToString(sum), unquoted(head.ETag), nil
}
