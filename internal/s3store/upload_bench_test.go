package s3store_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/s3store"
)

// sink is an S3 that swallows: what is measured against it is the client alone.
type sink struct{}

func (sink) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return nil, err
		}
	}
	body := ""
	if r.Method == http.MethodPost {
		body = `<?xml version="1.0"?><InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>`
		if r.URL.Query().Has("uploadId") {
			body = `<?xml version="1.0"?><CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>`
		}
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Etag": {`"e"`}}, Body: io.NopCloser(bytes.NewReader([]byte(body))),
		ContentLength: int64(len(body)), Request: r,
	}, nil
}

// BenchmarkUploadCPU compares the processor time of a streamed upload with that of the
// SDK's own PutObject of the same bytes, which has them all in memory beforehand; by
// itself (cpu/put), and with the SHA-256 that the domain asks for (cpu/put+sha). Below 1
// the stream is cheaper.
func BenchmarkUploadCPU(b *testing.B) {
	for _, scheme := range []string{"http", "https"} {
		client := s3.NewFromConfig(aws.Config{
			Region:                     "us-east-1",
			Credentials:                credentials.NewStaticCredentialsProvider("id", "secret", ""),
			RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
			BaseEndpoint:               aws.String(scheme + "://s3.invalid"),
			HTTPClient:                 sink{},
		}, s3store.ClientOptions)
		for _, size := range []int{64 << 10, 2 << 20, 32 << 20} {
			b.Run(fmt.Sprintf("%s/%dKiB", scheme, size>>10), func(b *testing.B) {
				data := make([]byte, size)
				if _, err := io.ReadFull(jobtest.Bytes(1, int64(size)), data); err != nil {
					b.Fatal(err)
				}
				plain := func() error {
					_, err := client.PutObject(b.Context(), &s3.PutObjectInput{
						Bucket: aws.String("b"), Key: aws.String("input/k"), Body: bytes.NewReader(data),
					})
					return err
				}
				store := s3store.New(client, "b", s3store.Options{})
				id := job.NewID()
				ours := func() error {
					g, err := store.Stage(b.Context(), job.Input, id, "image/png", bytes.NewReader(data))
					if err != nil {
						return err
					}
					defer g.Discard()
					_, err = g.Commit(b.Context(), job.Condition{})
					return err
				}
				b.SetBytes(int64(size))
				b.ReportAllocs()
				digest := func() error {
					_, err := sha256.New().Write(data)
					return err
				}
				cpuOf(b, ours) // makes the buffers
				var streamed, put, hashed time.Duration
				for b.Loop() {
					streamed += cpuOf(b, ours)
					b.StopTimer()
					put += cpuOf(b, plain)
					hashed += cpuOf(b, digest)
					b.StartTimer()
				}
				b.ReportMetric(float64(streamed)/float64(put), "cpu/put")
				b.ReportMetric(float64(streamed)/float64(put+hashed), "cpu/put+sha")
			})
		}
	}
}

// cpuOf returns the processor time that the process spends while f runs.
func cpuOf(b *testing.B, f func() error) time.Duration {
	before := cpuTime(b)
	if err := f(); err != nil {
		b.Fatal(err)
	}
	return cpuTime(b) - before
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
