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
func (s *Store) Create(ctx context.Context, j *job.Job) (string, error) {
	return s.write(ctx, j, func(in *s3.PutObjectInput) { in.IfNoneMatch = aws.String("*") })
}

// Swap implements job.Documents: PutObject with If-Match.
func (s *Store) Swap(ctx context.Context, j *job.Job) (string, error) {
	return s.write(ctx, j, func(in *s3.PutObjectInput) { in.IfMatch = quoted(j.Version) })
}

// write stores a document under a condition. When the outcome is in doubt it reads
// what is there: j's own revision means that the write took effect.
func (s *Store) write(ctx context.Context, j *job.Job, condition func(*s3.PutObjectInput)) (string, error) {
	body, err := json.Marshal(j)
	if err != nil {
		return "", fmt.Errorf("encode the document of job %s: %w", j.ID, err)
	}
	if err := s.Proved(ctx); err != nil {
		return "", err
	}
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, s.opts.CallTimeout)
	defer cancel()
	in := s.jsonObject(documentKey(j.ID), body)
	condition(in)
	out, err := s.client.PutObject(ctx, in)
	if err == nil {
		return unquoted(out.ETag), nil
	}
	err = s.translate(caller, "PutObject "+*in.Key, err)
	if job.KindOf(err) == job.NotFound { // If-Match on what is gone
		err = job.Wrap(job.Conflict, err, sayConflict)
	}
	if !undecided(err) || caller.Err() != nil {
		return "", err
	}
	return s.decide(caller, j, err)
}

// jsonObject is a PutObject of a small JSON object. Its checksum is given, so that it goes
// out plain with its length: without one the SDK sends it over TLS in chunks with a
// trailer, which several stores refuse.
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

// decide finds out what became of a write that ended with doubt.
func (s *Store) decide(ctx context.Context, j *job.Job, doubt error) (string, error) {
	there, err := s.Load(ctx, j.ID)
	switch {
	case err == nil && there.Revision == j.Revision:
		return there.Version, nil
	case err == nil && there.Version != j.Version:
		// Another write won: ours did not and will not take effect, or was overwritten already.
		return "", job.Wrap(job.Conflict, doubt, sayConflict)
	}
	return "", doubt
}

// Load implements job.Documents: one GetObject.
func (s *Store) Load(ctx context.Context, id job.ID) (*job.Job, error) {
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, s.opts.CallTimeout)
	defer cancel()
	key := documentKey(id)
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: &key})
	if err != nil {
		return nil, s.translate(caller, "GetObject "+key, err)
	}
	defer out.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(out.Body, job.MaxDocument+1))
	if err != nil {
		return nil, s.translate(caller, "GetObject "+key, err)
	}
	j, err := job.DecodeDocument(id, raw)
	if err != nil {
		return nil, err
	}
	j.Version = unquoted(out.ETag)
	return j, nil
}

// Erase implements job.Documents: DeleteObject with If-Match. An empty version erases
// whatever is there, for documents that cannot be loaded.
func (s *Store) Erase(ctx context.Context, id job.ID, version string) error {
	return s.remove(ctx, documentKey(id), version)
}

// remove deletes an object, with a tag only while it still has it.
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
		// Servers differ on If-Match for what is gone, and a repetition may have met
		// the work of the first try.
		_, herr := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: &key})
		if job.KindOf(s.translate(caller, "HeadObject "+key, herr)) == job.NotFound {
			return nil
		}
	}
	return err
}

func unquoted(tag *string) string { return strings.Trim(aws.ToString(tag), `"`) }
