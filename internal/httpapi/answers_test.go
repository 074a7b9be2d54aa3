package httpapi_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/httpapi"
	"claimcheck.example/internal/job"
)

// completed is a system with one completed job.
func completed(t *testing.T, vars ...string) (s *apptest.System, location string) {
	t.Helper()
	s = apptest.Start(t, vars...)
	s.StartWorker(t)
	ct, body := apptest.Form(t, small(t))
	a := apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(body), "Content-Type", ct, "Prefer", "wait=20")
	if a.StatusCode != http.StatusCreated || a.Header.Get("Preference-Applied") != "wait=20" {
		t.Fatalf("submit: %s: %s", a.Status, a.Bytes)
	}
	return s, s.URL + "/jobs/" + a.JSON(t)["job_id"].(string)
}

func TestOutputIsSafeToOpen(t *testing.T) {
	t.Parallel()
	_, location := completed(t)
	a := apptest.Get(t, location+"/output")
	id := location[strings.LastIndexByte(location, '/')+1:]
	for name, want := range map[string]string{
		"Content-Type":                 "image/png",
		"X-Content-Type-Options":       "nosniff",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Content-Security-Policy":      "sandbox; default-src 'none'",
		"Content-Disposition":          `inline; filename="` + id + `.png"`,
		"Cache-Control":                "private, no-cache",
		"Accept-Ranges":                "bytes",
	} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestRangesAndPreconditions(t *testing.T) {
	t.Parallel()
	_, location := completed(t)
	whole := apptest.Get(t, location+"/output")
	size, etag := len(whole.Bytes), whole.Header.Get("ETag")
	tests := map[string]struct {
		header       []string
		status       int
		body         []byte
		contentRange string
	}{
		"first bytes":             {[]string{"Range", "bytes=0-3"}, 206, whole.Bytes[:4], fmt.Sprintf("bytes 0-3/%d", size)},
		"last bytes":              {[]string{"Range", "bytes=-4"}, 206, whole.Bytes[size-4:], fmt.Sprintf("bytes %d-%d/%d", size-4, size-1, size)},
		"from the middle":         {[]string{"Range", "bytes=10-"}, 206, whole.Bytes[10:], fmt.Sprintf("bytes 10-%d/%d", size-1, size)},
		"outside":                 {[]string{"Range", "bytes=999999-"}, 416, nil, fmt.Sprintf("bytes */%d", size)},
		"several ranges":          {[]string{"Range", "bytes=0-1,3-4"}, 200, whole.Bytes, ""},
		"another unit":            {[]string{"Range", "lines=0-1"}, 200, whole.Bytes, ""},
		"if it is still the same": {[]string{"Range", "bytes=0-3", "If-Range", etag}, 206, whole.Bytes[:4], fmt.Sprintf("bytes 0-3/%d", size)},
		"if it were another":      {[]string{"Range", "bytes=0-3", "If-Range", `"other"`}, 200, whole.Bytes, ""},
		"if of a date":            {[]string{"Range", "bytes=0-3", "If-Range", "Mon, 23 Nov 2026 00:17:14 GMT"}, 200, whole.Bytes, ""},
		"known already":           {[]string{"If-None-Match", etag}, 304, nil, ""},
		"known among others":      {[]string{"If-None-Match", `"x", W/` + etag}, 304, nil, ""},
		"known as another":        {[]string{"If-None-Match", `"x"`}, 200, whole.Bytes, ""},
	}
	for name, tt := range tests {
		a := apptest.Get(t, location+"/output", tt.header...)
		if a.StatusCode != tt.status || tt.body != nil && !bytes.Equal(a.Bytes, tt.body) || a.Header.Get("Content-Range") != tt.contentRange {
			t.Errorf("%s: %s, Content-Range %q, %d bytes", name, a.Status, a.Header.Get("Content-Range"), len(a.Bytes))
		}
		if tt.status == 304 && (len(a.Bytes) > 0 || a.Header.Get("ETag") != etag) {
			t.Errorf("%s: %d bytes, ETag %q", name, len(a.Bytes), a.Header.Get("ETag"))
		}
	}
	status := apptest.Get(t, location)
	if a := apptest.Get(t, location, "If-None-Match", status.Header.Get("ETag")); a.StatusCode != 304 || len(a.Bytes) > 0 {
		t.Errorf("status known already: %s", a.Status)
	}
}

func TestHeadIsGetWithoutABody(t *testing.T) {
	t.Parallel()
	s, location := completed(t)
	for _, url := range []string{location, location + "/output", s.URL + "/health", s.URL + "/ready", s.URL + "/usage", s.URL + "/jobs/nothing"} {
		get, head := apptest.Get(t, url), apptest.Do(t, http.MethodHead, url, nil)
		if head.StatusCode != get.StatusCode || len(head.Bytes) != 0 {
			t.Errorf("%s: HEAD is %s with %d bytes, GET is %s", url, head.Status, len(head.Bytes), get.Status)
		}
		for _, name := range []string{"Content-Type", "Content-Length", "ETag", "Location"} {
			if head.Header.Get(name) != get.Header.Get(name) {
				t.Errorf("%s: %s of HEAD is %q, of GET %q", url, name, head.Header.Get(name), get.Header.Get(name))
			}
		}
	}
}

func TestUnknownMethodsAndPaths(t *testing.T) {
	t.Parallel()
	s, location := completed(t)
	for _, tt := range []struct{ method, url, allow string }{
		{http.MethodPut, s.URL + "/jobs", "GET, HEAD, OPTIONS, POST"},
		{http.MethodPut, location, "DELETE, GET, HEAD, OPTIONS"},
		{http.MethodPost, location + "/output", "GET, HEAD, OPTIONS"},
		{"BREW", s.URL + "/usage", "GET, HEAD, OPTIONS"},
	} {
		if a := apptest.Do(t, tt.method, tt.url, nil); a.StatusCode != 405 || a.Header.Get("Allow") != tt.allow || a.JSON(t)["detail"] == "" {
			t.Errorf("%s %s: %s, Allow %q: %s", tt.method, tt.url, a.Status, a.Header.Get("Allow"), a.Bytes)
		}
		if a := apptest.Do(t, http.MethodOptions, tt.url, nil); a.StatusCode != 204 || a.Header.Get("Allow") != tt.allow {
			t.Errorf("OPTIONS %s: %s, Allow %q", tt.url, a.Status, a.Header.Get("Allow"))
		}
	}
	for _, path := range []string{"/job", "/jobs/", location[len(s.URL):] + "/output/x", "/robots.txt", "/healthz"} {
		if a := apptest.Get(t, s.URL+path); a.StatusCode != 404 || a.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %s: %s", path, a.Status, a.Bytes)
		}
	}
}

