package httpapi_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"testing"
	"time"

	"claimcheck.example/internal/app/apptest"
)

// otherBytes returns an image of the size and type of img with another last byte.
func otherBytes(img []byte) []byte {
	other := bytes.Clone(img)
	other[len(other)-1] ^= 1
	return other
}

// TestDeletedJobLeavesItsKeyAlone deletes an announced job and uploads other bytes by its
// URL, which is valid for an hour. The next job of the key has nothing to do with them.
func TestDeletedJobLeavesItsKeyAlone(t *testing.T) {
	t.Parallel()
	img := small(t)
	deleted := func(t *testing.T, s *apptest.System) offer {
		a := announce(t, s, "image/png", len(img), "Idempotency-Key", "k")
		if a := apptest.Do(t, http.MethodDelete, a.Header.Get("Location"), nil); a.StatusCode != http.StatusNoContent {
			t.Fatalf("delete: %s: %s", a.Status, a.Bytes)
		}
		return offerOf(t, a)
	}
	wantImage := func(t *testing.T, location, digest string) {
		t.Helper()
		end := apptest.Await(t, location)
		if end.StatusCode != http.StatusCreated || end.JSON(t)["input"].(map[string]any)["sha256"] != digest {
			t.Errorf("the job is %s", end.Bytes)
		}
	}
	t.Run("announced again", func(t *testing.T) {
		t.Parallel()
		s := apptest.Start(t)
		s.StartWorker(t)
		old := deleted(t, s)
		if resp := old.put(t, otherBytes(img)); resp.StatusCode != http.StatusOK {
			t.Fatalf("the old upload: %s", resp.Status)
		}
		again := announce(t, s, "image/png", len(img), "Idempotency-Key", "k")
		location := again.Header.Get("Location")
		if a := commit(t, location); a.StatusCode != http.StatusConflict {
			t.Errorf("commit before the upload: %s: %s", a.Status, a.Bytes)
		}
		if resp := offerOf(t, again).put(t, img); resp.StatusCode != http.StatusOK {
			t.Errorf("the new upload: %s", resp.Status)
		}
		if a := commit(t, location); a.StatusCode != http.StatusAccepted {
			t.Fatalf("commit: %s: %s", a.Status, a.Bytes)
		}
		wantImage(t, location, hexDigest(img))
	})
	t.Run("announced again before the old upload", func(t *testing.T) {
		t.Parallel()
		s := apptest.Start(t)
		old := deleted(t, s)
		location := announce(t, s, "image/png", len(img), "Idempotency-Key", "k").Header.Get("Location")
		old.put(t, otherBytes(img))
		if a := commit(t, location); a.StatusCode != http.StatusConflict {
			t.Errorf("commit: %s: %s", a.Status, a.Bytes)
		}
	})
	t.Run("submitted", func(t *testing.T) {
		t.Parallel()
		s := apptest.Start(t)
		s.StartWorker(t)
		deleted(t, s).put(t, otherBytes(img))
		a := submitKeyed(t, s, "k", img, "")
		if a.StatusCode != http.StatusAccepted {
			t.Fatalf("submit: %s: %s", a.Status, a.Bytes)
		}
		wantImage(t, a.Header.Get("Location"), hexDigest(img))
	})
}

// TestEachLifeOfAKeyIsBilled deletes a completed job and submits under its key again: two
// jobs have been worked on.
func TestEachLifeOfAKeyIsBilled(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	stop := s.StartWorker(t)
	for range 2 {
		location := submitKeyed(t, s, "k", small(t), "").Header.Get("Location")
		if end := apptest.Await(t, location); end.StatusCode != http.StatusCreated {
			t.Fatalf("the job is %s", end.Bytes)
		}
		if a := apptest.Do(t, http.MethodDelete, location, nil); a.StatusCode != http.StatusNoContent {
			t.Fatalf("delete: %s: %s", a.Status, a.Bytes)
		}
	}
	stop()
	if jobs := apptest.Get(t, s.URL+"/usage").JSON(t)["total"].(map[string]any)["jobs"]; jobs != 2.0 {
		t.Errorf("%v jobs are billed", jobs)
	}
}

// TestKeyOfAJobThatIsBeingDeleted breaks a deletion off: the key is refused for now, and a
// client knows when to try again.
func TestKeyOfAJobThatIsBeingDeleted(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	location := submitKeyed(t, s, "k", small(t), "").Header.Get("Location")
	s.Backend.Fail(func(r apptest.Request) apptest.Fault {
		if r.Method == http.MethodDelete {
			return apptest.Deny
		}
		return apptest.Pass
	})
	apptest.Do(t, http.MethodDelete, location, nil)
	if a := submitKeyed(t, s, "k", small(t), ""); a.StatusCode != http.StatusConflict || a.Header.Get("Retry-After") == "" {
		t.Errorf("while it is being deleted: %s, Retry-After %q: %s", a.Status, a.Header.Get("Retry-After"), a.Bytes)
	}
	s.Backend.Fail(nil)
	if a := apptest.Do(t, http.MethodDelete, location, nil); a.StatusCode != http.StatusNoContent {
		t.Errorf("delete: %s: %s", a.Status, a.Bytes)
	}
	if a := submitKeyed(t, s, "k", small(t), ""); a.StatusCode != http.StatusAccepted {
		t.Errorf("after it: %s: %s", a.Status, a.Bytes)
	}
}

// TestRefusedCommitStaysRefused repeats a commit whose image was refused.
func TestRefusedCommitStaysRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		body []byte
		want int
	}{
		"no image":        {[]byte("<!DOCTYPE html>"), http.StatusUnsupportedMediaType},
		"too many pixels": {pngOf(50_000, 50_000), http.StatusRequestEntityTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := apptest.Start(t, "MAX_IMAGE_PIXELS=10000")
			announced := announce(t, s, "image/png", len(tt.body))
			offerOf(t, announced).put(t, tt.body)
			first := commit(t, announced.Header.Get("Location"))
			again := commit(t, announced.Header.Get("Location"))
			if first.StatusCode != tt.want || again.StatusCode != tt.want || first.JSON(t)["detail"] != again.JSON(t)["detail"] {
				t.Errorf("first %s: %s\nthen %s: %s", first.Status, first.Bytes, again.Status, again.Bytes)
			}
		})
	}
}

// TestSignatureIsNotTheStatus reads the status of an announced job in two seconds, whose
// upload is signed anew each time: it is the same status, and may be deleted as such.
func TestSignatureIsNotTheStatus(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	location := announce(t, s, "image/png", 99).Header.Get("Location")
	first := apptest.Get(t, location)
	url := offerOf(t, first).url
	deadline := time.After(time.Minute)
	for tick := time.NewTicker(100 * time.Millisecond); ; {
		again := apptest.Get(t, location)
		if again.Header.Get("ETag") != first.Header.Get("ETag") {
			t.Fatalf("the ETag changed: %s became %s", first.Bytes, again.Bytes)
		}
		if offerOf(t, again).url != url {
			break // it is signed anew
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the upload is never signed anew")
		}
	}
	if a := apptest.Do(t, http.MethodDelete, location, nil, "If-Match", first.Header.Get("ETag")); a.StatusCode != http.StatusNoContent {
		t.Errorf("delete: %s: %s", a.Status, a.Bytes)
	}
}

func hexDigest(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }
