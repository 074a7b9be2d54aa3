package awslocal

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestS3Call(t *testing.T) {
	t.Parallel()
	tests := []struct {
		method, target string
		want           Call
	}{
		{"PUT", "/b/jobs/1?x-id=PutObject", Call{"S3", "PutObject", "b", "jobs/1"}},
		{"PUT", "/b/k?partNumber=1&uploadId=u", Call{"S3", "UploadPart", "b", "k"}},
		{"POST", "/b/k?uploads", Call{"S3", "CreateMultipartUpload", "b", "k"}},
		{"POST", "/b/k?uploadId=u", Call{"S3", "CompleteMultipartUpload", "b", "k"}},
		{"DELETE", "/b/k?uploadId=u", Call{"S3", "AbortMultipartUpload", "b", "k"}},
		{"DELETE", "/b/k", Call{"S3", "DeleteObject", "b", "k"}},
		{"GET", "/b/a%20b", Call{"S3", "GetObject", "b", "a b"}},
		{"HEAD", "/b/k", Call{"S3", "HeadObject", "b", "k"}},
		{"GET", "/b?list-type=2&prefix=x", Call{"S3", "ListObjectsV2", "b", ""}},
		{"POST", "/b?delete", Call{"S3", "DeleteObjects", "b", ""}},
		{"HEAD", "/b", Call{"S3", "HeadBucket", "b", ""}},
		{"PUT", "/b/", Call{"S3", "CreateBucket", "b", ""}},
		{"GET", "/", Call{"S3", "GET /", "", ""}},
	}
	for _, test := range tests {
		r := httptest.NewRequestWithContext(t.Context(), test.method, test.target, http.NoBody)
		if got := s3Call(r); got != test.want {
			t.Errorf("%s %s = %+v; want %+v", test.method, test.target, got, test.want)
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/b/k", http.NoBody)
	r.Header.Set("X-Amz-Copy-Source", "b/other")
	if got := s3Call(r).Operation; got != "CopyObject" {
		t.Errorf("a PUT with a source = %s; want CopyObject", got)
	}
}
