package lifecycle_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/service"
	"claimcheck.example/internal/worker"
)

// uploaded puts an image where a direct upload would.
func (s *system) uploaded(t *testing.T, id job.ID, contentType, image string) {
	t.Helper()
	s.putInput(t, s.document(t, id).ObjectID(), contentType, image)
}

// putInput stores an image under the id of a job's objects.
func (s *system) putInput(t *testing.T, id job.ID, contentType, image string) {
	t.Helper()
	staged, err := s.store.Stage(t.Context(), job.Input, id, contentType, strings.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := staged.Commit(t.Context(), job.Condition{}); err != nil {
		t.Fatal(err)
	}
}

func (s *system) announce(t *testing.T, image string) *job.Job {
	t.Helper()
	j, err := s.postAnnouncement(t, announcement{ContentType: "image/png", SizeBytes: int64(len(image)), Params: json.RawMessage(`{"a":1}`)})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func TestDirectUploadRunsToItsEnd(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	j := s.announce(t, "IMG one")
	if j.Upload == nil || j.Upload.Headers["Content-Length"] != "7" || j.Upload.ExpiresAt.Before(s.runner.Now().Add(50*time.Minute)) {
		t.Fatalf("upload is %+v", j.Upload)
	}
	if seen, err := s.service.Status(t.Context(), alice, j.ID); err != nil || seen.Status != job.Pending || seen.Upload == nil {
		t.Errorf("status is %+v, %v; want pending with its upload", seen, err)
	}
	_, err := s.service.Commit(t.Context(), alice, j.ID, nil)
	wantKind(t, err, job.Conflict) // nothing is there yet
	s.uploaded(t, j.ID, "image/png", "IMG one")
	for range 2 { // a commit may be repeated
		if j, err = s.service.Commit(t.Context(), alice, j.ID, nil); err != nil || j.Upload != nil {
			t.Fatalf("commit gives %+v, %v", j, err)
		}
	}
	s.drain(t)
	if got := s.output(t, j.ID); got != "img one" || s.processor.calls.Load() != 1 {
		t.Errorf("output is %q, processed %d times", got, s.processor.calls.Load())
	}
	if j, err = s.service.Commit(t.Context(), alice, j.ID, nil); err != nil || j.Status != job.Completed {
		t.Errorf("late commit gives %+v, %v", j, err)
	}
}

// TestUploadExpiresWithItsSignature has URLs that expire before the time for the upload
// is over: the client sees when, and the status has a new URL until then.
func TestUploadExpiresWithItsSignature(t *testing.T) {
	t.Parallel()
	const session = 25 * time.Minute
	s := newSystemWith(t, func(c *service.Config) { c.Presigner = presigner{c.Now, session} })
	lifetime := func(up *job.Upload) time.Duration {
		if up == nil {
			t.Fatal("there is no upload")
		}
		return up.ExpiresAt.Sub(s.runner.Now())
	}
	j := s.announce(t, "IMG one")
	if left := lifetime(j.Upload); left > session || left < session-time.Minute {
		t.Errorf("at first it is good for %s, want %s", left, session)
	}
	s.advance(40 * time.Minute)
	seen, err := s.service.Status(t.Context(), alice, j.ID)
	if err != nil {
		t.Fatal(err)
	}
	if left := lifetime(seen.Upload); left > 20*time.Minute || left < 19*time.Minute {
		t.Errorf("then it is good for %s, want the 20m that are left for the upload", left)
	}
}

func TestUncommittedUploadIsNotProcessed(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	j := s.announce(t, "IMG one")
	s.uploaded(t, j.ID, "image/png", "IMG one")
	if out := s.runner.Run(t.Context(), job.Delivery{Message: job.Message{JobID: j.ID}}); out.Verdict != worker.Done || s.processor.calls.Load() != 0 {
		t.Errorf("outcome is %+v", out)
	}
	s.advance(2 * time.Hour)
	_, err := s.service.Commit(t.Context(), alice, j.ID, nil)
	wantKind(t, err, job.Conflict)
}

func TestCommitRefusesWhatASubmitWould(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		image string
		kind  job.Kind
	}{
		"no image":        {"not an image", job.Unsupported},
		"too many pixels": {"IMG" + strings.Repeat("P", 2000), job.TooLarge},
		"not with it":     {"IMG" + strings.Repeat("P", 13), job.TooLarge},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			j := s.announce(t, tt.image)
			s.uploaded(t, j.ID, "image/png", tt.image)
			_, err := s.service.Commit(t.Context(), alice, j.ID, nil)
			wantKind(t, err, tt.kind)
			d := s.document(t, j.ID)
			if d.Status != job.Failed || d.Message == "" || s.store.Objects(job.Input) != 0 || s.queue.Len() != 0 {
				t.Errorf("%s (%q), %d inputs, %d messages", d.Status, d.Message, s.store.Objects(job.Input), s.queue.Len())
			}
		})
	}
}

