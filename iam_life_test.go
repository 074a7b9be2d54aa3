package claimcheck

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"claimcheck.example/internal/app/apptest"
)

// liveThroughEverything has every call made that server and worker ever make.
func liveThroughEverything(t *testing.T, api, worker *rightsNeeded) {
	t.Helper()
	const mib = 1 << 20
	image := rainier(t)
	large := slices.Concat(image, make([]byte, 6*mib)) // a JPEG with something behind it is one still
	hung := make(chan struct{}, 16)
	later := true
	processor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		switch mode := r.Header.Get("X-Params"); {
		case strings.Contains(mode, "refuse"):
			http.Error(w, "no", http.StatusBadRequest)
		case strings.Contains(mode, "later") && later:
			later = false
			w.WriteHeader(http.StatusServiceUnavailable)
		case strings.Contains(mode, "hang"):
			w.Write(large)
			w.(http.Flusher).Flush()
			hung <- struct{}{}
			<-r.Context().Done()
		default:
			w.Write(body)
		}
	}))
	t.Cleanup(processor.Close)
	s := apptest.StartWatched(t, apptest.Watch{API: api.watch, Worker: worker.watch}, "PROCESSOR="+processor.URL, "LEASE=3s", "MAX_INLINE_BYTES=32MiB", "CONCURRENCY=8")
	want := func(a apptest.Answer, status int) apptest.Answer {
		t.Helper()
		if a.StatusCode != status {
			t.Fatalf("%s %s: %s: %s", a.Request.Method, a.Request.URL.Path, a.Status, a.Bytes)
		}
		return a
	}
	post := func(body []byte, header ...string) string {
		t.Helper()
		header = append([]string{"Content-Type", "image/jpeg"}, header...)
		return want(apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(body), header...), 202).Header.Get("Location")
	}
	want(apptest.Get(t, s.URL+"/ready"), 200)
	want(apptest.Get(t, s.URL+"/jobs/01a205c3-98c3-73a4-8dce-5da8191d9b77"), 404)

	plain := post(image, "Idempotency-Key", "one")
	if again := post(image, "Idempotency-Key", "one"); again != plain {
		t.Errorf("the same key names %s and %s", plain, again)
	}
	parts := post(large)
	abort(t, s.URL+"/jobs", large)

	announce := func() (location string) {
		a := want(apptest.Do(t, http.MethodPost, s.URL+"/jobs", strings.NewReader(fmt.Sprintf(`{"content_type": "image/jpeg", "size_bytes": %d}`, len(image))),
			"Content-Type", "application/json"), 202)
		return a.Header.Get("Location")
	}
	upload := func(location string, body []byte) {
		t.Helper()
		up := apptest.Get(t, location).JSON(t)["upload"].(map[string]any)
		var header []string
		for name, value := range up["headers"].(map[string]any) {
			header = append(header, name, value.(string))
		}
		want(apptest.Do(t, http.MethodPut, up["url"].(string), bytes.NewReader(body), header...), 200)
	}
	direct, bad := announce(), announce()
	want(apptest.Do(t, http.MethodPost, direct+"/commit", nil), 409)
	upload(direct, image)
	want(apptest.Do(t, http.MethodPost, direct+"/commit", nil), 202)
	upload(bad, bytes.Repeat([]byte("x"), len(image)))
	want(apptest.Do(t, http.MethodPost, bad+"/commit", nil), 415)

	// An output that somebody left there makes the worker look before it writes.
	taken := post(image)
	key := "output/" + path.Base(taken)
	if _, err := s.S3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &s.Bucket, Key: &key, Body: strings.NewReader("left behind")}); err != nil {
		t.Fatal(err)
	}
	rejected := postParams(t, s, image, "refuse")
	delayed := postParams(t, s, image, "later")
	hanging := postParams(t, s, image, "hang")
	stop := s.StartWorker(t)

	<-hung // its output is half sent: it is deleted, and its worker cleans up
	want(apptest.Do(t, http.MethodDelete, hanging, nil), 204)
	for _, l := range []string{plain, parts, direct, taken, delayed} {
		if a := apptest.Await(t, l); a.JSON(t)["status"] != "completed" {
			t.Errorf("%s", a.Bytes)
		}
	}
	if a := apptest.Await(t, rejected); a.JSON(t)["status"] != "failed" {
		t.Errorf("%s", a.Bytes)
	}
	want(apptest.Get(t, taken+"/output", "Range", "bytes=0-99"), 206)
	day := time.Now().UTC().Format(time.DateOnly)
	want(apptest.Get(t, s.URL+"/usage?from="+day+"&to="+day), 200)
	want(apptest.Do(t, http.MethodDelete, plain, nil), 204)
	// The worker of the deleted job finds out at its next sign of life, and removes
	// what it has sent so far.
	over := time.After(2 * time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !worker.has(right{"s3:DeleteObject", "arn:aws:s3:::BUCKET/output/*"}) {
		select {
		case <-tick.C:
		case <-over:
			t.Fatal("nobody has removed the output of the deleted job")
		}
	}
	stop()
}

func postParams(t *testing.T, s *apptest.System, image []byte, mode string) string {
	t.Helper()
	a := s.Submit(t, image, "params", fmt.Sprintf(`{"mode": %q}`, mode))
	if a.StatusCode != http.StatusAccepted {
		t.Fatalf("%s: %s", a.Status, a.Bytes)
	}
	return a.Header.Get("Location")
}

// abort posts a body that breaks off after its first part has been sent on.
func abort(t *testing.T, url string, body []byte) {
	t.Helper()
	r, w := io.Pipe()
	go func() {
		w.Write(body)
		w.CloseWithError(io.ErrUnexpectedEOF)
	}()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, r)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "image/jpeg")
	if resp, err := http.DefaultClient.Do(req); err == nil {
		resp.Body.Close()
	}
}
