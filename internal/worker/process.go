package worker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"mime"
	"runtime/debug"
	"strings"
	"sync"

	"claimcheck.example/internal/job"
)

// result describes the output of one run of the processor.
type result struct {
	output job.Media
	units  float64
	input  job.Media // its image, with all that is known of it by now
}

// work processes the claimed job and makes its output visible. A processor that panics
// has failed. The value of the panic appears in no log and no answer.
func (r *Runner) work(ctx context.Context, l *lease) (done result, err error) {
	defer func() {
		if recover() != nil {
			err = job.Wrap(job.Unknown, fmt.Errorf("processor panicked: %s", debug.Stack()), "processing crashed")
		}
	}()
	j := l.snapshot()
	in, err := r.Store.Open(ctx, job.Input, j.ObjectID(), job.OpenOptions{})
	if job.KindOf(err) == job.NotFound {
		return result{}, job.Wrap(job.Invalid, err, "the job's image is no longer in storage")
	}
	if err != nil {
		return result{}, byStorage(err)
	}
	defer in.Body.Close()
	if j.Input.Tag != "" && in.Tag != j.Input.Tag {
		return result{}, job.Wrap(job.Corrupt, errors.New("input has another entity tag than its document says"), "the job's image in storage is not the one that was submitted")
	}
	image := &inputReader{r: in.Body, sum: sha256.New()}
	if j.Input.Width == 0 {
		image.inspection = r.Inspector.Inspect(r.MaxPixels)
	}
	res, err := r.Processor.Process(ctx, job.Task{
		ID: j.ID, Input: j.Input, Image: image, Params: j.Params, Attempt: j.Attempts, Progress: l.progress.report,
	})
	defer func() { err = image.because(err) }()
	if err != nil {
		return result{}, err
	}
	defer res.Body.Close()
	out := job.Media{ContentType: mediaType(res.ContentType), Width: res.Width, Height: res.Height}
	made := &outputReader{r: res.Body}
	body := io.Reader(made)
	if out.ContentType == "" {
		if out.ContentType, body, err = r.detect(made); err != nil {
			return result{}, err
		}
	}
	var seen *measure
	if out.Width == 0 && strings.HasPrefix(out.ContentType, "image/") {
		seen = &measure{inspection: r.Inspector.Inspect(maxResultPixels)}
		body = io.TeeReader(body, seen)
	}
	staged, err := r.Store.Stage(ctx, job.Output, j.OutputObject(), out.ContentType, body)
	if err != nil && made.failed == nil {
		err = byStorage(err)
	}
	if err != nil {
		return result{}, err
	}
	defer staged.Discard()
	out.SizeBytes, out.SHA256 = staged.Size(), staged.SHA256()
	if seen != nil {
		out.Width, out.Height = seen.size()
	}
	if res.Units != nil {
		done.units = res.Units()
	}
	if done.input, err = image.finish(j.Input); err != nil {
		return result{}, err
	}
	out.Tag, err = r.publish(ctx, l, staged)
	done.output = out
	return done, err
}

// maxResultPixels bounds nothing: no decoder reads a result here.
const maxResultPixels = 1 << 50

// measure reads the size of a result from its header, for processors that do not state it.
// A result that it cannot read has no size.
type measure struct {
	inspection job.Inspection
	failed     bool
}

// Write implements io.Writer. It never fails, so that the result is stored in any case.
func (m *measure) Write(p []byte) (int, error) {
	if !m.failed {
		_, err := m.inspection.Write(p)
		m.failed = err != nil
	}
	return len(p), nil
}

// size returns the width and height after the last byte.
func (m *measure) size() (width, height int) {
	if m.failed {
		return 0, 0
	}
	media, err := m.inspection.Finish()
	if err != nil {
		return 0, 0
	}
	return media.Width, media.Height
}

// maxMediaType bounds a media type: its two names have up to 127 characters each (RFC 6838, 4.2).
const maxMediaType = 127 + 1 + 127

// mediaType returns the media type that a processor states for its result, without
// parameters; empty when it is invalid, so that the bytes decide.
func mediaType(said string) string {
	if t, _, err := mime.ParseMediaType(said); err == nil && len(t) <= maxMediaType && strings.Count(t, "/") == 1 {
		return t
	}
	return ""
}

// detect determines the type of a result by its first bytes, and returns the whole of it.
func (r *Runner) detect(body io.Reader) (contentType string, whole io.Reader, err error) {
	head := make([]byte, job.HeadSize)
	n, err := io.ReadFull(body, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return "", nil, err
	}
	head = head[:n]
	if contentType = r.Inspector.Detect(head); contentType == "" {
		contentType = "application/octet-stream"
	}
	return contentType, io.MultiReader(bytes.NewReader(head), body), nil
}