func TestLinksAreWhatTheClientCanReach(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		vars, header []string
		want         string
	}{
		"the request's host":      {nil, []string{"Host", "jobs.example"}, "http://jobs.example/jobs/"},
		"behind TLS":              {nil, []string{"Host", "jobs.example", "X-Forwarded-Proto", "https"}, "https://jobs.example/jobs/"},
		"behind something odd":    {nil, []string{"Host", "jobs.example", "X-Forwarded-Proto", "javascript"}, "http://jobs.example/jobs/"},
		"the public URL":          {[]string{"PUBLIC_URL=https://api.example/v1/"}, []string{"Host", "jobs.example"}, "https://api.example/v1/jobs/"},
		"the public URL over all": {[]string{"PUBLIC_URL=https://api.example"}, []string{"X-Forwarded-Proto", "http"}, "https://api.example/jobs/"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := apptest.Start(t, tt.vars...)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/jobs", bytes.NewReader(small(t)))
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(tt.header); i += 2 {
				req.Header.Set(tt.header[i], tt.header[i+1])
			}
			req.Host = req.Header.Get("Host")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if got := resp.Header.Get("Location"); !strings.HasPrefix(got, tt.want) {
				t.Errorf("Location is %s, want %s…", got, tt.want)
			}
		})
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	preflight := []string{"Access-Control-Request-Method", "POST", "Origin"}
	s := apptest.Start(t, "CORS_ORIGINS=https://app.example", "AUTH_HEADER=X-Serverless-Authorization")
	a := apptest.Do(t, http.MethodOptions, s.URL+"/jobs", nil, append(preflight, "https://app.example")...)
	if a.StatusCode != 204 || a.Header.Get("Access-Control-Allow-Origin") != "https://app.example" || !strings.Contains(a.Header.Get("Access-Control-Allow-Headers"), "X-Serverless-Authorization, ") {
		t.Errorf("allowed origin: %s, %v", a.Status, a.Header)
	}
	allowed := strings.Split(a.Header.Get("Access-Control-Allow-Headers"), ", ")
	for _, name := range []string{"Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "Last-Event-ID", "Cancel-After", "Idempotency-Key", "Prefer"} {
		if !slices.Contains(allowed, name) {
			t.Errorf("a page may not send %s; it may send %v", name, allowed)
		}
	}
	if a := apptest.Do(t, http.MethodOptions, s.URL+"/jobs", nil, append(preflight, "https://evil.example")...); a.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("another origin: %v", a.Header)
	}
	if a := apptest.Get(t, s.URL+"/jobs/x", "Origin", "https://app.example"); !strings.Contains(a.Header.Get("Access-Control-Expose-Headers"), "RateLimit") || a.Header.Get("Vary") != "Origin" {
		t.Errorf("an answer: %v", a.Header)
	}
	closed := apptest.Start(t)
	if a := apptest.Do(t, http.MethodOptions, closed.URL+"/jobs", nil, append(preflight, "https://app.example")...); a.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("without configuration: %v", a.Header)
	}
}

