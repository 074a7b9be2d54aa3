package proof

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// multipart determines the checksums that the store accepts, and whether it supports
// Expect: 100-continue.
func multipart(ctx context.Context, s *store) error {
	var errs []error
	for _, sums := range []Multipart{FullObject, Parts, None} {
		if s.bare && sums != None {
			continue
		}
		err := s.upload(ctx, sums)
		if statusOf(err) == http.StatusExpectationFailed {
			s.dialect.NoContinue = true
			err = s.upload(ctx, sums)
		}
		if err == nil {
			if !s.bare {
				s.dialect.Multipart = sums
			}
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		errs = append(errs, err)
	}
	return errs[len(errs)-1]
}

// upload stores an object of two parts. Over HTTP/2 the first part waits for the store's
// 100, in vain where the store does not support it; over HTTP/1 the SDK's request never
// waits.
func (s *store) upload(ctx context.Context, sums Multipart) error {
	key := s.key("multipart-" + string(sums))
	first, last := bytes.Repeat([]byte{'x'}, 5<<20), []byte("end")
	m, err := s.begin(ctx, key, sums)
	if err != nil {
		return fmt.Errorf("CreateMultipartUpload gets %w", answer(err))
	}
	defer m.abort(ctx)
	var waited, went atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		Wait100Continue: func() { waited.Store(true) }, Got100Continue: func() { went.Store(true) },
	})
	if err := m.send(traced, first); err != nil {
		return fmt.Errorf("UploadPart gets %w", answer(err))
	}
	if err := m.send(ctx, last); err != nil {
		return fmt.Errorf("UploadPart gets %w", answer(err))
	}
	if err := m.complete(ctx, absent()); err != nil {
		return fmt.Errorf("CompleteMultipartUpload with If-None-Match: * of a missing object gets %w", answer(err))
	}
	head, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: &key})
	if err != nil {
		return answer(err)
	}
	if n := aws.ToInt64(head.ContentLength); n != int64(len(first)+len(last)) {
		return fmt.Errorf("an object of %d bytes has %d", len(first)+len(last), n)
	}
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: &key, Range: aws.String(fmt.Sprintf("bytes=%d-", len(first)-1))})
	if err != nil {
		return answer(err)
	}
	defer out.Body.Close()
	var tail bytes.Buffer
	if _, err := tail.ReadFrom(out.Body); err != nil || tail.String() != "xend" {
		return fmt.Errorf("the end of the parts reads as %.20q, %v", tail.String(), err)
	}
	if waited.Load() && !went.Load() {
		s.dialect.NoContinue = true
	}
	return nil
}

func multipartExisting(ctx context.Context, s *store) error {
	key := s.key("multipart-existing")
	if _, err := s.put(ctx, key, "first", condition{}); err != nil {
		return answer(err)
	}
	return s.uploadRefused(ctx, key, absent())
}

func multipartStale(ctx context.Context, s *store) error {
	key := s.key("multipart-stale")
	stale, err := s.put(ctx, key, "stale", condition{})
	if err != nil {
		return answer(err)
	}
	if _, err := s.put(ctx, key, "first", condition{}); err != nil {
		return answer(err)
	}
	return s.uploadRefused(ctx, key, match(stale))
}

// uploadRefused checks that parts do not replace the object "first" under the condition.
func (s *store) uploadRefused(ctx context.Context, key string, c condition) error {
	m, err := s.begin(ctx, key, s.sums())
	if err != nil {
		return answer(err)
	}
	defer m.abort(ctx)
	if err := m.send(ctx, []byte("second")); err != nil {
		return answer(err)
	}
	if err := refused(m.complete(ctx, c), http.StatusNotFound); err != nil {
		return err
	}
	return s.holds(ctx, key, "first")
}

// sums is the result of the multipart probe.
func (s *store) sums() Multipart {
	if s.bare {
		return None
	}
	return s.dialect.Multipart
}

// parts is an unfinished multipart upload.
type parts struct {
	s     *store
	key   string
	sums  Multipart
	id    *string
	sent  []types.CompletedPart
	whole []byte
}

func (s *store) begin(ctx context.Context, key string, sums Multipart) (*parts, error) {
	in := &s3.CreateMultipartUploadInput{Bucket: &s.bucket, Key: &key, ContentType: aws.String("image/png")}
	if sums != None {
		in.ChecksumAlgorithm = types.ChecksumAlgorithmCrc32
	}
	if sums == FullObject {
		in.ChecksumType = types.ChecksumTypeFullObject
	}
	out, err := s.client.CreateMultipartUpload(ctx, in)
	if err != nil {
		return nil, err
	}
	if aws.ToString(out.UploadId) == "" {
		return nil, errors.New("it names no upload")
	}
	return &parts{s: s, key: key, sums: sums, id: out.UploadId}, nil
}

func (m *parts) send(ctx context.Context, data []byte) error {
	number := int32(len(m.sent) + 1)
	in := &s3.UploadPartInput{
		Bucket: &m.s.bucket, Key: &m.key, UploadId: m.id, PartNumber: &number, Body: bytes.NewReader(data), ContentLength: aws.Int64(int64(len(data))),
	}
	if m.sums != None {
		in.ChecksumCRC32 = CRC(data)
	}
	out, err := m.s.client.UploadPart(ctx, in, func(o *s3.Options) {
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired // only the given checksum
		if m.s.dialect.NoContinue {
			o.ContinueHeaderThresholdBytes = -1
		}
	})
	if err != nil {
		return err
	}
	m.sent = append(m.sent, types.CompletedPart{PartNumber: &number, ETag: out.ETag, ChecksumCRC32: in.ChecksumCRC32})
	m.whole = slices.Concat(m.whole, data)
	return nil
}

func (m *parts) complete(ctx context.Context, c condition) error {
	in := &s3.CompleteMultipartUploadInput{
		Bucket: &m.s.bucket, Key: &m.key, UploadId: m.id, MultipartUpload: &types.CompletedMultipartUpload{Parts: m.sent},
		IfNoneMatch: c.absent, IfMatch: c.match,
	}
	if m.sums == FullObject {
		in.ChecksumType, in.ChecksumCRC32, in.MpuObjectSize = types.ChecksumTypeFullObject, CRC(m.whole), aws.Int64(int64(len(m.whole)))
	}
	_, err := m.s.client.CompleteMultipartUpload(ctx, in)
	return err
}

// abort removes what a refused or broken upload left behind.
func (m *parts) abort(ctx context.Context) {
	_, _ = m.s.client.AbortMultipartUpload(context.WithoutCancel(ctx), &s3.AbortMultipartUploadInput{Bucket: &m.s.bucket, Key: &m.key, UploadId: m.id})
}
