package s3store

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/proof"
)

// tokenMeta is the metadata key (x-amz-meta-upload) that records which upload wrote an
// object.
const tokenMeta = "upload"

// unsignedPayload replaces the payload's hash and leaves the payload out of the signature.
// The payload's CRC-32 is a signed header. This is the SDK's default over TLS.
const unsignedPayload = "UNSIGNED-PAYLOAD"

var errEnded = errors.New("s3store: commit of an upload that was discarded")

// Commit implements job.Staged: one PutObject, or the last part and
// CompleteMultipartUpload.
func (u *upload) Commit(ctx context.Context, c job.Condition) (string, error) {
	if u.done {
		if u.tag == "" {
			return "", errEnded
		}
		return u.tag, nil
	}
	var tag string
	var err error
	if u.id == "" {
		tag, err = u.put(ctx, c)
	} else {
		tag, err = u.complete(ctx, c)
	}
	if err != nil {
		if c.Tag != "" && job.KindOf(err) == job.NotFound { // If-Match on what is gone
			err = job.Wrap(job.Conflict, err, sayConflict)
		}
		if !undecided(err) || ctx.Err() != nil {
			return "", err
		}
		if tag, err = u.decide(ctx, c, err); err != nil {
			return "", err
		}
	}
	u.tag, u.done = tag, true
	u.release()
	return tag, nil
}

// Discard implements job.Staged.
func (u *upload) Discard() {
	if u.done {
		return
	}
	u.done = true
	u.release()
	if u.id == "" {
		return
	}
	ctx, cancel := context.WithTimeout(u.base, u.store.opts.AbortTimeout)
	defer cancel()
	// The bucket's lifecycle rule removes what remains after a failure.
	_, _ = u.store.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: &u.store.bucket, Key: &u.key, UploadId: &u.id,
	})
}

// release returns the buffer.
func (u *upload) release() {
	if u.buf != nil {
		u.memory.give(u.buf)
		u.buf = nil
	}
}

// put sends the whole object. It passes SHA-256 and CRC-32, so that the SDK does not read
// the body to compute them.
func (u *upload) put(ctx context.Context, c job.Condition) (string, error) {
	if err := u.store.Proved(ctx); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, u.store.opts.PartTimeout)
	defer cancel()
	in := &s3.PutObjectInput{
		Bucket:        &u.store.bucket,
		Key:           &u.key,
		Body:          bytes.NewReader(u.buf[:u.n]),
		ContentLength: aws.Int64(int64(u.n)),
		ContentType:   &u.contentType,
		ChecksumCRC32: u.store.checksum(u.crc),
		Metadata:      map[string]string{tokenMeta: u.token},
	}
	in.IfNoneMatch, in.IfMatch = headers(c)
	out, err := u.store.client.PutObject(ctx, in, withPayloadHash(u.sum), u.store.dialect)
	if err != nil {
		return "", u.store.translate(ctx, "PutObject "+u.key, err)
	}
	return unquoted(out.ETag), nil
}

// begin creates the multipart upload.
func (u *upload) begin(ctx context.Context) error {
	if err := u.store.Proved(ctx); err != nil {
		return err
	}
	// It ignores the end of ctx: S3 might create the upload anyway, and its name would be unknown.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), u.store.opts.CallTimeout)
	defer cancel()
	in := &s3.CreateMultipartUploadInput{
		Bucket:      &u.store.bucket,
		Key:         &u.key,
		ContentType: &u.contentType,
		Metadata:    map[string]string{tokenMeta: u.token},
	}
	u.sums = u.store.multipart()
	if u.sums != proof.None {
		in.ChecksumAlgorithm = types.ChecksumAlgorithmCrc32
	}
	if u.sums == proof.FullObject {
		in.ChecksumType = types.ChecksumTypeFullObject
	}
	out, err := u.store.client.CreateMultipartUpload(ctx, in)
	if err != nil {
		return u.store.translate(ctx, "CreateMultipartUpload "+u.key, err)
	}
	u.id = aws.ToString(out.UploadId)
	return nil
}

