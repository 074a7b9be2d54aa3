#!/usr/bin/env bash
# github.com/aws/aws-sdk-go-v2/service/s3 v1.114.8, smithy-go v1.28.8: over HTTP/1.1 a large PutObject
# carries Expect: 100-continue, and does not wait for the 100.
#
# From 2 MiB on the SDK sets the header, so that a refused upload costs no body, and its HTTP client
# waits up to a second for the answer (ExpectContinueTimeout). But the SDK builds its request with
# protocol version 0.0, and net/http waits only where a request is of HTTP/1.1. The same request with
# the version set waits.
#
# The script puts 3 MiB to a server by the SDK and by net/http, and traces both. Seen:
#
#   SDK: Expect "100-continue", protocol version 0.0, waits false
#   net/http: Expect "100-continue", protocol version 1.1, waits true
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=-mod=mod GOWORK=off
go mod init finding.example 2>/dev/null
go get github.com/aws/aws-sdk-go-v2@v1.47.7 github.com/aws/aws-sdk-go-v2/service/s3@v1.114.8 github.com/aws/smithy-go@v1.28.8 2>/dev/null

cat >main.go <<'GO'
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// traced says what it is given to send, and whether it waits.
type traced struct {
	name string
	*http.Client
}

func (c traced) Do(r *http.Request) (*http.Response, error) {
	waits := false
	trace := &httptrace.ClientTrace{Wait100Continue: func() { waits = true }}
	resp, err := c.Client.Do(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	fmt.Printf("%s: Expect %q, protocol version %d.%d, waits %v\n", c.name, r.Header.Get("Expect"), r.ProtoMajor, r.ProtoMinor, waits)
	return resp, err
}

func main() {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Second}}
	body := make([]byte, 3<<20)

	_, err := s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL, UsePathStyle: true, HTTPClient: traced{"SDK", client},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "key", SecretAccessKey: "secret"}, nil
		}),
	}).PutObject(context.Background(), &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("key"), Body: bytes.NewReader(body)})
	if err != nil {
		log.Fatal(err)
	}

	r, err := http.NewRequest(http.MethodPut, server.URL, bytes.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	r.Header.Set("Expect", "100-continue")
	resp, err := traced{"net/http", client}.Do(r)
	if err != nil {
		log.Fatal(err)
	}
	resp.Body.Close()
}
GO
got=$(go run .)
want='SDK: Expect "100-continue", protocol version 0.0, waits false
net/http: Expect "100-continue", protocol version 1.1, waits true'
echo "$got"
[ "$got" = "$want" ] || { echo "This is not what was seen with the versions above."; exit 1; }
