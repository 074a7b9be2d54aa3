//go:build vips && linux

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"runtime"
	"runtime/debug"
	"slices"

	"claimcheck.example/internal/imageinfo"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging/vips"
)

// version is set by the linker: -X main.version=v1.2.3
var version string

func main() {
	log.SetFlags(0)
	log.SetPrefix("imaging: ")
	if len(os.Args) > 2 || len(os.Args) == 2 && os.Args[1] != "--version" {
		log.Fatal("usage: imaging [--version]")
	}
	if err := run(len(os.Args) == 2); err != nil {
		log.Fatal(err)
	}
}

func run(describe bool) error {
	// libvips keeps buffers for each calling thread.
	runtime.LockOSThread()
	if err := start(); err != nil {
		return err
	}
	if err := warmUp(); err != nil {
		return err
	}
	hello := vips.Hello{Protocol: vips.Protocol, Version: programVersion(), Libvips: libvipsVersion(), Reads: reads(), Writes: writes()}
	var err error
	if hello.Walls, hello.NoWalls, err = lockIn(); err != nil {
		return err
	}
	if describe {
		return json.NewEncoder(os.Stdout).Encode(hello)
	}
	if err := vips.WriteMessage(os.Stdout, vips.FrameHello, hello); err != nil {
		return err
	}
	return serve(bufio.NewReaderSize(os.Stdin, 64<<10), os.Stdout)
}

func programVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

// serve runs jobs until the input ends.
func serve(r *bufio.Reader, w io.Writer) error {
	for {
		kind, payload, err := vips.ReadFrame(r)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if kind != vips.FrameJob {
			return fmt.Errorf("frame %q begins no job", kind)
		}
		var request vips.Request
		if err := json.Unmarshal(payload, &request); err != nil {
			return fmt.Errorf("request: %w", err)
		}
		request.Limits = request.Limits.WithDefaults()
		image := &frames{r: r}
		out := &answer{w: w}
		err = (&task{request: request, image: image, progress: out.progress}).run(out.begin, out)
		tidy()
		if out.err != nil {
			return out.err // the worker is gone
		}
		if err == nil {
			err = out.flush()
		}
		if err := image.drain(); err != nil {
			return err
		}
		if err != nil {
			failure := vips.Failure{Kind: job.KindOf(err), Message: job.MessageOf(err), Detail: err.Error()}
			err = vips.WriteMessage(w, vips.FrameFailure, failure)
		} else {
			err = vips.WriteFrame(w, vips.FrameDone, nil)
		}
		if err != nil {
			return err
		}
	}
}

// frames is the image of a job as it arrives.
type frames struct {
	r     *bufio.Reader
	left  int // bytes left of the current frame
	ended bool
}

func (f *frames) Read(p []byte) (int, error) {
	for f.left == 0 {
		if f.ended {
			return 0, io.EOF
		}
		kind, n, err := vips.ReadHeader(f.r)
		if err != nil {
			return 0, err
		}
		switch {
		case kind == vips.FrameData:
			f.left = n
		case kind == vips.FrameEnd && n == 0:
			f.ended = true
		default:
			return 0, fmt.Errorf("frame %q in an image", kind)
		}
	}
	n, err := f.r.Read(p[:min(len(p), f.left)])
	f.left -= n
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// drain skips the part of the image that the job did not read.
func (f *frames) drain() error {
	_, err := io.Copy(io.Discard, f)
	return err
}

// answer sends the frames of a job to the worker.
type answer struct {
	w       io.Writer
	buf     []byte
	percent int
	err     error // the error of a failed write
}

func (a *answer) send(kind byte, message any) error {
	if a.err == nil {
		a.err = vips.WriteMessage(a.w, kind, message)
	}
	return a.err
}

func (a *answer) progress(fraction float64, note string) {
	if percent := int(100 * fraction); percent != a.percent {
		a.percent = percent
		_ = a.send(vips.FrameProgress, vips.Progress{Fraction: fraction, Note: note}) // w keeps the error
	}
}

func (a *answer) begin(o vips.Outcome) error { return a.send(vips.FrameResult, o) }

// chunk is the size of a result's frames.
const chunk = 64 << 10

func (a *answer) Write(p []byte) (int, error) {
	if a.buf = append(a.buf, p...); len(a.buf) >= chunk {
		return len(p), a.flush()
	}
	return len(p), nil
}

func (a *answer) flush() error {
	for rest := a.buf; len(rest) > 0 && a.err == nil; {
		n := min(len(rest), chunk)
		a.err = vips.WriteFrame(a.w, vips.FrameData, rest[:n])
		rest = rest[n:]
	}
	a.buf = a.buf[:0]
	return a.err
}

// reads returns the media types that this libvips can decode.
func reads() []string {
	types := []string{imageinfo.BMP}
	for contentType, format := range loaders {
		if has(loader(format)) {
			types = append(types, contentType)
		}
	}
	slices.Sort(types)
	return types
}

// loader returns the name of libvips' operation.
func loader(format string) string {
	if format == "jpeg" {
		return "jpegload_source"
	}
	return format + "load_buffer"
}