// publish makes the output visible without ever replacing that of a later claim. The
// first attempt expects no output. A later attempt, or one that finds an output,
// replaces exactly the output that it has seen, and only if it still has the lease after
// that: a worker that claims the job later changes the tag. An output with a
// name of its own replaces none.
func (r *Runner) publish(ctx context.Context, l *lease, staged job.Staged) (tag string, err error) {
	j := l.snapshot()
	if j.OutputID != "" {
		tag, err := staged.Commit(ctx, job.Condition{})
		return tag, byStorage(err)
	}
	cond := job.Condition{Absent: true}
	for {
		tag, err := staged.Commit(ctx, cond)
		if job.KindOf(err) != job.Conflict {
			return tag, byStorage(err)
		}
		there, err := r.Store.Stat(ctx, job.Output, j.OutputObject())
		switch {
		case job.KindOf(err) == job.NotFound:
			cond = job.Condition{Absent: true}
		case err != nil:
			return "", byStorage(err)
		default:
			cond = job.Condition{Tag: there.Tag}
		}
		if err := l.verify(ctx); err != nil {
			return "", byStorage(err)
		}
	}
}

// storageError is a failure of storage for a job's objects while its document can be read
// and written: the fault of neither the image nor the processor.
type storageError struct{ err error }

func (e storageError) Error() string { return "storage: " + e.err.Error() }
func (e storageError) Unwrap() error { return e.err }

// byStorage marks failures of storage, except those of the object itself or of the claim.
func byStorage(err error) error {
	switch job.KindOf(err) {
	case job.Unknown: // storage answers, and refuses this request: trying again may not help
		if err != nil && !errors.Is(err, errLeaseLost) && !errors.Is(err, errCanceled) {
			return job.Wrap(job.Unknown, fmt.Errorf("storage: %w", err), "storage failed")
		}
	case job.Unavailable, job.Misconfigured, job.Exhausted:
		return storageError{err}
	}
	return err
}

func isStorageError(err error) bool {
	_, ok := errors.AsType[storageError](err)
	return ok
}

// outputReader remembers the error that ended a result, if any.
type outputReader struct {
	r      io.Reader
	failed error
}

func (o *outputReader) Read(p []byte) (int, error) {
	n, err := o.r.Read(p)
	if err != nil && err != io.EOF {
		o.failed = err
	}
	return n, err
}

// inputReader reads the image of a job, and inspects it. It marks read errors as failures
// of storage, so that a processor which passes them on does not blame the image. Safe for
// concurrent use: a processor that is answered early may still be reading.
type inputReader struct {
	mu         sync.Mutex // guards all
	r          io.Reader
	sum        hash.Hash
	inspection job.Inspection // nil where the image is known
	failed     error          // the error that ended reading, other than the end: it stays
	ended      bool
}

func (i *inputReader) Read(p []byte) (int, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.read(p)
}

func (i *inputReader) read(p []byte) (int, error) {
	if i.failed != nil {
		return 0, i.failed
	}
	n, err := i.r.Read(p)
	i.sum.Write(p[:n])
	i.ended = i.ended || err == io.EOF
	if err != nil && err != io.EOF {
		err = byStorage(err)
	}
	if i.inspection != nil {
		if _, ierr := i.inspection.Write(p[:n]); ierr != nil {
			n, err = 0, ierr
		}
	}
	if err != io.EOF {
		i.failed = err
	}
	return n, err
}

// because replaces a processor's error about an image that could not be read to its end
// by the cause.
func (i *inputReader) because(err error) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if err != nil && i.failed != nil {
		return i.failed
	}
	return err
}

// finish returns the properties of the image. Its SHA-256 must be the known one, if any. If the
// processor has not read to the end, finish trusts known properties and determines the others.
func (i *inputReader) finish(known job.Media) (job.Media, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	// The digest of a direct upload is only announced until the image is read.
	if i.failed == nil && !i.ended && known.SHA256 != "" && known.Tag == "" {
		return known, nil
	}
	for buf := make([]byte, 32<<10); !i.ended; {
		if _, err := i.read(buf); err != nil && err != io.EOF {
			return known, err
		}
	}
	if i.inspection != nil {
		found, err := i.inspection.Finish()
		if err != nil {
			return known, err
		}
		known.Width, known.Height, known.Pixels = found.Width, found.Height, found.Pixels
	}
	sum := hex.EncodeToString(i.sum.Sum(nil))
	if known.SHA256 != "" && sum != known.SHA256 {
		return known, job.Wrap(job.Corrupt, errors.New("input has another SHA-256 than its document says"), "the job's image in storage is not the one that was submitted")
	}
	known.SHA256 = sum
	return known, nil
}
