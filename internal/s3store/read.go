package s3store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"claimcheck.example/internal/job"
)

// Open implements job.Objects: one GetObject. The body lives until it is closed or ctx
// ends; one read of it may take as long as Options.IdleTimeout.
func (s *Store) Open(ctx context.Context, section job.Section, id job.ID, opts job.OpenOptions) (*job.Content, error) {
	key := objectKey(section, id)
	in := &s3.GetObjectInput{Bucket: &s.bucket, Key: &key}
	if opts.Range != "" {
		in.Range = &opts.Range
	}
	if opts.IfNoneMatch != "" {
		in.IfNoneMatch = quoted(opts.IfNoneMatch)
	}
	caller := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	watch := time.AfterFunc(s.opts.CallTimeout, func() { cancel(errIdle) })
	out, err := s.client.GetObject(ctx, in)
	watch.Stop()
	if err != nil {
		cancel(nil)
		if _, status := codeOf(err); status == http.StatusNotModified {
			return &job.Content{Body: io.NopCloser(bytes.NewReader(nil)), Tag: opts.IfNoneMatch, NotModified: true}, nil
		}
		return nil, s.translate(caller, "GetObject "+key, err)
	}
	c := &job.Content{
		ContentType:  aws.ToString(out.ContentType),
		Size:         aws.ToInt64(out.ContentLength),
		TotalSize:    aws.ToInt64(out.ContentLength),
		Range:        aws.ToString(out.ContentRange),
		Tag:          unquoted(out.ETag),
		LastModified: aws.ToTime(out.LastModified),
	}
	if total, ok := totalOf(c.Range); ok {
		c.TotalSize = total
	}
	c.Body = &idleBody{
		body: out.Body, idle: s.opts.IdleTimeout, cancel: cancel,
		translate: func(err error) error { return s.translate(caller, "GetObject "+key, err) },
	}
	return c, nil
}

// totalOf returns the size of the whole object from "bytes a-b/total".
func totalOf(contentRange string) (int64, bool) {
	_, total, ok := strings.Cut(contentRange, "/")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(total, 10, 64)
	return n, err == nil
}

var errIdle = errors.New("no answer in time")

// idleBody ends a request whose body stalls. Time without a read does not count: a slow
// client is not S3's fault.
type idleBody struct {
	body      io.ReadCloser
	idle      time.Duration
	cancel    context.CancelCauseFunc
	translate func(error) error
	timer     *time.Timer
}

// Read implements io.Reader; its errors have a Kind.
func (b *idleBody) Read(p []byte) (int, error) {
	if b.timer == nil {
		b.timer = time.AfterFunc(b.idle, func() { b.cancel(errIdle) })
	} else {
		b.timer.Reset(b.idle)
	}
	n, err := b.body.Read(p)
	b.timer.Stop()
	if err != nil && err != io.EOF {
		err = b.translate(err)
	}
	return n, err
}

// Close implements io.Closer.
func (b *idleBody) Close() error {
	if b.timer != nil {
		b.timer.Stop()
	}
	err := b.body.Close()
	b.cancel(nil)
	return err
}

// Stat implements job.Objects: one HeadObject.
func (s *Store) Stat(ctx context.Context, section job.Section, id job.ID) (*job.Content, error) {
	c, _, err := s.head(ctx, objectKey(section, id))
	return c, err
}

// head returns what is known of an object, and the token of the upload that wrote it.
func (s *Store) head(ctx context.Context, key string) (*job.Content, string, error) {
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, s.opts.CallTimeout)
	defer cancel()
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: &key})
	if err != nil {
		return nil, "", s.translate(caller, "HeadObject "+key, err)
	}
	n := aws.ToInt64(out.ContentLength)
	return &job.Content{
		ContentType:  aws.ToString(out.ContentType),
		Size:         n,
		TotalSize:    n,
		Tag:          unquoted(out.ETag),
		LastModified: aws.ToTime(out.LastModified),
	}, out.Metadata[tokenMeta], nil
}

// Remove implements job.Objects: DeleteObject, with If-Match when there is a tag.
func (s *Store) Remove(ctx context.Context, section job.Section, id job.ID, tag string) error {
	return s.remove(ctx, objectKey(section, id), tag)
}
