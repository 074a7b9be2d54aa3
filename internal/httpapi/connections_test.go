package httpapi_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"claimcheck.example/internal/app/apptest"
)

// converse writes raw bytes to the server and reads its answers until it closes the
// connection, or until it has been silent for 5 s.
func converse(t *testing.T, s *apptest.System, request string) (answers []*http.Response, closed bool) {
	t.Helper()
	c := dial(t, s)
	go io.WriteString(c, request)
	r := bufio.NewReader(c)
	for {
		c.SetReadDeadline(time.Now().Add(time.Minute))
		a, err := http.ReadResponse(r, nil)
		if err != nil {
			ne, ok := err.(net.Error)
			return answers, !ok || !ne.Timeout()
		}
		io.Copy(io.Discard, a.Body)
		answers = append(answers, a)
	}
}

func dial(t *testing.T, s *apptest.System) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestRefusedBodiesAreNotWaitedFor announces bodies that are never sent, to calls that
// do not want them. Each is answered at once, and its connection is not kept.
func TestRefusedBodiesAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, "MAX_IMAGE_BYTES=1MiB")
	id := s.Submit(t, small(t)).JSON(t)["job_id"].(string)
	tests := map[string]struct {
		line, header string
		want         int
	}{
		"another method":    {"PUT /jobs", "", 405},
		"another path":      {"POST /nothing", "", 404},
		"a status":          {"GET /jobs/" + id, "", 200},
		"a commit":          {"POST /jobs/" + id + "/commit", "", 202},
		"too large":         {"POST /jobs", "Content-Type: image/png\r\nContent-Length: 99999999\r\n", 413},
		"another type":      {"POST /jobs", "Content-Type: text/plain\r\n", 415},
		"a malformed key":   {"POST /jobs", "Idempotency-Key: \r\n", 400},
		"asks to be asked":  {"POST /jobs", "Content-Type: text/plain\r\nExpect: 100-continue\r\n", 415},
		"a path to tidy up": {"POST /jobs/../x", "", 307},
		"with an end":       {"GET /health", "Content-Length: 10\r\n", 200},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(tt.header, "Content-Length") {
				tt.header += "Transfer-Encoding: chunked\r\n"
			}
			begin := time.Now()
			answers, closed := converse(t, s, tt.line+" HTTP/1.1\r\nHost: x\r\n"+tt.header+"\r\n")
			if len(answers) != 1 || answers[0].StatusCode != tt.want || !closed {
				t.Fatalf("answers are %v, connection closed: %v", answers, closed)
			}
			if took := time.Since(begin); took > 20*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
	t.Run("one that is there keeps its connection", func(t *testing.T) {
		t.Parallel()
		get := "GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
		if answers, _ := converse(t, s, get+get+strings.Replace(get, "\r\n", "\r\nConnection: close\r\n", 1)); len(answers) != 3 || answers[2].StatusCode != 200 {
			t.Errorf("answers are %v", answers)
		}
	})
}

// TestLengthsThatLie announces other lengths than are sent, or several.
func TestLengthsThatLie(t *testing.T) {
	t.Parallel()
	img := string(small(t))
	form := func(length int) string {
		ct, body := apptest.Form(t, small(t))
		return fmt.Sprintf("Content-Type: %s\r\nContent-Length: %d\r\n\r\n%s", ct, len(body)+length, body)
	}
	bare := "Content-Type: image/png\r\n"
	tests := map[string]struct {
		rest string
		want []int
	}{
		// What follows the announced bytes is not a request.
		"an image shorter than it is":  {bare + "Content-Length: 20\r\n\r\n" + img + "\r\n\r\n", []int{415, 400}},
		"a form shorter than it is":    {form(-20), []int{400, 400}},
		"a form longer than it is":     {"Connection: close\r\n" + form(20) + strings.Repeat(" ", 20), []int{202}},
		"two lengths":                  {bare + fmt.Sprintf("Content-Length: %d\r\nContent-Length: 5\r\n\r\n", len(img)) + img, []int{400}},
		"a negative length":            {bare + "Content-Length: -1\r\n\r\n" + img, []int{400}},
		"a length in words":            {bare + "Content-Length: many\r\n\r\n" + img, []int{400}},
		"a length beyond numbers":      {bare + "Content-Length: 99999999999999999999\r\n\r\n" + img, []int{400}},
		"a chunk that is not a number": {bare + "Transfer-Encoding: chunked\r\n\r\nzz\r\n" + img, []int{400}},
		"a chunk of a terabyte":        {bare + "Transfer-Encoding: chunked\r\n\r\n10000000000\r\n" + img + "\r\n0\r\n\r\n", []int{408}},
		"an unknown encoding":          {bare + "Transfer-Encoding: lzma\r\n\r\n" + img, []int{501}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			idle := time.Minute
			if tt.want[0] == http.StatusRequestTimeout {
				idle = time.Second
			}
			s := apptest.Start(t, "IDLE_TIMEOUT="+idle.String())
			answers, _ := converse(t, s, "POST /jobs HTTP/1.1\r\nHost: x\r\n"+tt.rest)
			got := []int{}
			for _, a := range answers {
				got = append(got, a.StatusCode)
			}
			if fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("answers are %v, want %v", got, tt.want)
			}
			if got[0] != http.StatusAccepted {
				wantNothing(t, s)
			}
		})
	}
}