// TestCommitRefusesAPartOfTheImage has storage keep less than was announced.
func TestCommitRefusesAPartOfTheImage(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	j := s.announce(t, "IMG whole")
	s.uploaded(t, j.ID, "image/png", "IMG who")
	_, err := s.service.Commit(t.Context(), alice, j.ID, nil)
	wantKind(t, err, job.Invalid)
	if d := s.document(t, j.ID); d.Status != job.Failed || s.queue.Len() != 0 {
		t.Errorf("%s: %s, %d messages", d.Status, d.Message, s.queue.Len())
	}
}

func TestCommitLooksAtTheImageAndDoesNotReadIt(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	image := "IMG" + strings.Repeat("x", 1<<20-3)
	j := s.announce(t, image)
	s.uploaded(t, j.ID, "image/png", image)
	if _, err := s.service.Commit(t.Context(), alice, j.ID, nil); err != nil {
		t.Fatal(err)
	}
	if n := s.store.Calls(jobtest.OpOpen); n > 8 {
		t.Errorf("%d reads", n)
	}
	s.drain(t)
}

func TestEveryFailureOfACommit(t *testing.T) {
	t.Parallel()
	for _, op := range []jobtest.Op{jobtest.OpLoad, jobtest.OpOpen, jobtest.OpSwap, jobtest.OpSend} {
		for _, when := range []jobtest.When{jobtest.Before, jobtest.After} {
			if when == jobtest.After && op == jobtest.OpOpen {
				continue
			}
			t.Run(string(op)+[]string{"/before", "/after"}[when], func(t *testing.T) {
				t.Parallel()
				s := newSystem(t)
				j := s.announce(t, "IMG one")
				s.uploaded(t, j.ID, "image/png", "IMG one")
				s.store.Inject(jobtest.Fault{Op: op, Call: 1, When: when})
				s.queue.Inject(jobtest.Fault{Op: op, Call: 1, When: when})
				if _, err := s.service.Commit(t.Context(), alice, j.ID, nil); err != nil {
					if job.MessageOf(err) == "" {
						t.Errorf("%v says nothing to the client", err)
					}
					// The advice to the client works.
					if _, err := s.service.Commit(t.Context(), alice, j.ID, nil); err != nil {
						t.Fatal(err)
					}
				}
				s.drain(t)
				if got := s.output(t, j.ID); got != "img one" {
					t.Errorf("output is %q", got)
				}
			})
		}
	}
}