// sendPart sends one part. It may run while the next one is read. After ctx is canceled it
// continues for up to AbortTimeout, because a part that arrives after the abort stays in S3.
// The caller does not wait for that.
func (u *upload) sendPart(ctx context.Context, number int32, data []byte, crc uint32) (types.CompletedPart, error) {
	sending, cancel := context.WithTimeout(context.WithoutCancel(ctx), u.store.opts.PartTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		if ctx.Err() == context.DeadlineExceeded || errors.Is(context.Cause(ctx), job.ErrStopping) {
			cancel()
			return
		}
		defer time.AfterFunc(u.store.opts.AbortTimeout, cancel).Stop()
		<-sending.Done()
	})()
	in := &s3.UploadPartInput{
		Bucket:        &u.store.bucket,
		Key:           &u.key,
		UploadId:      &u.id,
		PartNumber:    &number,
		Body:          bytes.NewReader(data),
		ContentLength: aws.Int64(int64(len(data))),
	}
	options := []func(*s3.Options){u.store.dialect}
	if u.sums == proof.None { // the signature covers the payload where TLS does not protect it
		options = append(options, withoutChecksum)
	} else {
		in.ChecksumCRC32 = proof.EncodeCRC(crc)
		options = append(options, withPayloadHash(unsignedPayload))
	}
	out, err := u.store.client.UploadPart(sending, in, options...)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return types.CompletedPart{}, u.store.translate(ctx, "UploadPart "+u.key, err)
	}
	return types.CompletedPart{PartNumber: &number, ETag: out.ETag, ChecksumCRC32: in.ChecksumCRC32}, nil
}

// complete sends the last part, once, and assembles the parts into an object.
func (u *upload) complete(ctx context.Context, c job.Condition) (string, error) {
	if u.buf != nil {
		part, err := u.sendPart(ctx, int32(len(u.parts)+1), u.buf[:u.n], u.crc)
		if err != nil {
			return "", err
		}
		u.parts = append(u.parts, part)
		u.release()
	}
	ctx, cancel := context.WithTimeout(ctx, u.store.opts.PartTimeout)
	defer cancel()
	in := &s3.CompleteMultipartUploadInput{
		Bucket:          &u.store.bucket,
		Key:             &u.key,
		UploadId:        &u.id,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: u.parts},
	}
	if u.sums == proof.FullObject {
		in.ChecksumType, in.ChecksumCRC32, in.MpuObjectSize = types.ChecksumTypeFullObject, proof.EncodeCRC(u.whole), &u.size
	}
	in.IfNoneMatch, in.IfMatch = headers(c)
	out, err := u.store.client.CompleteMultipartUpload(ctx, in)
	if err != nil {
		return "", u.store.translate(ctx, "CompleteMultipartUpload "+u.key, err)
	}
	return unquoted(out.ETag), nil
}

// decide determines the outcome of a commit whose answer is ambiguous: an object with this
// upload's token means success.
func (u *upload) decide(ctx context.Context, c job.Condition, doubt error) (string, error) {
	there, token, err := u.store.head(ctx, u.key)
	switch {
	case err == nil && token == u.token:
		return there.Tag, nil
	case err == nil && c.Absent, err == nil && c.Tag != "" && there.Tag != c.Tag:
		return "", job.Wrap(job.Conflict, doubt, sayConflict)
	case job.KindOf(err) == job.NotFound && c.Absent && job.KindOf(doubt) == job.Conflict:
		// The conflicting write did not last; a retry can succeed.
		return "", job.Wrap(job.Unavailable, doubt, sayUnavailable)
	}
	return "", doubt
}

// headers returns a condition as If-None-Match and If-Match.
func headers(c job.Condition) (ifNoneMatch, ifMatch *string) {
	if c.Absent {
		ifNoneMatch = aws.String("*")
	}
	if c.Tag != "" {
		ifMatch = quoted(c.Tag)
	}
	return ifNoneMatch, ifMatch
}

// withPayloadHash signs a request with this hash of its payload, so that the SDK does not
// read the payload to compute it.
func withPayloadHash(hash string) func(*s3.Options) {
	set := middleware.InitializeMiddlewareFunc("claimcheck:PayloadHash",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			return next.HandleInitialize(v4.SetPayloadHash(ctx, hash), in)
		})
	return s3.WithAPIOptions(func(stack *middleware.Stack) error {
		return stack.Initialize.Add(set, middleware.After)
	})
}