// TestSilenceInTheMiddleOfALargeUpload stops to send when parts of the image are in
// storage already, without closing the connection.
func TestSilenceInTheMiddleOfALargeUpload(t *testing.T) {
	t.Parallel()
	image := append(small(t), make([]byte, 12<<20)...)
	ct, form := apptest.Form(t, image)
	for name, tt := range map[string]struct {
		contentType string
		body        []byte
	}{"bare": {"image/png", image}, "form": {ct, form[:len(form)-1000]}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := apptest.Start(t, "IDLE_TIMEOUT=3s")
			c := dial(t, s)
			c.SetDeadline(time.Now().Add(2 * time.Minute))
			fmt.Fprintf(c, "POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", tt.contentType, 2*len(image))
			if _, err := c.Write(tt.body); err != nil {
				t.Fatal(err)
			}
			a, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || a.StatusCode != http.StatusRequestTimeout {
				t.Fatalf("answer is %v, %v", a, err)
			}
			if n := s.Count()["S3 UploadPart"]; n == 0 {
				t.Error("no part was in storage")
			}
			wantNothing(t, s)
		})
	}
}

// TestTrickle sends a byte often enough for the idle limit, but never more.
func TestTrickle(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, "IDLE_TIMEOUT=1s")
	c := dial(t, s)
	c.SetDeadline(time.Now().Add(2 * time.Minute))
	fmt.Fprintf(c, "POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 100000\r\n\r\n%s", small(t))
	go func() {
		for range time.Tick(200 * time.Millisecond) {
			if _, err := c.Write([]byte{0}); err != nil {
				return
			}
		}
	}()
	a, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	if body, _ := io.ReadAll(a.Body); a.StatusCode != http.StatusRequestTimeout || !bytes.Contains(body, []byte("bytes per second")) {
		t.Errorf("%s: %s", a.Status, body)
	}
	wantNothing(t, s)
}

// TestSlowUploadsYield has clients on slow lines take every large buffer that their owner may
// have, each by one that it fills at a trickle: who comes after them gets one all the same, and only as many are
// broken off as others wait.
func TestSlowUploadsYield(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, "IDLE_TIMEOUT=9s")
	image := append(small(t), make([]byte, 1<<20)...)
	ended := make(chan string, 9)
	var begun sync.WaitGroup
	for range 9 {
		c := dial(t, s)
		begun.Add(1)
		go func() {
			fmt.Fprintf(c, "POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n", 6<<20)
			_, err := c.Write(image[:300<<10])
			begun.Done()
			for ; err == nil; time.Sleep(50 * time.Millisecond) {
				_, err = c.Write(make([]byte, 1<<10))
			}
		}()
		go func() {
			a, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				return // the test is over
			}
			body, _ := io.ReadAll(a.Body)
			ended <- fmt.Sprintf("%s: %s", a.Status, body)
		}()
	}
	begun.Wait()
	for len(ended) == 0 { // the server has yet to read what was sent to it
		if a := apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(image), "Content-Type", "image/png"); a.StatusCode != http.StatusAccepted {
			t.Fatalf("the next request gets %s: %s", a.Status, a.Bytes)
		}
	}
	if answer := <-ended; !strings.HasPrefix(answer, "408 ") || !strings.Contains(answer, "while other uploads waited") || !strings.Contains(answer, "application/json") {
		t.Errorf("the interrupted upload gets %s", answer)
	}
	if n := len(ended); n > 0 {
		t.Errorf("%d more were broken off", n)
	}
}