func TestWaitingForTheEnd(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	a := apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(small(t)), "Content-Type", "image/png", "Prefer", "respond-async, wait=1")
	if a.StatusCode != http.StatusAccepted || a.Header.Get("Preference-Applied") != "wait=1" {
		t.Fatalf("no worker: %s, %v", a.Status, a.Header)
	}
	location := a.Header.Get("Location")
	if a := apptest.Get(t, location, "Prefer", "wait=soon"); a.StatusCode != 200 || a.Header.Get("Preference-Applied") != "" {
		t.Errorf("a preference that is none: %s, %v", a.Status, a.Header)
	}
	s.StartWorker(t)
	start := time.Now()
	if a := apptest.Get(t, location, "Prefer", `wait="60"`); a.StatusCode != http.StatusCreated || a.JSON(t)["status"] != "completed" {
		t.Errorf("with a worker: %s: %s", a.Status, a.Bytes)
	}
	if took := time.Since(start); took > 50*time.Second {
		t.Errorf("it waited %s for a job that was done", took)
	}
}

// TestCancel cancels a job twice, one that is completed, and none.
func TestCancel(t *testing.T) {
	t.Parallel()
	s, done := completed(t)
	cancel := func(location string) apptest.Answer {
		return apptest.Do(t, http.MethodPost, location+"/cancel", nil)
	}
	if a := cancel(done); a.StatusCode != http.StatusConflict || !strings.Contains(a.JSON(t)["detail"].(string), "completed already") {
		t.Errorf("of a completed job: %s: %s", a.Status, a.Bytes)
	}
	announced := apptest.Do(t, http.MethodPost, s.URL+"/jobs", strings.NewReader(`{"content_type": "image/png", "size_bytes": 99}`), "Content-Type", "application/json").Header.Get("Location")
	for _, which := range []string{"first", "second"} {
		a := cancel(announced)
		if v := a.JSON(t); a.StatusCode != http.StatusAccepted || a.Header.Get("Location") != announced || v["status"] != "canceled" || v["message"] != "canceled by its owner" {
			t.Errorf("the %s time: %s, Location %q: %s", which, a.Status, a.Header.Get("Location"), a.Bytes)
		}
	}
	if usage := apptest.Get(t, announced).JSON(t)["usage"].(map[string]any); usage["processing_seconds"] != 0.0 || usage["estimated_cost"].(map[string]any)["usd"] != 0.0 {
		t.Errorf("a job that never started has the usage %v", usage)
	}
	if a := cancel(s.URL + "/jobs/0199f1c2-7d3a-7c11-9a52-5f0f6f3b8e21"); a.StatusCode != http.StatusNotFound {
		t.Errorf("of no job: %s: %s", a.Status, a.Bytes)
	}
}

