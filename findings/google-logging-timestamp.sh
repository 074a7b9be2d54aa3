#!/usr/bin/env bash
# cloud.google.com/go/logging v1.21.1: RedirectAsJSON writes a timestamp in a form that no reader of
# logs takes for a time.
#
# Cloud Logging's agents read the member "timestamp" of a JSON line as RFC 3339 text or as an object
# with seconds and nanos. The library writes text in the debug format of protocol buffers, so the
# entry has the time at which the agent read the line. The number of spaces in that format differs
# from build to build on purpose; the script prints one.
#
# Seen with v1.21.1:
#
#   {"message":"hello","severity":"DEFAULT","timestamp":"seconds:1700000000 nanos:5"}
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=-mod=mod GOWORK=off
go mod init finding.example 2>/dev/null
go get cloud.google.com/go/logging@v1.21.1 2>/dev/null

cat >main.go <<'GO'
package main

import (
	"context"
	"log"
	"os"
	"time"

	"cloud.google.com/go/logging"
	"google.golang.org/api/option"
)

func main() {
	client, err := logging.NewClient(context.Background(), "projects/finding",
		option.WithoutAuthentication(), option.WithEndpoint("127.0.0.1:1")) // nothing is sent there
	if err != nil {
		log.Fatal(err)
	}
	logger := client.Logger("finding", logging.RedirectAsJSON(os.Stdout))
	logger.Log(logging.Entry{Timestamp: time.Unix(1_700_000_000, 5), Payload: "hello"})
}
GO
got=$(go run . | sed -n 1p | tr -s ' ') # the second line is the library's own
want='{"message":"hello","severity":"DEFAULT","timestamp":"seconds:1700000000 nanos:5"}'
if [ "$got" != "$want" ]; then
  printf 'the logging library no longer writes timestamps as it did. It prints:\n%s\n' "$got" >&2
  exit 1
fi
echo "$got"
