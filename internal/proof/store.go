package proof

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Probes begins the keys of all objects of a proof.
const Probes = "proof.d/"

// storeProbes run in this order.
var storeProbes = []probe[*store]{
	{Promise{"plain write, read and delete", "nothing works", "correct S3_BUCKET, the endpoint and the rights of these credentials"}, plain},
	{Promise{"empty object", "an empty image or result cannot be stored", otherVersion}, empty},
	{Promise{"metadata", "after a lost answer no client knows which write took effect", otherVersion}, metadata},
	{Promise{"ranged read", "parts of results cannot be read, and direct uploads not be checked", otherVersion}, ranged},
	{Promise{"conditional read", "clients read again what they have", otherVersion}, conditionalRead},
	{Promise{"ordered listing", "usage and lists of jobs have gaps", documentsElsewhere}, listing},
	{Promise{"create of what exists is refused", "two submits under one Idempotency-Key make two jobs, and a job can be billed twice", documentsElsewhere}, createExisting},
	{Promise{"one of racing creates wins", "two submits under one Idempotency-Key at once make two jobs, and a job can be billed twice", documentsElsewhere}, createRace},
	{Promise{"swap by the current tag", "no job ever starts", documentsElsewhere}, swap},
	{Promise{"swap by a stale tag is refused", "two workers hold one job, and a cancel is overwritten", documentsElsewhere}, swapStale},
	{Promise{"one of racing swaps wins", "two workers claim one job at once", documentsElsewhere}, swapRace},
	{Promise{"swap of nothing is refused", "a deleted job comes back", documentsElsewhere}, swapNothing},
	{Promise{"delete by a stale tag is refused", "a delete takes what another request has just written", documentsElsewhere}, deleteStale},
	{Promise{"wrong checksum is refused", "an image that was damaged on its way is stored", noChecksums}, wrongChecksum},
	{Promise{"multipart upload", "images over 5 MiB cannot be stored", otherVersion}, multipart},
	{Promise{"multipart create of what exists is refused", "a large image overwrites another under one Idempotency-Key", documentsElsewhere}, multipartExisting},
	{Promise{"multipart swap by a stale tag is refused", "a worker that lost its lease overwrites the result", documentsElsewhere}, multipartStale},
	{Promise{"presigned upload", "direct uploads do not work", otherVersion}, presigned},
	{Promise{"presigned upload of another size is refused", "a direct upload can be of any size", otherVersion}, presignedSize},
	{Promise{"presigned upload of another type is refused", "a direct upload can be served as another type than announced", otherVersion}, presignedType},
	{Promise{"second presigned upload is refused", "an image changes after it was checked", otherVersion}, presignedTwice},
}

// Store checks the store behind client, a client like those of server and worker, for
// every promise, and determines its dialect. It fails when it cannot check; a broken
// promise is a result.
func Store(ctx context.Context, client *s3.Client, bucket string) (*Finding, error) {
	o := client.Options()
	s := &store{
		client: client, http: o.HTTPClient, bucket: bucket, prefix: Probes + strings.ToLower(rand.Text()) + "/",
		bare: Bare(client),
	}
	defer s.clear(context.WithoutCancel(ctx))
	if err := plain(ctx, s); err != nil {
		return nil, fmt.Errorf("a plain write, read and delete: %w", err)
	}
	var results []Result
	for _, p := range storeProbes {
		r, err := p.result(ctx, s)
		if err != nil {
			return nil, err
		}
		results = append(results, r)
	}
	return &Finding{
		Version: Version, ProvedAt: time.Now().UTC().Truncate(time.Second), Endpoint: Origin(o.BaseEndpoint),
		Server: s.server, WithoutChecksums: s.bare, Results: results, Dialect: s.dialect,
	}, nil
}

// Bare reports whether a client's requests carry no checksums, by
// AWS_REQUEST_CHECKSUM_CALCULATION=when_required.
func Bare(client *s3.Client) bool {
	return client.Options().RequestChecksumCalculation == aws.RequestChecksumCalculationWhenRequired
}

// store is the bucket under proof.
type store struct {
	client         *s3.Client
	http           s3.HTTPClient
	bucket, prefix string
	bare           bool // requests carry no checksums
	keys           []string
	server         string
	dialect        Dialect
}