// TestCancelAfterIsANumberOfSeconds takes one second to a week, as a header of an image and
// as a member of an announcement, and refuses all else.
func TestCancelAfterIsANumberOfSeconds(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	submit := func(values ...string) apptest.Answer {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/jobs", bytes.NewReader(small(t)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header["Content-Type"], req.Header["Cancel-After"] = []string{"image/png"}, values
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return apptest.Answer{Response: resp, Bytes: b}
	}
	announce := func(seconds string, header ...string) apptest.Answer {
		t.Helper()
		body := `{"content_type": "image/png", "size_bytes": 99, "cancel_after": ` + seconds + `}`
		return apptest.Do(t, http.MethodPost, s.URL+"/jobs", strings.NewReader(body), append(header, "Content-Type", "application/json")...)
	}
	kept := func(a apptest.Answer) any {
		t.Helper()
		if a.StatusCode != http.StatusAccepted {
			t.Fatalf("%s: %s", a.Status, a.Bytes)
		}
		return object(t, s, "jobs/"+idOf(a))["cancel_after"]
	}
	for text, want := range map[string]float64{"1": 1, "604800": 604800} {
		if header, member := kept(submit(text)), kept(announce(text)); header != want || member != want {
			t.Errorf("of %s, jobs keep %v as a header and %v as a member", text, header, member)
		}
	}
	const bounds = "whole number of seconds from 1 to 604800"
	for _, wrong := range [][]string{{"0"}, {"604801"}, {"-1"}, {"1.5"}, {"soon"}, {""}, {"99999999999999999999"}, {"60", "60"}} {
		wantRefusal(t, fmt.Sprintf("header %q", wrong), submit(wrong...), http.StatusBadRequest, "Cancel-After must be one "+bounds)
	}
	for _, wrong := range []string{"0", "604801", "-1"} {
		wantRefusal(t, "member "+wrong, announce(wrong), http.StatusBadRequest, "cancel_after must be one "+bounds)
	}
	wantRefusal(t, "both", announce("60", "Cancel-After", "60"), http.StatusBadRequest, "send one of them")
}

// TestPricesOfAFile estimates the cost of a job by the prices of PRICES_FILE, and says of when
// they are.
func TestPricesOfAFile(t *testing.T) {
	t.Parallel()
	prices, err := os.ReadFile(awstest.Path("../cost/prices.json"))
	if err != nil {
		t.Fatal(err)
	}
	dear := strings.NewReplacer(`"as_of": "2026-06"`, `"as_of": "2031-02"`, `[{"price": 0.005}]`, `[{"price": 5000}]`).Replace(string(prices))
	file := filepath.Join(t.TempDir(), "prices.json")
	if err := os.WriteFile(file, []byte(dear), 0o600); err != nil {
		t.Fatal(err)
	}
	_, location := completed(t, "PRICES_FILE="+file)
	usage := apptest.Get(t, location).JSON(t)["usage"].(map[string]any)
	cost, _ := usage["estimated_cost"].(map[string]any)
	writes := usage["requests"].(map[string]any)["store_writes"].(float64)
	if usd, _ := cost["usd"].(float64); cost["prices"] != "2031-02" || usd < 5*writes || usd > 5*writes+1 {
		t.Errorf("%v writes at 5 USD cost %v", writes, cost)
	}
}

// TestJobsOfAWorkerThatCountsNothing: their requests and cost are null, and the usage says of
// how many jobs they are not known.
func TestJobsOfAWorkerThatCountsNothing(t *testing.T) {
	t.Parallel()
	s, location := completed(t)
	id := location[strings.LastIndexByte(location, '/')+1:]
	doc := object(t, s, "jobs/"+id)
	delete(doc, "requests")
	put(t, s, "jobs/"+id, doc)
	var records *s3.ListObjectsV2Output
	for range time.Tick(10 * time.Millisecond) { // a record follows the end of its job
		var err error
		if records, err = s.S3.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &s.Bucket, Prefix: aws.String("usage/")}); err != nil {
			t.Fatal(err)
		}
		if len(records.Contents) > 0 {
			break
		}
	}
	for _, o := range records.Contents {
		record := object(t, s, *o.Key)
		delete(record, "requests")
		put(t, s, *o.Key, record)
	}
	for name, v := range map[string]map[string]any{
		"status": apptest.Get(t, location).JSON(t), "list": apptest.Get(t, s.URL+"/jobs").JSON(t)["jobs"].([]any)[0].(map[string]any),
	} {
		usage := v["usage"].(map[string]any)
		for _, key := range []string{"requests", "estimated_cost"} {
			if value, ok := usage[key]; value != nil || !ok {
				t.Errorf("%s: %s is %v", name, key, value)
			}
		}
	}
	total := apptest.Get(t, s.URL+"/usage").JSON(t)["total"].(map[string]any)
	if total["jobs"] != 1.0 || total["uncounted"] != 1.0 || total["requests"].(map[string]any)["store_writes"] != 0.0 {
		t.Errorf("the usage is %v", total)
	}
}

