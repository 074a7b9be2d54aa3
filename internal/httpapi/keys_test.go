package httpapi_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"claimcheck.example/internal/app/apptest"
)

func submitKeyed(t *testing.T, s *apptest.System, key string, image []byte, query string) apptest.Answer {
	t.Helper()
	return apptest.Do(t, http.MethodPost, s.URL+"/jobs"+query, bytes.NewReader(image), "Content-Type", "image/png", "Idempotency-Key", key)
}

// TestIdempotencyKeyNamesOneJob repeats a submit before and after the job's end, in
// several forms and at once: there is one job, one input and one result.
func TestIdempotencyKeyNamesOneJob(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{"a character": "k", "255 characters": strings.Repeat("k", 255), "a path": "../../jobs/x", "spaces inside": "a b"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := apptest.Start(t)
			img := small(t)
			var first apptest.Answer
			var racers sync.WaitGroup
			answers := make(chan apptest.Answer, 5)
			for range cap(answers) {
				racers.Go(func() { answers <- submitKeyed(t, s, key, img, "") })
			}
			racers.Wait()
			close(answers)
			for a := range answers {
				if first.Response == nil {
					first = a
				}
				if a.StatusCode != http.StatusAccepted || a.Header.Get("Location") != first.Header.Get("Location") {
					t.Fatalf("%s, %s: %s", a.Status, a.Header.Get("Location"), a.Bytes)
				}
			}
			stop := s.StartWorker(t)
			if end := apptest.Await(t, first.Header.Get("Location")); end.StatusCode != http.StatusCreated {
				t.Fatalf("the job is %s", end.Bytes)
			}
			ct, form := apptest.Form(t, img)
			late := apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(form), "Content-Type", ct, "Idempotency-Key", key)
			if late.StatusCode != http.StatusAccepted || late.JSON(t)["job_id"] != first.JSON(t)["job_id"] {
				t.Errorf("after the end: %s: %s", late.Status, late.Bytes)
			}
			if after, now := first.Header.Get("Retry-After"), late.Header.Get("Retry-After"); after == "" || now != "" {
				t.Errorf("Retry-After is %q before the end, %q after it", after, now)
			}
			stop() // the bill is written behind the job's end
			if jobs := apptest.Get(t, s.URL+"/usage").JSON(t)["total"].(map[string]any)["jobs"]; jobs != 1.0 {
				t.Errorf("%v jobs are billed", jobs)
			}
			for what, a := range map[string]apptest.Answer{
				"another image": submitKeyed(t, s, key, pngOf(3, 3), ""), "other params": submitKeyed(t, s, key, img, `?params={"width":2}`),
			} {
				if a.StatusCode != http.StatusUnprocessableEntity || a.JSON(t)["detail"] == "" || a.Header.Get("Location") != "" {
					t.Errorf("%s: %s: %s", what, a.Status, a.Bytes)
				}
			}
		})
	}
}

func TestTwoKeysAreRefused(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/jobs", bytes.NewReader(small(t)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header["Idempotency-Key"] = []string{"a", "b"}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("answer is %s", resp.Status)
	}
	wantNothing(t, s)
}

// awaitCall returns when S3 or SQS has been asked for an operation.
func awaitCall(t *testing.T, s *apptest.System, operation string) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	for tick := time.NewTicker(time.Millisecond); s.Count()[operation] == 0; {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s is never called", operation)
		}
	}
}

// TestImageOfAnAnnouncedJob brings the image of an announced job in a submit under the
// announcement's key. It is that job's image, and nothing else is.
func TestImageOfAnAnnouncedJob(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	s.StartWorker(t)
	img := small(t)
	announced := announce(t, s, "image/png", len(img), "Idempotency-Key", "k")
	location := announced.Header.Get("Location")
	body := fmt.Sprintf(`{"content_type":"image/jpeg","size_bytes":%d,"params":{"width":3}}`, len(img))
	for what, a := range map[string]apptest.Answer{
		"another size":           submitKeyed(t, s, "k", append(bytes.Clone(img), 0), `?params={"width":3}`),
		"other params":           submitKeyed(t, s, "k", img, ""),
		"another type announced": apptest.Do(t, http.MethodPost, s.URL+"/jobs", strings.NewReader(body), "Content-Type", "application/json", "Idempotency-Key", "k"),
	} {
		if a.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%s: %s: %s", what, a.Status, a.Bytes)
		}
	}
	a := submitKeyed(t, s, "k", img, `?params={"width":3}`)
	if a.StatusCode != http.StatusAccepted || a.Header.Get("Location") != location || a.JSON(t)["upload"] != nil || a.JSON(t)["created_at"] != announced.JSON(t)["created_at"] {
		t.Fatalf("its image: %s: %s", a.Status, a.Bytes)
	}
	// The URL of the announcement is still valid, but uploads to a place that is not used
	// any more.
	offerOf(t, announced).put(t, otherBytes(img))
	if a := commit(t, location); a.StatusCode != http.StatusAccepted {
		t.Errorf("a commit thereafter: %s: %s", a.Status, a.Bytes)
	}
	if end := apptest.Await(t, location); end.StatusCode != http.StatusCreated {
		t.Errorf("the job: %s: %s", end.Status, end.Bytes)
	}
}