// key returns an unused key.
func (s *store) key(name string) string {
	key := s.prefix + name
	s.keys = append(s.keys, key)
	return key
}

// clear deletes the objects of the proof.
func (s *store) clear(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, key := range s.keys {
		_, _ = s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &key})
	}
}

// condition is the condition of a write; the zero value is none.
type condition struct{ absent, match *string }

func absent() condition          { return condition{absent: aws.String("*")} }
func match(tag string) condition { return condition{match: &tag} }
func (s *store) sum(b string) *string {
	if s.bare {
		return nil
	}
	return CRC([]byte(b))
}

// put writes an object as server and worker write documents, and returns its tag.
func (s *store) put(ctx context.Context, key, body string, c condition) (string, error) {
	in := &s3.PutObjectInput{
		Bucket: &s.bucket, Key: &key, Body: strings.NewReader(body), ContentLength: aws.Int64(int64(len(body))),
		ContentType: aws.String("application/json"), ChecksumCRC32: s.sum(body), IfNoneMatch: c.absent, IfMatch: c.match,
	}
	if body != "" {
		in.Metadata = map[string]string{"upload": body}
	}
	out, err := s.client.PutObject(ctx, in)
	if err != nil {
		return "", err
	}
	return aws.ToString(out.ETag), nil
}

// get returns an object's body and tag.
func (s *store) get(ctx context.Context, key string) (body, tag string, err error) {
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: &key})
	if err != nil {
		return "", "", err
	}
	defer out.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(out.Body, 1<<20))
	return string(raw), aws.ToString(out.ETag), err
}

// holds checks that the object exists with the body.
func (s *store) holds(ctx context.Context, key, body string) error {
	got, _, err := s.get(ctx, key)
	if err != nil {
		return fmt.Errorf("a read of the written object: %w", err)
	}
	if got != body {
		return fmt.Errorf("a read gives %.20q, written is %.20q", got, body)
	}
	return nil
}

// gone checks that the object does not exist.
func (s *store) gone(ctx context.Context, key string) error {
	_, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: &key})
	switch {
	case err == nil:
		return errors.New("there is an object that must not exist")
	case statusOf(err) != http.StatusNotFound:
		return fmt.Errorf("a HEAD of a missing object gets %w", answer(err))
	}
	return nil
}

// refused checks that a write was refused with one of the statuses; by default those of a
// failed condition.
func refused(err error, also ...int) error {
	if err == nil {
		return errors.New("it gets 200: the store ignores the condition")
	}
	status := statusOf(err)
	for _, s := range append(also, http.StatusPreconditionFailed, http.StatusConflict) {
		if status == s {
			return nil
		}
	}
	return fmt.Errorf("it gets %w", answer(err))
}

// statusOf returns the HTTP status of an answer; 0 when there was none.
func statusOf(err error) int {
	if e, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return e.HTTPStatusCode()
	}
	return 0
}

// answer shortens an SDK error to the store's answer.
func answer(err error) error {
	if statusOf(err) == 0 {
		return err
	}
	return &answered{err}
}

// answered is an SDK error with an answer of the store.
type answered struct{ error }

// Error returns the status and the code, without the parts that differ from request to
// request.
func (a *answered) Error() string {
	text := strconv.Itoa(statusOf(a.error))
	if e, ok := errors.AsType[smithy.APIError](a.error); ok {
		text += " " + e.ErrorCode()
	}
	return text
}

// Unwrap returns the SDK's error.
func (a *answered) Unwrap() error { return a.error }

func plain(ctx context.Context, s *store) error {
	key := s.key("plain")
	tag, err := s.put(ctx, key, "one", condition{})
	if err != nil {
		return err
	}
	if err := s.holds(ctx, key, "one"); err != nil {
		return err
	}
	head, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: &key})
	if err != nil {
		return fmt.Errorf("a HEAD: %w", err)
	}
	if got := aws.ToString(head.ETag); got != tag || tag == "" {
		return fmt.Errorf("a write answers tag %s, a HEAD %s", tag, got)
	}
	if raw, ok := awsmiddleware.GetRawResponse(head.ResultMetadata).(*smithyhttp.Response); ok {
		s.server = raw.Header.Get("Server")
	}
	for _, again := range []string{"delete", "delete of nothing"} {
		_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &key})
		if err != nil && (again == "delete" || statusOf(err) != http.StatusNotFound) {
			return fmt.Errorf("a %s: %w", again, err)
		}
	}
	return s.gone(ctx, key)
}

