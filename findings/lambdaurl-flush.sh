#!/usr/bin/env bash
# github.com/aws/aws-lambda-go v1.55.1, package lambdaurl: a handler behind response streaming cannot
# flush, although all that it writes goes out at once.
#
# lambdaurl.Wrap serves an http.Handler by Lambda's response streaming. net/http says of a writer that
# streams: it implements http.Flusher, or http.ResponseController.Flush returns ErrNotSupported. The
# writer of lambdaurl implements none, so that a handler that looks (for server-sent events, or a proxy
# by httputil.ReverseProxy) must conclude that its answer is buffered to the end. It is not: the
# consumer reads each write before the handler goes on.
#
# The script calls the wrapped handler as the runtime does, reads the first event while the handler
# still runs, and prints what Flush says. Seen with v1.55.1:
#
#   Flush: feature not supported
#   read while the handler runs: "data: 1\n\n"
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=-mod=mod GOWORK=off
go mod init finding.example 2>/dev/null
go get github.com/aws/aws-lambda-go@v1.55.1 2>/dev/null

cat >main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdaurl"
)

func main() {
	seen := make(chan struct{})
	handler := lambdaurl.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		fmt.Println("Flush:", http.NewResponseController(w).Flush())
		io.WriteString(w, "data: 1\n\n")
		<-seen // the reader has the event
	}))
	request := &events.LambdaFunctionURLRequest{RawPath: "/"}
	request.RequestContext.HTTP.Method = http.MethodGet
	request.RequestContext.DomainName = "function.example"
	resp, err := handler(context.Background(), request)
	if err != nil {
		log.Fatal(err)
	}
	first := make([]byte, len("data: 1\n\n"))
	if _, err := io.ReadFull(resp.Body, first); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("read while the handler runs: %q\n", first)
	close(seen)
}
GO
timeout 60 go run . | tee seen
diff - seen <<'SEEN' || { echo "the library behaves in another way now"; exit 1; }
Flush: feature not supported
read while the handler runs: "data: 1\n\n"
SEEN
