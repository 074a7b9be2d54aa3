// Command imaging is the vips engine of the built-in processor: a process that decodes
// pictures from strangers, so that no other process does. A worker starts it, reuses it,
// and ends it; see package vips of internal/processor/imaging.
//
//	imaging              runs jobs: frames on standard input and output
//	imaging --version    prints its version and capabilities, as JSON
//
// It is the only program of the module that needs cgo, and it needs libvips 8.14 or
// newer:
//
//	go build -tags vips ./cmd/imaging
//
// Before it reads the first byte it confines itself: from then on it cannot open a file,
// create a socket, start a program or inspect another process, whatever a picture makes a
// decoder do.
package main
