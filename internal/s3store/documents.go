package s3store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"claimcheck.example/internal/job"
)

// Create implements job.Documents: PutObject with If-None-Match: *.
func (s *Store) Create(ctx context.Context, j *job.Job) (string, error) { return s.write(ctx, j, nil) }

// Swap implements job.Documents: PutObject with If-Match.
func (s *Store) Swap(ctx context.Context, j *job.Job) (string, error) {
	return s.write(ctx, j, quoted(j.Version))
}

func (s *Store) write(ctx context.Context, j *job.Job, ifMatch *string) (string, error) {
	return s.putIf(ctx, documentKey(j.ID), j, ifMatch, j.Revision, func(ctx context.Context) (tag, revision string, err error) {
		there, err := s.Load(ctx, j.ID)
		if err != nil {
			return "", "", err
		}
		return there.Version, there.Revision, nil
	})
}

// putIf stores a small JSON object if the stored one has the given tag, or if there is none and
// ifMatch is nil. It returns the new tag. After an ambiguous answer it reads the stored object:
// the write's own revision means that the write took effect.
func (s *Store) putIf(ctx context.Context, key string, v any, ifMatch *string, revision string, read func(context.Context) (tag, revision string, err error)) (string, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode %s: %w", key, err)
	}
	if err := s.Proved(ctx); err != nil {
		return "", err
	}
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, s.opts.CallTimeout)
	defer cancel()
	in := s.jsonObject(key, body)
	if in.IfMatch = ifMatch; ifMatch == nil {
		in.IfNoneMatch = aws.String("*")
	}
	out, err := s.client.PutObject(ctx, in)
	if err == nil {
		return unquoted(out.ETag), nil
	}
	err = s.translate(caller, "PutObject "+key, err)
	if job.KindOf(err) == job.NotFound { // If-Match on what is gone
		err = job.Wrap(job.Conflict, err, sayConflict)
	}
	if !undecided(err) || caller.Err() != nil {
		return "", err
	}
	tag, theirs, rerr := read(caller)
	switch {
	case rerr == nil && theirs == revision:
		return tag, nil
	case rerr == nil && tag != unquoted(ifMatch):
		// Another write won: this one never takes effect, or is overwritten already.
		return "", job.Wrap(job.Conflict, err, sayConflict)
	}
	return "", err
}

// jsonObject is a PutObject of a small JSON object. It has a checksum, so that the SDK sends a
// plain body with its length. Without one the SDK sends chunks with a trailer over TLS, which
// several stores reject.
func (s *Store) jsonObject(key string, body []byte) *s3.PutObjectInput {
	return &s3.PutObjectInput{
		Bucket:        &s.bucket,
		Key:           &key,
		Body:          bytes.NewReader(body),
		ContentLength: aws.Int64(int64(len(body))),
		ContentType:   aws.String("application/json"),
		ChecksumCRC32: s.checksum(crc32.ChecksumIEEE(body)),
	}
}

// Load implements job.Documents: one GetObject.
func (s *Store) Load(ctx context.Context, id job.ID) (*job.Job, error) {
	raw, tag, err := s.get(ctx, documentKey(id))
	if err != nil {
		return nil, err
	}
	j, err := job.DecodeDocument(id, raw)
	if err != nil {
		return nil, err
	}
	j.Version = tag
	return j, nil
}

// get reads a small object, up to one byte more than the maximum of a document.
func (s *Store) get(ctx context.Context, key string) (raw []byte, tag string, err error) {
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, s.opts.CallTimeout)
	defer cancel()
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: &key})
	if err != nil {
		return nil, "", s.translate(caller, "GetObject "+key, err)
	}
	defer out.Body.Close()
	var b bytes.Buffer
	b.Grow(int(min(max(aws.ToInt64(out.ContentLength), 0), job.MaxDocument)) + bytes.MinRead)
	_, err = b.ReadFrom(io.LimitReader(out.Body, job.MaxDocument+1))
	return b.Bytes(), unquoted(out.ETag), s.translate(caller, "GetObject "+key, err)
}

// Erase implements job.Documents: DeleteObject with If-Match. An empty version erases any
// document, for those that Load cannot read.
func (s *Store) Erase(ctx context.Context, id job.ID, version string) error {
	return s.remove(ctx, documentKey(id), version)
}

// remove deletes an object. A tag makes the deletion conditional.
func (s *Store) remove(ctx context.Context, key, tag string) error {
	if err := s.Proved(ctx); err != nil {
		return err
	}
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, s.opts.CallTimeout)
	defer cancel()
	in := &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &key}
	if tag != "" {
		in.IfMatch = quoted(tag)
	}
	_, err := s.client.DeleteObject(ctx, in)
	err = s.translate(caller, "DeleteObject "+key, err)
	switch job.KindOf(err) {
	case job.NotFound:
		return nil
	case job.Conflict:
		// Servers differ on If-Match for a missing object, and a retry may follow a first
		// attempt that succeeded.
		_, herr := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: &key})
		if job.KindOf(s.translate(caller, "HeadObject "+key, herr)) == job.NotFound {
			return nil
		}
	}
	return err
}

func unquoted(tag *string) string { return strings.Trim(aws.ToString(tag), `"`) }