func TestOverTheInlineLimitAnUploadIsOffered(t *testing.T) {
	t.Parallel()
	image := "IMG" + strings.Repeat("x", 1<<19)
	for name, size := range map[string]int64{"announced size": int64(len(image)), "size unknown": 0} {
		for _, key := range []string{"", "key"} {
			t.Run(name+"/"+key, func(t *testing.T) {
				t.Parallel()
				s := newSystem(t)
				var id job.ID
				for range 1 + len(key)/3 { // under a key the offer can be had again
					out, err := s.service.Submit(t.Context(), alice, service.Submission{
						Size: size, Image: strings.NewReader(image), Key: key,
						Rest: func() (json.RawMessage, error) { return json.RawMessage(`{"a":1}`), nil },
					})
					if err != nil {
						t.Fatal(err)
					}
					wantKind(t, out.Err, job.TooLarge)
					j := out.Job
					if out.Result != service.Offered || j.Upload == nil || j.Upload.Headers["Content-Type"] != "image/png" {
						t.Fatalf("outcome is %+v", out)
					}
					if id != "" && j.ID != id {
						t.Error("another job")
					}
					id = j.ID
				}
				s.uploaded(t, id, "image/png", image)
				j, err := s.service.Commit(t.Context(), alice, id, nil)
				if err != nil || string(j.Params) != `{"a":1}` {
					t.Fatalf("commit gives %+v, %v", j, err)
				}
				s.drain(t)
				if s.document(t, id).Status != job.Completed {
					t.Errorf("it is %s", s.document(t, id).Status)
				}
			})
		}
	}
	s := newSystem(t)
	out, err := s.service.Submit(t.Context(), alice, submission("IMG"+strings.Repeat("x", 1<<20)))
	wantKind(t, err, job.TooLarge)
	if out.Job != nil || s.store.Documents() != 0 {
		t.Error("an image that no job may weigh is offered an upload")
	}
}

