package awslocal

import (
	"net/http"
	"strings"
)

// Call is a request as it arrived.
type Call struct {
	// Service is "S3" or "SQS".
	Service string
	// Operation is the API's name, such as "PutObject". S3 requests do not carry it; those
	// that Claimcheck does not use are "METHOD /".
	Operation string
	// Resource is the bucket or the queue; empty where there is none.
	Resource string
	// Key is the object's key; empty where there is none.
	Key string
}

// s3Operations maps requests to operations: by method, by whether they address an object,
// and by a query parameter.
var s3Operations = []struct {
	method, parameter string
	object            bool
	name              string
}{
	{http.MethodPut, "partNumber", true, "UploadPart"},
	{http.MethodPut, "tagging", true, "PutObjectTagging"},
	{http.MethodPut, "", true, "PutObject"},
	{http.MethodPost, "uploads", true, "CreateMultipartUpload"},
	{http.MethodPost, "uploadId", true, "CompleteMultipartUpload"},
	{http.MethodDelete, "uploadId", true, "AbortMultipartUpload"},
	{http.MethodDelete, "", true, "DeleteObject"},
	{http.MethodGet, "uploadId", true, "ListParts"},
	{http.MethodGet, "tagging", true, "GetObjectTagging"},
	{http.MethodGet, "", true, "GetObject"},
	{http.MethodHead, "", true, "HeadObject"},
	{http.MethodPost, "delete", false, "DeleteObjects"},
	{http.MethodGet, "uploads", false, "ListMultipartUploads"},
	{http.MethodGet, "list-type", false, "ListObjectsV2"},
	{http.MethodHead, "", false, "HeadBucket"},
	{http.MethodPut, "", false, "CreateBucket"},
	{http.MethodDelete, "", false, "DeleteBucket"},
}

// s3Call returns the Call of a path-style request.
func s3Call(r *http.Request) Call {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	c := Call{Service: "S3", Operation: r.Method + " /", Resource: bucket, Key: key}
	if bucket == "" {
		return c
	}
	query := r.URL.Query()
	for _, op := range s3Operations {
		if op.method == r.Method && op.object == (key != "") && (op.parameter == "" || query.Has(op.parameter)) {
			c.Operation = op.name
			if op.name == "PutObject" && r.Header.Get("X-Amz-Copy-Source") != "" {
				c.Operation = "CopyObject"
			}
			return c
		}
	}
	return c
}