func TestDeletedJobIsGone(t *testing.T) {
	t.Parallel()
	s, location := completed(t)
	if a := apptest.Do(t, http.MethodDelete, location, nil); a.StatusCode != http.StatusNoContent || len(a.Bytes) != 0 {
		t.Fatalf("delete: %s: %s", a.Status, a.Bytes)
	}
	for method, url := range map[string]string{http.MethodGet: location, http.MethodHead: location + "/output", http.MethodDelete: location} {
		if a := apptest.Do(t, method, url, nil); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s %s: %s", method, url, a.Status)
		}
	}
	usage := apptest.Get(t, s.URL+"/usage").JSON(t)
	if jobs := usage["total"].(map[string]any)["jobs"]; jobs != 1.0 {
		t.Errorf("usage after the delete is %v", usage)
	}
}

func TestReadyNamesTheFailingBackend(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ vars, want []string }{
		"no bucket":         {[]string{"S3_BUCKET=no-such-bucket"}, []string{"no-such-bucket", "S3_BUCKET"}},
		"no queue":          {[]string{"SQS_QUEUE_URL=http://127.0.0.1:1/000000000000/no-such-queue"}, []string{"no-such-queue", "SQS_QUEUE_URL"}},
		"neither is there":  {[]string{"S3_BUCKET=no-such-bucket", "SQS_QUEUE_URL=http://127.0.0.1:1/000000000000/no-such-queue"}, []string{"no-such-bucket", "no-such-queue"}},
		"all is as it must": {nil, nil},
	} {
		s := apptest.Start(t, tt.vars...)
		a := apptest.Get(t, s.URL+"/ready")
		if (a.StatusCode == 200) != (tt.want == nil) {
			t.Errorf("%s: %s: %s", name, a.Status, a.Bytes)
		}
		for _, w := range tt.want {
			if !bytes.Contains(a.Bytes, []byte(w)) {
				t.Errorf("%s: %q does not name %s", name, a.Bytes, w)
			}
		}
		for _, theirs := range []string{"operation error", "RequestID", "StatusCode"} {
			if bytes.Contains(a.Bytes, []byte(theirs)) {
				t.Errorf("%s: %q tells what the SDK said", name, a.Bytes)
			}
		}
	}
}

// TestReadyAsksRarely asks for readiness in quick succession, from many sides.
func TestReadyAsksRarely(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	begin := time.Now()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 25 {
				apptest.Get(t, s.URL+"/ready")
			}
		})
	}
	all.Wait()
	if n, most := s.Count()["S3 HeadBucket"], 2+int(time.Since(begin)/time.Second); n > most || n == 0 {
		t.Errorf("of 200 requests %d asked S3, want at most %d", n, most)
	}
}

// TestWaitedAnswersAreNotStored asks for a status with a wait, and without, through a
// cache: the answer to a wait has a header of its own, and no cache keeps it.
func TestWaitedAnswersAreNotStored(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	location := s.Submit(t, small(t)).Header.Get("Location")
	etag := apptest.Get(t, location).Header.Get("ETag")
	for _, tt := range []struct {
		wait   string
		status int
		etag   string
		want   string
	}{
		{"wait=0", 200, "", "private, no-cache"}, {"wait=0", 304, etag, "private, no-cache"},
		{"wait=1", 200, "", "private, no-store"}, {"wait=1", 304, etag, "private, no-store"},
	} {
		a := apptest.Get(t, location, "Prefer", tt.wait, "If-None-Match", tt.etag)
		if got := a.Header.Get("Cache-Control"); a.StatusCode != tt.status || got != tt.want {
			t.Errorf("%s, %q: %s with Cache-Control: %s, want %d with %s", tt.wait, tt.etag, a.Status, got, tt.status, tt.want)
		}
	}
}

