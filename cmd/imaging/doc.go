// Command imaging is the vips engine of the built-in processor: a process that decodes
// strangers' pictures, so that no other has to. A worker starts it, keeps it, and ends it;
// see package vips of internal/processor/imaging.
//
//	imaging              carries out jobs: frames on standard input and output
//	imaging --version    prints what it is and what it can do, as JSON
//
// It is the only program of the module that needs cgo, and it needs libvips 8.14 or newer:
//
//	go build -tags vips ./cmd/imaging
//
// Before it reads the first byte it locks itself in: it can open no file, make no socket,
// start no program and look into no other process, whatever a picture makes a decoder do.
package main
