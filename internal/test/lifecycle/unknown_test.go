package lifecycle_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/redrive"
)

// TestWhatANewerReleaseWroteStays has another release add to the documents of a job that
// runs to its end, of one that is put back, and of one whose announced upload comes by
// a submit; the store's twin watches each step.
func TestWhatANewerReleaseWroteStays(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	add := func(id job.ID) {
		t.Helper()
		raw, err := json.Marshal(s.document(t, id))
		if err != nil {
			t.Fatal(err)
		}
		s.store.PutRaw(id, []byte(strings.TrimSuffix(string(raw), "}")+`,"priority":7}`))
	}
	submitted := s.submit(t, "IMG one")
	add(submitted.ID)
	announced, err := s.postAnnouncement(t, announcement{ContentType: "image/png", SizeBytes: 7, Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	add(announced.ID)
	if _, err := s.post(t.Context(), alice, underKey("k", strings.NewReader("IMG two"))); err != nil {
		t.Fatal(err)
	}
	lost := s.submit(t, "IMG three")
	add(lost.ID)
	if err := s.queue.Delete(t.Context(), s.receive(t).Receipt); err != nil {
		t.Fatal(err)
	}
	s.advance(retention + time.Hour)
	for _, id := range []job.ID{submitted.ID, announced.ID, lost.ID} {
		if _, err := s.redriver.Redrive(t.Context(), id, redrive.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	s.drain(t)
	for _, id := range []job.ID{submitted.ID, announced.ID, lost.ID} {
		if d := s.document(t, id); d.Status != job.Completed || string(d.Extra["priority"]) != "7" {
			t.Errorf("in the end %+v", d)
		}
	}
}
