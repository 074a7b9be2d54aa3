//go:build !vips || !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "imaging: this build has no libvips; on Linux with libvips-dev, build it with: go build -tags vips ./cmd/imaging")
	os.Exit(1)
}
