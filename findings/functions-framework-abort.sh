#!/usr/bin/env bash
# github.com/GoogleCloudPlatform/functions-framework-go v1.9.2: a handler that aborts its answer with
# http.ErrAbortHandler gives the client a complete answer with a wrong end.
#
# net/http documents panic(http.ErrAbortHandler) as the way to abort an answer: the client sees a
# connection that broke off. The framework recovers this panic like any other, adds a sentence to
# what was sent and ends the answer properly. The client has status 200, no error, and a body that
# is not the file that it asked for.
#
# The script has one handler abort after the first half of its answer, behind net/http and behind
# the framework. Seen with v1.9.2:
#
#   net/http: status 200, "first half", error unexpected EOF
#   framework: status 200, "first half" and 83 bytes more, no error
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=-mod=mod GOWORK=off
go mod init finding.example 2>/dev/null
go get github.com/GoogleCloudPlatform/functions-framework-go@v1.9.2 2>/dev/null

cat >main.go <<'GO'
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"
	"github.com/GoogleCloudPlatform/functions-framework-go/functions"
)

const half = "first half"

func handler(w http.ResponseWriter, _ *http.Request) {
	io.WriteString(w, half)
	http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func get(name, url string) {
	resp, err := http.Get(url)
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	fmt.Printf("%s: status %d, %q", name, resp.StatusCode, body[:len(half)])
	if more := len(body) - len(half); more > 0 {
		fmt.Printf(" and %d bytes more", more)
	}
	if err != nil {
		fmt.Printf(", error %v\n", err)
	} else {
		fmt.Println(", no error")
	}
}

func main() {
	plain := httptest.NewServer(http.HandlerFunc(handler))
	defer plain.Close()
	get("net/http", plain.URL)

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	os.Setenv("FUNCTION_TARGET", "Aborts")
	functions.HTTP("Aborts", handler)
	go func() { log.Fatal(funcframework.StartHostPort("127.0.0.1", port)) }()
	for range 100 {
		if c, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			c.Close()
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	get("framework", "http://127.0.0.1:"+port)
}
GO
got=$(go run . 2>/dev/null)
want='net/http: status 200, "first half", error unexpected EOF
framework: status 200, "first half" and 83 bytes more, no error'
if [ "$got" != "$want" ]; then
  printf 'the functions framework no longer ends aborted answers as it did. It prints:\n%s\n' "$got" >&2
  exit 1
fi
echo "$got"