func TestAnnouncementsThatAreRefused(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	for name, tt := range map[string]struct {
		in   announcement
		kind job.Kind
	}{
		"no size":    {announcement{ContentType: "image/png"}, job.Invalid},
		"too large":  {announcement{ContentType: "image/png", SizeBytes: 1<<20 + 1}, job.TooLarge},
		"bad params": {announcement{ContentType: "image/png", SizeBytes: 1, Params: json.RawMessage(`{"bad":1}`)}, job.Invalid},
	} {
		_, err := s.postAnnouncement(t, tt.in)
		if job.KindOf(err) != tt.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s.store.Documents() != 0 {
		t.Error("documents are left")
	}
}

// An announcement under the same key that comes between a submit's look at the key and
// its document must not cost the submit its job.
func TestAnnouncedWhileTheImageIsRead(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	in := submission("IMG of a bear")
	in.Key = "k"
	in.Rest = func() (json.RawMessage, error) {
		_, err := s.postAnnouncement(t, announcement{ContentType: "image/png", SizeBytes: int64(len("IMG of a bear")), Key: "k"})
		return nil, err
	}
	j, err := s.post(t.Context(), alice, in)
	if err != nil {
		t.Fatal(err)
	}
	s.drain(t)
	if got := s.document(t, j.ID); got.Status != job.Completed {
		t.Errorf("an accepted job is %s: %s", got.Status, got.Message)
	}
}

// booked is a quota that counts, and can refuse submits.
type booked struct {
	full    bool
	submits int
	bytes   int64
}

func (q *booked) Request(_ string, a job.Account, n int64) error {
	if q.full {
		return job.Errorf(job.Exhausted, "too many submits")
	}
	if a == job.NewJobs {
		q.submits++
	}
	return q.Bytes("", a, n)
}

func (q *booked) Bytes(_ string, a job.Account, n int64) error {
	if a == job.NewJobs {
		q.bytes += n
	}
	return nil
}

func (*booked) Reads(string, int) error { return nil }
func (*booked) Unread(string, int)      {}
func (q *booked) Refund(_ string, a job.Account, requests int, bytes int64) {
	if a == job.NewJobs {
		q.submits -= requests
		q.bytes -= bytes
	}
}

func TestRefusedAnnouncementsAreNotBooked(t *testing.T) {
	t.Parallel()
	q := &booked{full: true}
	s := newSystemWith(t, func(c *service.Config) { c.Quota = q })
	_, err := s.postAnnouncement(t, announcement{ContentType: "image/png", SizeBytes: 100})
	wantKind(t, err, job.Exhausted)
	if q.bytes != 0 {
		t.Errorf("%d bytes of a refused announcement are booked", q.bytes)
	}
}

// TestPixelsTooFarIntoTheFile has images of which a commit cannot see enough: the worker
// counts their pixels while they pass, refuses what a submit would have refused, and tells
// what it has found, whether or not the processor wants all of the image.
func TestPixelsTooFarIntoTheFile(t *testing.T) {
	t.Parallel()
	lazy := func(context.Context, job.Task) (*job.Result, error) { return result("img"), nil }
	fooled := func(_ context.Context, task job.Task) (*job.Result, error) {
		_, _ = io.Copy(io.Discard, task.Image) // takes the error for the end
		return result("img"), nil
	}
	confused := func(_ context.Context, task job.Task) (*job.Result, error) {
		if _, err := io.Copy(io.Discard, task.Image); err != nil {
			return nil, errors.New("exit status 1")
		}
		return result("img"), nil
	}
	for name, do := range map[string]func(context.Context, job.Task) (*job.Result, error){"whole": nil, "lazy": lazy, "fooled": fooled, "confused": confused} {
		for pixels, want := range map[int]job.Status{7: job.Completed, 2000: job.Failed} {
			t.Run(fmt.Sprint(name, " ", pixels), func(t *testing.T) {
				t.Parallel()
				s := newSystemWith(t, func(c *service.Config) { c.Limits.MaxBytes = 4 << 20 })
				s.processor.do = do
				image := "IMG" + strings.Repeat("x", 2<<20) + strings.Repeat("P", pixels)
				j := s.announce(t, image)
				s.uploaded(t, j.ID, "image/png", image)
				if _, err := s.service.Commit(t.Context(), alice, j.ID, nil); err != nil {
					t.Fatal(err)
				}
				s.drain(t)
				d := s.document(t, j.ID)
				if d.Status != want || d.Attempts != 1 {
					t.Fatalf("%s after %d attempts: %s", d.Status, d.Attempts, d.Message)
				}
				if want == job.Failed {
					if !strings.Contains(d.Message, "too many pixels") || s.store.Objects(job.Output) != 0 {
						t.Errorf("%q, %d outputs", d.Message, s.store.Objects(job.Output))
					}
				} else if rec := s.record(t, j.ID); d.Input.Pixels != 7 || rec.Pixels != 7 || d.Input.SHA256 == "" {
					t.Errorf("input is %+v, billed %+v", d.Input, rec)
				}
			})
		}
	}
}

// TestRepeatIsBookedOnce repeats what makes a job, in all ways, under one key.
func TestRepeatIsBookedOnce(t *testing.T) {
	t.Parallel()
	image := "IMG" + strings.Repeat("x", 1<<19) // larger than a submit may be
	submit := func(s *system) error {
		out, err := s.service.Submit(t.Context(), alice, service.Submission{Image: strings.NewReader(image), Key: "k"})
		if out.Result == service.NotAccepted {
			return out.Err
		}
		return err
	}
	announce := func(s *system) error {
		_, err := s.postAnnouncement(t, announcement{ContentType: "image/png", SizeBytes: int64(len(image)), Key: "k"})
		return err
	}
	roomy := func(c *service.Config) { c.Limits.InlineBytes = c.Limits.MaxBytes }
	tests := map[string]struct {
		change func(*service.Config)
		steps  []func(*system) error
	}{
		"submits":                       {roomy, []func(*system) error{submit, submit, submit}},
		"offers":                        {func(*service.Config) {}, []func(*system) error{submit, submit, submit}},
		"announcements":                 {roomy, []func(*system) error{announce, announce, announce}},
		"announced, then sent inline":   {roomy, []func(*system) error{announce, submit, submit}},
		"announced, offered, announced": {func(*service.Config) {}, []func(*system) error{announce, submit, announce}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := &booked{}
			s := newSystemWith(t, func(c *service.Config) { tt.change(c); c.Quota = q })
			for _, step := range tt.steps {
				if err := step(s); err != nil {
					t.Fatal(err)
				}
			}
			if q.submits != 1 || q.bytes != int64(len(image)) {
				t.Errorf("%d submits and %d bytes are booked, want 1 and %d", q.submits, q.bytes, len(image))
			}
			if n := s.store.Documents(); n != 1 {
				t.Errorf("%d jobs", n)
			}
		})
	}
}
