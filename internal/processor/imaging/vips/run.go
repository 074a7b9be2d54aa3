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

// run is one job in a process, and the body of its result. What the process says is a
// stranger's word: it may have been taken over by a picture.
type run struct {
	engine  *Engine
	ctx     context.Context // ends with the job, or when the time is up
	cancel  context.CancelFunc
	task    job.Task
	process *process
	stop    func() bool // that ends the process when ctx ends
	input   *input.Reader
	quit    chan struct{} // closed when the process wants no more of the image
	fed     chan error    // how sending the image ended

	frame int   // bytes left of the frame at hand
	left  int64 // bytes of the result that may still come
	err   error // that Read ends with
	fit   bool  // the process may have another job
	once  sync.Once
}

// errTime is the cause of a job's end when its time is up.
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

// feed sends the job and its image, or as much of it as the process wants.
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
		case err != nil: // it can never be told what follows
			p.kill()
			return err
		}
	}
}

// next returns the next frame that is no news of progress. A failure is its error.
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

// failed takes a failure that the process has told of. It reads on to the image's end.
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

// sentence is a text of the process's that can be shown.
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

// broken ends a process that has ended by itself or does not do what it should, and says
// why; err is what was noticed of it.
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
	how := "its end was no good"
	if p.status != nil {
		how = p.status.Error()
	}
	return job.Wrap(job.Unknown, p.detail(fmt.Errorf("vips engine: %w (%s)", err, how)), fmt.Sprintf("the image engine ended while it worked on the image (%s)", how))
}

// Read reads the result. Its end comes when the process has said that it is whole.
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

// Close gives the process back, if it has come to the end of the job, or ends it.
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
