package vips

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/input"
)

// run is one job in an engine process, and the body of its result. It trusts nothing that
// the process sends: a picture may have taken the process over.
type run struct {
	engine  *Engine
	ctx     context.Context // ends with the job, or when the time is up
	cancel  context.CancelFunc
	task    job.Task
	process *process
	stop    func() bool // cancels the hook that kills the process when ctx ends
	input   *input.Reader
	quit    chan struct{} // closed when the process needs no more of the image
	fed     chan error    // the result of sending the image

	frame int   // bytes left of the current frame
	left  int64 // bytes of the result still allowed
	err   error // the error at the end of Read
	fit   bool  // the process can run another job
	once  sync.Once
}

// errTime is the cause of a context whose time is up.
var errTime = errors.New("time is up")

// begin sends the job and returns when the result begins.
func (r *run) begin() (o Outcome, err error) {
	p := r.process
	r.stop = context.AfterFunc(r.ctx, p.kill)
	request := Request{Params: r.task.Params, SizeBytes: r.task.Input.SizeBytes, Limits: r.engine.opts.Limits}
	r.input = input.NewReader(r.ctx, r.task.Image)
	r.quit, r.fed = make(chan struct{}), make(chan error, 1)
	go func() { r.fed <- r.feed(request) }()
	kind, payload, err := r.next()
	if err != nil {
		return o, err
	}
	if kind != FrameResult {
		return o, r.broken(fmt.Errorf("frame %q begins a result", kind))
	}
	if err := json.Unmarshal(payload, &o); err != nil || o.Width <= 0 || o.Height <= 0 {
		return o, r.broken(fmt.Errorf("a result of %.200q", payload))
	}
	return o, nil
}

// feed sends the job and its image, or as much of it as the process needs.
func (r *run) feed(request Request) error {
	p := r.process
	if err := WriteMessage(p.in, FrameJob, request); err != nil {
		return err
	}
	buf := make([]byte, 5+64<<10)
	for {
		select {
		case <-r.quit:
			return WriteFrame(p.in, FrameEnd, nil)
		default:
		}
		n, err := r.input.Read(buf[5:])
		if n > 0 {
			if werr := writeInPlace(p.in, FrameData, buf[:5+n]); werr != nil {
				return werr
			}
		}
		switch {
		case err == io.EOF:
			return WriteFrame(p.in, FrameEnd, nil)
		case err != nil: // the stream is broken in the middle of a frame
			p.kill()
			return err
		}
	}
}

// next returns the next frame that is not progress. For a failure frame it returns the
// failure as an error.
func (r *run) next() (kind byte, payload []byte, err error) {
	for {
		kind, n, err := ReadHeader(r.process.reader)
		if err != nil {
			return 0, nil, r.broken(err)
		}
		if kind == FrameData {
			r.frame = n
			return kind, nil, nil
		}
		payload := make([]byte, n)
		if _, err := io.ReadFull(r.process.reader, payload); err != nil {
			return 0, nil, r.broken(err)
		}
		switch kind {
		case FrameProgress:
			var p Progress
			if json.Unmarshal(payload, &p) == nil && 0 <= p.Fraction && p.Fraction <= 1 {
				r.task.Progress(p.Fraction, sentence(p.Note))
			}
		case FrameFailure:
			var f Failure
			if err := json.Unmarshal(payload, &f); err != nil {
				return 0, nil, r.broken(err)
			}
			return 0, nil, r.failed(f)
		default:
			return kind, payload, nil
		}
	}
}

// failed handles a failure that the process reports. It reads on to the end of the image.
func (r *run) failed(f Failure) error {
	close(r.quit)
	if err := <-r.fed; err != nil || r.input.Err() != nil {
		return r.broken(err)
	}
	r.fed <- nil
	r.fit = true
	message := sentence(f.Message)
	switch f.Kind {
	case job.Invalid, job.TooLarge, job.Unsupported:
	default:
		f.Kind, message = job.Unknown, "the image engine failed"
	}
	return job.Wrap(f.Kind, errors.New(sentence(f.Detail)), message)
}

// sentence returns a text of the process that is safe to show.
func sentence(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	line := []rune(text)
	return strings.TrimSpace(string(line[:min(len(line), 500)]))
}

// broken kills a process that died or broke the protocol, and returns an error that says
// why; err is the symptom.
func (r *run) broken(err error) error {
	p := r.process
	p.kill()
	if cause := context.Cause(r.ctx); cause != nil {
		if errors.Is(cause, errTime) {
			return job.Wrap(job.Unavailable, p.detail(cause), fmt.Sprintf("the image engine did not finish within %s", r.engine.opts.Timeout))
		}
		return cause
	}
	if p.excess != nil {
		return p.excess
	}
	if inErr := r.input.Err(); inErr != nil {
		return fmt.Errorf("read input: %w", inErr)
	}
	how := "the process broke the protocol"
	if p.status != nil {
		how = p.status.Error()
	}
	return job.Wrap(job.Unknown, p.detail(fmt.Errorf("vips engine: %w", err)), fmt.Sprintf("the image engine ended while it worked on the image (%s)", how))
}

// Read reads the result. It returns io.EOF when the process has said that the result is
// complete.
func (r *run) Read(b []byte) (n int, err error) {
	if r.err != nil {
		return 0, r.err
	}
	defer func() { r.err = err }()
	for r.frame == 0 {
		kind, _, err := r.next()
		if err != nil {
			return 0, err
		}
		switch kind {
		case FrameData:
		case FrameDone:
			if err := <-r.fed; err != nil {
				return 0, r.broken(err)
			}
			r.fed <- nil
			r.fit = true
			return 0, io.EOF
		default:
			return 0, r.broken(fmt.Errorf("frame %q in a result", kind))
		}
	}
	n, err = r.process.reader.Read(b[:min(len(b), r.frame)])
	r.frame -= n
	if err != nil {
		return 0, r.broken(err)
	}
	if r.left -= int64(n); r.left < 0 {
		_ = r.broken(io.ErrShortWrite)
		return 0, job.Errorf(job.TooLarge, "the result has more bytes than this service hands out")
	}
	return n, nil
}

// Close returns the process to the pool when the job is complete, and kills it otherwise.
func (r *run) Close() error {
	r.once.Do(func() {
		defer r.cancel()
		if r.process == nil {
			return
		}
		fit := r.fit && r.stop()
		if !fit {
			r.process.kill()
		}
		if r.fed != nil {
			<-r.fed
		}
		r.engine.release(r.process, fit)
	})
	return nil
}
