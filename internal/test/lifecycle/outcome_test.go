package lifecycle_test

import (
	"fmt"
	"strings"
	"testing"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/service"
)

// TestOutcomes submits one image twice under a key, in each of the ways in which an image
// can come.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	large := "IMG" + strings.Repeat("x", 1<<19)
	plain := func() service.Submission { return service.Submission{Key: "k", Image: strings.NewReader("IMG one")} }
	announced := func() service.Submission { return service.Submission{Key: "k", ContentType: "image/png", Size: 7} }
	over := func() service.Submission { return service.Submission{Key: "k", Image: strings.NewReader(large)} }
	tests := map[string]struct {
		first, second func() service.Submission
		want          [2]service.Result
	}{
		"plain, plain":         {plain, plain, [2]service.Result{service.Accepted, service.Repeated}},
		"announced, announced": {announced, announced, [2]service.Result{service.Accepted, service.Repeated}},
		"announced, plain":     {announced, plain, [2]service.Result{service.Accepted, service.Accepted}},
		"plain, announced":     {plain, announced, [2]service.Result{service.Accepted, service.Repeated}},
		"too large, again":     {over, over, [2]service.Result{service.Offered, service.Offered}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			var ids [2]job.ID
			for i, in := range []service.Submission{tt.first(), tt.second()} {
				out, err := s.service.Submit(t.Context(), alice, in)
				if err != nil || out.Result != tt.want[i] {
					t.Fatalf("submit %d comes to %+v, %v; want result %d", i, out, err, tt.want[i])
				}
				ids[i] = out.Job.ID
			}
			if ids[0] != ids[1] || s.store.Documents() != 1 {
				t.Errorf("%d documents of %v", s.store.Documents(), ids)
			}
		})
	}
}

// TestAnnouncementThatABackendRefuses fails the write of an announced job: the document
// says so, and a repeat under the key is accepted.
func TestAnnouncementThatABackendRefuses(t *testing.T) {
	t.Parallel()
	for _, when := range []jobtest.When{jobtest.Before, jobtest.After} {
		t.Run(fmt.Sprint(when), func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			in := service.Submission{Key: "k", ContentType: "image/png", Size: 7}
			mend := s.store.Inject(jobtest.Fault{Op: jobtest.OpCreate, Call: 1, When: when})
			out, err := s.service.Submit(t.Context(), alice, in)
			mend()
			if err != nil || out.Result != service.NotAccepted {
				t.Fatalf("it comes to %+v, %v", out, err)
			}
			wantKind(t, out.Err, job.Unavailable)
			if d := s.document(t, out.Job.ID); d.Status != job.Failed || !d.Unaccepted {
				t.Errorf("document is %+v", d)
			}
			if again, err := s.service.Submit(t.Context(), alice, in); err != nil || again.Result != service.Accepted || again.Job.Upload == nil {
				t.Errorf("the repeat comes to %+v, %v", again, err)
			}
		})
	}
}
