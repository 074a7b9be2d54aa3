package awslocal_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"claimcheck.example/internal/awslocal"
)

// TestCompletionSurvivesAKill leaves a multipart upload as kill -9 does in the middle of
// its completion: claimed and not assembled. The repeat completes it.
func TestCompletionSurvivesAKill(t *testing.T) {
	o := awslocal.Options{Dir: t.TempDir(), S3Addr: "127.0.0.1:0", SQSAddr: "127.0.0.1:0", NoSync: true}
	start := func() (*awslocal.Servers, *s3.Client) {
		t.Helper()
		s, err := awslocal.Start(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return s, s.S3Client()
	}
	s, c := start()
	if err := s.EnsureBucket(t.Context(), "bucket"); err != nil {
		t.Fatal(err)
	}
	bucket, key := aws.String("bucket"), aws.String("input/k")
	up, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: bucket, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	part, err := c.UploadPart(t.Context(), &s3.UploadPartInput{
		Bucket: bucket, Key: key, UploadId: up.UploadId, PartNumber: aws.Int32(1), Body: bytes.NewReader(make([]byte, 5<<20)),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var folder string
	if err := filepath.WalkDir(o.Dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == *up.UploadId {
			folder = path
		}
		return err
	}); err != nil || folder == "" {
		t.Fatalf("the upload's folder is %q, %v", folder, err)
	}
	sum, err := hex.DecodeString(strings.Trim(*part.ETag, `"`))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(folder, fmt.Sprintf("%s.%x-1.inprogress", folder, md5.Sum(sum))); err != nil {
		t.Fatal(err)
	}
	s, c = start()
	defer s.Close(t.Context())
	if _, err := c.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{
		Bucket: bucket, Key: key, UploadId: up.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: part.ETag}}},
	}); err != nil {
		t.Fatal(err)
	}
	if head, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: bucket, Key: key}); err != nil || *head.ContentLength != 5<<20 {
		t.Errorf("the completed object is %+v, %v", head, err)
	}
}

// TestShortBodyIsNotStored sends less than it announced, and hangs up.
func TestShortBodyIsNotStored(t *testing.T) {
	s, err := awslocal.Start(t.Context(), awslocal.Options{Dir: t.TempDir(), S3Addr: "127.0.0.1:0", SQSAddr: "127.0.0.1:0", NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	if err := s.EnsureBucket(t.Context(), "bucket"); err != nil {
		t.Fatal(err)
	}
	c := s.S3Client()
	const size = 6 << 20
	for _, sent := range []int{100 << 10, size - 1, size} {
		bucket, key := aws.String("bucket"), aws.String(fmt.Sprint("input/", sent))
		req, err := s3.NewPresignClient(c).PresignPutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: key, ContentLength: aws.Int64(size)})
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(req.URL)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", u.RequestURI(), u.Host, size)
		conn.Write(make([]byte, sent))
		if sent < size {
			conn.(*net.TCPConn).CloseWrite()
		}
		io.Copy(io.Discard, conn) // until the server has finished with it
		conn.Close()
		_, err = c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: bucket, Key: key})
		if sent == size && err != nil {
			t.Errorf("the whole: %v", err)
		}
		if e, ok := errors.AsType[*awshttp.ResponseError](err); sent < size && (!ok || e.HTTPStatusCode() != http.StatusNotFound) {
			t.Errorf("%d bytes of %d are stored (%v)", sent, size, err)
		}
	}
}