// TestUnreadAnswersEndTheConnection asks again and again and reads nothing: the connection is
// closed, not kept forever.
func TestUnreadAnswersEndTheConnection(t *testing.T) {
	t.Parallel()
	c := dial(t, apptest.Start(t, "IDLE_TIMEOUT=1s"))
	if err := c.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil { // soon full
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(2 * time.Minute))
	ask := []byte(strings.Repeat("GET /openapi.yaml HTTP/1.1\r\nHost: x\r\n\r\n", 100))
	var err error
	for err == nil {
		_, err = c.Write(ask)
	}
	if late, ok := err.(net.Error); ok && late.Timeout() {
		t.Error("the server waits forever")
	}
}

// TestNoHost asks as the oldest clients do, where nothing tells what a job's URL would be.
func TestNoHost(t *testing.T) {
	t.Parallel()
	img := small(t)
	ask := fmt.Sprintf("POST /jobs HTTP/1.0\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n%s", len(img), img)
	if answers, _ := converse(t, apptest.Start(t), ask); len(answers) != 1 || answers[0].StatusCode != http.StatusBadRequest {
		t.Errorf("answers are %v", answers)
	}
	answers, _ := converse(t, apptest.Start(t, "PUBLIC_URL=https://jobs.example.com"), ask)
	if len(answers) != 1 || answers[0].StatusCode != http.StatusAccepted || !strings.HasPrefix(answers[0].Header.Get("Location"), "https://jobs.example.com/jobs/") {
		t.Errorf("with a public URL answers are %v", answers)
	}
}

// TestFormsBrokenOff leaves in the middle of a large form, and in the end of one.
func TestFormsBrokenOff(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	ct, form := apptest.Form(t, append(small(t), make([]byte, 12<<20)...))
	for _, left := range []int{5 << 20, 10} {
		s.ResetCount()
		c := dial(t, s)
		fmt.Fprintf(c, "POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", ct, len(form))
		if _, err := c.Write(form[:len(form)-left]); err != nil {
			t.Fatal(err)
		}
		awaitCall(t, s, "S3 UploadPart")
		c.Close()
		awaitCall(t, s, "S3 AbortMultipartUpload")
	}
	awaitNothing(t, s)
}

// awaitNothing returns when the bucket holds no unfinished upload, and fails the test
// when something else is there.
func awaitNothing(t *testing.T, s *apptest.System) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	for tick := time.NewTicker(10 * time.Millisecond); openUploads(t, s) > 0; {
		select {
		case <-tick.C:
		case <-deadline:
			wantNothing(t, s)
			return
		}
	}
	wantNothing(t, s)
}

// TestPathsAreNeverFollowed asks for paths that leave the service's own, as they are on
// the wire: Go's client would tidy them up first.
func TestPathsAreNeverFollowed(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	id := s.Submit(t, small(t)).JSON(t)["job_id"].(string)
	for path, want := range map[string]int{
		"/jobs/../../etc/passwd":             307,
		"/jobs/" + id + "/../../health":      307,
		"//evil.example/jobs":                307,
		"/jobs/%2e%2e/%2e%2e/etc/passwd":     404,
		"/jobs/..%2f..%2fetc%2fpasswd":       404,
		"/jobs/" + id + "%2foutput":          404,
		"/jobs/" + id + "/output%2f..":       404,
		"/jobs/" + id + "\\..\\x":            404,
		"/jobs/%ff%fe":                       404,
		"/jobs/" + strings.Repeat("x", 9000): 404,
		"/jobs/%":                            400,
		"http://evil.example/jobs/" + id:     200,
	} {
		answers, _ := converse(t, s, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if len(answers) != 1 || answers[0].StatusCode != want {
			t.Errorf("%.80s: %v", path, answers)
			continue
		}
		if l := answers[0].Header.Get("Location"); want == 307 && (!strings.HasPrefix(l, "/") || strings.HasPrefix(l, "//") || strings.Contains(l, "..")) {
			t.Errorf("%s: sent on to %s", path, l)
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodDelete} {
		for _, name := range []string{strings.ToUpper(id), "{" + id + "}", "..%2f" + id, "%00"} {
			path := "/jobs/" + name
			if method == http.MethodPost {
				path += "/commit"
			}
			if a := apptest.Do(t, method, s.URL+path, nil); a.StatusCode != http.StatusNotFound || !bytes.Contains(a.Bytes, []byte("detail")) {
				t.Errorf("%s %s: %s: %s", method, path, a.Status, a.Bytes)
			}
		}
	}
	if a := apptest.Get(t, s.URL+"/jobs/"+id); a.StatusCode != http.StatusOK {
		t.Errorf("the job: %s: %s", a.Status, a.Bytes)
	}
}

func openUploads(t *testing.T, s *apptest.System) int {
	t.Helper()
	out, err := s.S3.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &s.Bucket})
	if err != nil {
		t.Fatal(err)
	}
	return len(out.Uploads)
}