// TestFailingStatusNamesItsJob has storage fail where a job is asked for.
func TestFailingStatusNamesItsJob(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	first := s.Submit(t, small(t))
	location, id := first.Header.Get("Location"), first.JSON(t)["job_id"]
	s.Backend.Fail(func(r apptest.Request) apptest.Fault {
		if strings.HasPrefix(r.Key, "jobs/") {
			return apptest.Refuse
		}
		return apptest.Pass
	})
	for _, ask := range [][2]string{{http.MethodGet, ""}, {http.MethodDelete, ""}, {http.MethodPost, "/commit"}} {
		a := apptest.Do(t, ask[0], location+ask[1], nil)
		if p := a.JSON(t); a.StatusCode != 500 || p["job_id"] != id || p["location"] != location || a.Header.Get("Location") != location {
			t.Errorf("%s %s: %s: %s", ask[0], ask[1], a.Status, a.Bytes)
		}
	}
}

// panicking panics instead of authenticating.
type panicking struct{}

func (panicking) Authenticate(*http.Request) (job.Principal, error) { panic("secret value") }
func (panicking) Challenge(error) string                            { return "" }

func TestPanicIsA500AndItsValueIsNotLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	h, _ := httpapi.New(httpapi.Options{Auth: panicking{}, Logger: slog.New(slog.NewTextHandler(&log, nil)), Now: time.Now})
	server := httptest.NewServer(h)
	a := apptest.Get(t, server.URL+"/usage?token=hush")
	server.Close()
	if a.StatusCode != 500 || a.JSON(t)["detail"] == "" {
		t.Errorf("answer is %s: %s", a.Status, a.Bytes)
	}
	if !strings.Contains(log.String(), "panic in a handler") || strings.Contains(log.String(), "secret value") || strings.Contains(log.String(), "hush") {
		t.Errorf("log is %s", log.String())
	}
}

// TestSubmitIsNeverNotModified answers a submit that waits in full, whatever If-None-Match says:
// its answer creates a job, and is not a copy of one that the client has.
func TestSubmitIsNeverNotModified(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	s.StartWorker(t)
	a := apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(small(t)), "Content-Type", "image/png", "Prefer", "wait=60", "If-None-Match", "*")
	if a.StatusCode != http.StatusCreated || a.JSON(t)["status"] != "completed" {
		t.Errorf("submit: %s: %s", a.Status, a.Bytes)
	}
}

// TestOutputThatBreaksOffIsNotComplete cuts storage off in the middle of an output: the
// client must notice.
func TestOutputThatBreaksOffIsNotComplete(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, "PROCESSOR=exec:cat")
	s.StartWorker(t)
	image := append(small(t), make([]byte, 4<<20)...)
	a := apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(image), "Content-Type", "image/png", "Prefer", "wait=20")
	location := a.Header.Get("Location")
	s.Backend.Fail(func(r apptest.Request) apptest.Fault {
		if strings.HasPrefix(r.Key, "output/") {
			return apptest.CutAnswer
		}
		return apptest.Pass
	})
	resp, err := http.Get(location)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err == nil {
		t.Errorf("%d of %d bytes came as a whole answer: %s", n, len(image), resp.Status)
	}
}

// TestErrorsAboutAJobNameIt asks for outputs that are not to be had.
func TestErrorsAboutAJobNameIt(t *testing.T) {
	t.Parallel()
	want := func(t *testing.T, a apptest.Answer, status int, location string) {
		t.Helper()
		answer := a.JSON(t)
		if a.StatusCode != status || answer["location"] != location || a.Header.Get("Location") != location || !strings.HasSuffix(location, "/"+fmt.Sprint(answer["job_id"])) {
			t.Errorf("answer is %s, Location %q: %s", a.Status, a.Header.Get("Location"), a.Bytes)
		}
	}
	img := pngOf(2, 2)
	t.Run("failed", func(t *testing.T) {
		t.Parallel()
		s := apptest.Start(t, "PROCESSOR=exec:sh -c 'exit 65'")
		location := s.Submit(t, img).Header.Get("Location")
		want(t, apptest.Get(t, location+"/output"), http.StatusNotFound, location) // not yet
		s.StartWorker(t)
		apptest.Await(t, location)
		want(t, apptest.Get(t, location+"/output"), http.StatusNotFound, location)
	})
	t.Run("range", func(t *testing.T) {
		t.Parallel()
		s := apptest.Start(t, "PROCESSOR=exec:cat")
		s.StartWorker(t)
		location := s.Submit(t, img).Header.Get("Location")
		apptest.Await(t, location)
		want(t, apptest.Get(t, location+"/output", "Range", "bytes=1000000-"), http.StatusRequestedRangeNotSatisfiable, location)
	})
}
