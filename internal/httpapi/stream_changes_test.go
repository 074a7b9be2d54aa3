package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/service"
)

// newReported is newStreamed over a store that reports changes.
func newReported(t *testing.T) *streamed {
	return newStreamedWith(t, func(c *service.Config) { c.Changes = c.Store.(*jobtest.Store) })
}

// TestStreamOfReports has the store report each change: a stream sends it at once, and reads
// nothing in between.
func TestStreamOfReports(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newReported(t)
		j := s.pending()
		k := s.open(t.Context(), j.ID)
		k.event(t)
		time.Sleep(9 * time.Second)
		if n := s.store.Calls(jobtest.OpLoad); n != 1 {
			t.Errorf("%d reads in 9 s without a change, want the first alone", n)
		}
		s.change(j, claim)
		if status, _, _ := k.event(t); status != "processing" {
			t.Errorf("at once: %s", status)
		}
		s.change(j, func(j *job.Job) { j.Progress = &job.Progress{Fraction: 0.4} })
		k.event(t)
		unmute := s.store.Mute()
		synctest.Wait()
		s.change(j, func(j *job.Job) { j.Progress = &job.Progress{Fraction: 0.5} })
		time.Sleep(3 * time.Second)
		k.event(t) // by a read
		unmute()
		synctest.Wait()
		s.complete(j)
		if status, _, ended := k.event(t); status != "completed" || !ended {
			t.Errorf("at last: %s, ended %v", status, ended)
		}
	})
}

// TestLostReport loses the report of a job's end: a stream finds the end by itself.
func TestLostReport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newReported(t)
		j := s.pending()
		k := s.open(t.Context(), j.ID)
		k.event(t)
		s.store.Lose(func() { s.change(j, claim) })
		if sent, _ := k.take(); sent != "" {
			t.Errorf("sent %q without a report", sent)
		}
		time.Sleep(11 * time.Second)
		if status, _, _ := k.event(t); status != "processing" {
			t.Errorf("later: %s", status)
		}
		s.store.Inject(jobtest.Fault{Op: jobtest.OpLoad, Call: 1}) // the read after the report
		s.complete(j)
		time.Sleep(3 * time.Second)
		if sent, ended := k.take(); !strings.Contains(sent, `"status":"completed"`) || !ended {
			t.Errorf("after a failed read: sent %q, ended %v", sent, ended)
		}
	})
}

// TestCancelAfterWhileReported follows a job whose Cancel-After is over: no write reports that.
func TestCancelAfterWhileReported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newReported(t)
		j := s.pendingWith(func(j *job.Job) { j.CancelAfter = 4 })
		k := s.open(t.Context(), j.ID)
		k.event(t)
		time.Sleep(4*time.Second + 100*time.Millisecond)
		if status, _, ended := k.event(t); status != "canceled" || !ended {
			t.Errorf("after 4 s: %s, ended %v", status, ended)
		}
	})
}

// TestWaitForReport answers a waiting request as soon as the job is over.
func TestWaitForReport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newReported(t)
		j := s.pending()
		begin := time.Now()
		go func() {
			time.Sleep(9 * time.Second)
			s.change(j, claim)
			s.complete(j)
		}()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://x/jobs/"+j.ID.String(), nil)
		r.Header.Set("Prefer", "wait=20")
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		if took := time.Since(begin); w.Code != http.StatusCreated || took != 9*time.Second {
			t.Errorf("%d after %v: %s", w.Code, took, w.Body)
		}
		if n := s.store.Calls(jobtest.OpLoad); n > 3 {
			t.Errorf("%d reads, want one at first and one for each change", n)
		}
	})
}