func empty(ctx context.Context, s *store) error {
	key := s.key("empty")
	if _, err := s.put(ctx, key, "", absent()); err != nil {
		return answer(err)
	}
	return s.holds(ctx, key, "")
}

func metadata(ctx context.Context, s *store) error {
	key := s.key("metadata")
	if _, err := s.put(ctx, key, "token", condition{}); err != nil {
		return answer(err)
	}
	head, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: &key})
	if err != nil {
		return answer(err)
	}
	if head.Metadata["upload"] != "token" || aws.ToString(head.ContentType) != "application/json" {
		return fmt.Errorf("x-amz-meta-upload comes back as %q, the content type as %q", head.Metadata["upload"], aws.ToString(head.ContentType))
	}
	return nil
}

func ranged(ctx context.Context, s *store) error {
	key := s.key("ranged")
	if _, err := s.put(ctx, key, "0123456789", condition{}); err != nil {
		return answer(err)
	}
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: &key, Range: aws.String("bytes=2-4")})
	if err != nil {
		return answer(err)
	}
	defer out.Body.Close()
	got, err := io.ReadAll(io.LimitReader(out.Body, 20))
	if err != nil {
		return err
	}
	if string(got) != "234" || aws.ToString(out.ContentRange) != "bytes 2-4/10" {
		return fmt.Errorf("bytes=2-4 gives %q with Content-Range %q", got, aws.ToString(out.ContentRange))
	}
	beyond, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: &key, Range: aws.String("bytes=20-")})
	if err == nil {
		beyond.Body.Close()
		return errors.New("a range beyond the end gets 200")
	}
	if statusOf(err) != http.StatusRequestedRangeNotSatisfiable {
		return fmt.Errorf("a range beyond the end gets %w", answer(err))
	}
	return nil
}

func conditionalRead(ctx context.Context, s *store) error {
	key := s.key("known")
	tag, err := s.put(ctx, key, "known", condition{})
	if err != nil {
		return answer(err)
	}
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: &key, IfNoneMatch: &tag})
	if err == nil {
		out.Body.Close()
		return errors.New("If-None-Match with the object's own tag gets 200")
	}
	if statusOf(err) != http.StatusNotModified {
		return fmt.Errorf("If-None-Match with the object's own tag gets %w", answer(err))
	}
	return nil
}

func listing(ctx context.Context, s *store) error {
	prefix := s.prefix + "list/"
	for _, name := range []string{"b", "c", "a"} {
		if _, err := s.put(ctx, s.key("list/"+name), name, condition{}); err != nil {
			return answer(err)
		}
	}
	var got []string
	pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{
		Bucket: &s.bucket, Prefix: &prefix, StartAfter: aws.String(prefix + "a"), MaxKeys: aws.Int32(1),
	})
	for pages.HasMorePages() && len(got) < 5 {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return answer(err)
		}
		for _, o := range page.Contents {
			got = append(got, strings.TrimPrefix(aws.ToString(o.Key), prefix))
		}
	}
	if strings.Join(got, "") != "bc" {
		return fmt.Errorf("a listing after a of a, b, c gives %q", got)
	}
	return nil
}

func wrongChecksum(ctx context.Context, s *store) error {
	if s.bare {
		return nil // no request carries one
	}
	key := s.key("checksum")
	_, err := s.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &s.bucket, Key: &key, Body: strings.NewReader("damaged"), ContentLength: aws.Int64(7), ChecksumCRC32: CRC([]byte("as sent")),
	})
	if err == nil {
		return errors.New("a body that differs from its x-amz-checksum-crc32 gets 200")
	}
	if status := statusOf(err); status != http.StatusBadRequest {
		return fmt.Errorf("a body that differs from its x-amz-checksum-crc32 gets %w", answer(err))
	}
	return s.gone(ctx, key)
}
