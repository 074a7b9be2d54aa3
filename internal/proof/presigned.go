package proof

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// The upload that the presigned URLs announce.
const (
	announced     = "0123456789"
	announcedType = "image/png"
)

// presign returns a URL for one upload of the announced size and type, as a direct upload
// does.
func (s *store) presign(ctx context.Context, key string) (*v4.PresignedHTTPRequest, error) {
	return s3.NewPresignClient(s.client).PresignPutObject(ctx, &s3.PutObjectInput{
		Bucket: &s.bucket, Key: &key, ContentType: aws.String(announcedType), ContentLength: aws.Int64(int64(len(announced))), IfNoneMatch: aws.String("*"),
	}, s3.WithPresignExpires(10*time.Minute))
}

// upload puts a body to a presigned URL and returns the status of the answer.
func (s *store) uploadTo(ctx context.Context, to *v4.PresignedHTTPRequest, body, contentType string) (int, error) {
	r, err := http.NewRequestWithContext(ctx, to.Method, to.URL, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	for name := range to.SignedHeader {
		if name != "Host" && name != "Content-Length" {
			r.Header.Set(name, to.SignedHeader.Get(name))
		}
	}
	r.Header.Set("Content-Type", contentType)
	resp, err := s.http.Do(r)
	if err != nil {
		return 0, errors.New("there is no answer") // err contains the URL, which is a secret
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16))
	return resp.StatusCode, nil
}

func presigned(ctx context.Context, s *store) error {
	key := s.key("presigned")
	to, err := s.presign(ctx, key)
	if err != nil {
		return err
	}
	status, err := s.uploadTo(ctx, to, announced, announcedType)
	if err != nil {
		return err
	}
	if status/100 != 2 {
		return fmt.Errorf("it gets %d", status)
	}
	return s.holds(ctx, key, announced)
}

func presignedSize(ctx context.Context, s *store) error {
	for name, body := range map[string]string{"longer": announced + "x", "shorter": announced[1:]} {
		if err := s.uploadRefusedTo(ctx, s.key("presigned-"+name), body, announcedType); err != nil {
			return fmt.Errorf("a %s body: %w", name, err)
		}
	}
	return nil
}

func presignedType(ctx context.Context, s *store) error {
	return s.uploadRefusedTo(ctx, s.key("presigned-type"), announced, "text/html")
}

func (s *store) uploadRefusedTo(ctx context.Context, key, body, contentType string) error {
	to, err := s.presign(ctx, key)
	if err != nil {
		return err
	}
	status, err := s.uploadTo(ctx, to, body, contentType)
	if err != nil {
		return err
	}
	if status < http.StatusBadRequest {
		return fmt.Errorf("it gets %d", status)
	}
	return s.gone(ctx, key)
}

func presignedTwice(ctx context.Context, s *store) error {
	key := s.key("presigned-twice")
	to, err := s.presign(ctx, key)
	if err != nil {
		return err
	}
	if status, err := s.uploadTo(ctx, to, announced, announcedType); err != nil || status/100 != 2 {
		return fmt.Errorf("the first gets %d, %w", status, err)
	}
	status, err := s.uploadTo(ctx, to, strings.Repeat("9", len(announced)), announcedType)
	if err != nil {
		return err
	}
	if status < http.StatusBadRequest {
		return fmt.Errorf("it gets %d: the store ignores If-None-Match", status)
	}
	return s.holds(ctx, key, announced)
}
