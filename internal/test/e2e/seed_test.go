package e2e_test

import (
	"bytes"
	"encoding/json"
	"image"
	_ "image/jpeg" // what the output is
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/test/service"
)

// The tests of this file have the names of the sentences in the service's first
// description, each proved over HTTP against S3 and SQS servers on the wire.

// accepted is a system with one accepted job.
type accepted struct {
	*apptest.System
	answer   apptest.Answer
	location string
	id       string
}

func accept(t *testing.T) accepted {
	t.Helper()
	return acceptOn(t, apptest.Start(t))
}

func acceptOn(t *testing.T, s *apptest.System) accepted {
	t.Helper()
	a := s.Submit(t, apptest.Photograph(t))
	if a.StatusCode != http.StatusAccepted {
		t.Fatalf("submit: %s: %s", a.Status, a.Bytes)
	}
	location := a.Header.Get("Location")
	return accepted{s, a, location, location[strings.LastIndexByte(location, '/')+1:]}
}

// object reads an object of the bucket.
func object(t *testing.T, s *apptest.System, key string) (contentType string, body []byte) {
	t.Helper()
	out, err := s.S3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &s.Bucket, Key: &key})
	if err != nil {
		t.Fatalf("object %s: %v", key, err)
	}
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(out.ContentType), b
}

// put replaces a job's document.
func put(t *testing.T, s *apptest.System, id string, body []byte) {
	t.Helper()
	_, err := s.S3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &s.Bucket, Key: aws.String("jobs/" + id), Body: bytes.NewReader(body)})
	if err != nil {
		t.Fatal(err)
	}
}

// document reads a job's document.
func document(t *testing.T, s *apptest.System, id string) map[string]any {
	t.Helper()
	ct, body := object(t, s, "jobs/"+id)
	if ct != "application/json" {
		t.Errorf("document is of type %q", ct)
	}
	var m map[string]any
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func isUUID(t *testing.T, id any) {
	t.Helper()
	s, _ := id.(string)
	if u, err := uuid.Parse(s); err != nil || u.String() != s {
		t.Errorf("%q is not a UUID", s)
	}
}

func TestPostAnImageToJobs(t *testing.T) {
	t.Parallel()
	t.Run("The user posts an image to this URL", func(t *testing.T) {
		t.Parallel()
		accept(t)
	})
	t.Run("If accepted: a job identified by UUID is created", func(t *testing.T) {
		t.Parallel()
		a := accept(t)
		isUUID(t, a.id)
		isUUID(t, a.answer.JSON(t)["job_id"])
	})
	t.Run("If accepted: if logging is set to Debug, the image will be shown", func(t *testing.T) {
		t.Parallel()
		// The desktop's viewer is a program that keeps the files that it gets.
		desktop := t.TempDir()
		viewer := "#!/bin/sh\nPATH=/usr/bin:/bin\ncp \"$1\" '" + desktop + "/new' && mv '" + desktop + "/new' '" + desktop + "/shown'\n"
		if err := os.WriteFile(desktop+"/xdg-open", []byte(viewer), 0o700); err != nil {
			t.Fatal(err)
		}
		env := awstest.Start(t)
		submit := func(vars ...string) service.Service {
			vars = append(vars, "DISPLAY=:0", "PATH="+desktop+":"+os.Getenv("PATH"), "TMPDIR="+desktop)
			d := service.Open(t, env, "server", vars...)
			ct, body := apptest.Form(t, apptest.Photograph(t))
			if a := apptest.Do(t, http.MethodPost, d.URL+"/jobs", bytes.NewReader(body), "Content-Type", ct); a.StatusCode != http.StatusAccepted {
				t.Fatalf("submit: %s: %s", a.Status, a.Bytes)
			}
			return d
		}
		const record = `"msg":"image accepted"`
		for name, vars := range map[string][]string{"not set to Debug": {"LOG_LEVEL=info"}, "in the cloud": {"LOG_LEVEL=debug", "K_SERVICE=claimcheck", "LOG_FORMAT=json"}} {
			d := submit(vars...)
			if err := d.Stop(2 * time.Minute); err != nil { // after the image viewer has ended
				t.Error(err)
			}
			if _, err := os.Stat(desktop + "/shown"); err == nil || strings.Contains(d.Output(), record) {
				t.Errorf("%s, the image is shown: %v: %s", name, err, d.Output())
			}
		}
		d := submit("LOG_LEVEL=debug")
		var shown []byte
		for begin := time.Now(); shown == nil && time.Since(begin) < 2*time.Minute; time.Sleep(5 * time.Millisecond) {
			shown, _ = os.ReadFile(desktop + "/shown")
		}
		if !bytes.Equal(shown, apptest.Photograph(t)) || !strings.Contains(d.Output(), record) {
			t.Errorf("%d bytes are shown, of %d; log: %s", len(shown), len(apptest.Photograph(t)), d.Output())
		}
	})
	t.Run("If accepted: an SQS message is created in the queue at the value of environment variable SQS_QUEUE_URL", func(t *testing.T) {
		t.Parallel()
		a := accept(t)
		out, err := a.SQS.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &a.QueueURL, WaitTimeSeconds: 5})
		if err != nil || len(out.Messages) != 1 {
			t.Fatalf("received %v, %v", out, err)
		}
		if got, want := aws.ToString(out.Messages[0].Body), `{"job_id":"`+a.id+`"}`; got != want {
			t.Errorf("message is %s, want %s", got, want)
		}
	})
	t.Run("If accepted: an S3 job object is created at jobs job_id", func(t *testing.T) {
		t.Parallel()
		a := accept(t)
		d := document(t, a.System, a.id)
		if d["job_id"] != a.id || d["status"] != "pending" {
			t.Errorf("document is %v", d)
		}
	})
	t.Run("If accepted: an S3 image object is created at input job_id", func(t *testing.T) {
		t.Parallel()
		a := accept(t)
		ct, body := object(t, a.System, "input/"+a.id)
		if ct != "image/jpeg" || !bytes.Equal(body, apptest.Photograph(t)) {
			t.Errorf("input is %d bytes of %s", len(body), ct)
		}
	})
	t.Run("If accepted: status code of 202, a location header and body key identifying the location of job status information", func(t *testing.T) {
		t.Parallel()
		a := accept(t)
		if a.answer.StatusCode != 202 || a.answer.JSON(t)["location"] != a.location || !strings.HasPrefix(a.location, a.URL+"/jobs/") {
			t.Errorf("answer is %s, Location %q: %s", a.answer.Status, a.location, a.answer.Bytes)
		}
		if s := apptest.Get(t, a.location); s.StatusCode != 200 || s.JSON(t)["job_id"] != a.id {
			t.Errorf("the location gives %s: %s", s.Status, s.Bytes)
		}
	})
	t.Run("The job status is returned to the user", func(t *testing.T) {
		t.Parallel()
		if a := accept(t); a.answer.JSON(t)["status"] != "pending" {
			t.Errorf("body is %s", a.answer.Bytes)
		}
	})
}

// TestIfNotAccepted refuses a submit by a failure of each of the three backends.
func TestIfNotAccepted(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		rule     func(apptest.Request) apptest.Fault
		document bool // storage can write it
	}{
		"the input cannot be stored": {func(r apptest.Request) apptest.Fault {
			return refuseIf(r.Method == http.MethodPut && strings.HasPrefix(r.Key, "input/"))
		}, true},
		"the message cannot be sent": {func(r apptest.Request) apptest.Fault { return refuseIf(r.Method == "SendMessage") }, true},
		"the message may not be sent": {func(r apptest.Request) apptest.Fault {
			if r.Method == "SendMessage" {
				return apptest.Deny
			}
			return apptest.Pass
		}, true},
		"the document cannot be stored": {func(r apptest.Request) apptest.Fault {
			return refuseIf(r.Method == http.MethodPut && strings.HasPrefix(r.Key, "jobs/"))
		}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := apptest.Start(t)
			s.Backend.Fail(tt.rule)
			a := s.Submit(t, apptest.Photograph(t))
			s.Backend.Fail(nil)
			body := a.JSON(t)
			location := a.Header.Get("Location")
			id := location[strings.LastIndexByte(location, '/')+1:]

			t.Run("a job identified by UUID is created", func(t *testing.T) { isUUID(t, body["job_id"]) })
			t.Run("status code of 500 (Internal Server Error)", func(t *testing.T) {
				if a.StatusCode != 500 {
					t.Errorf("status is %s: %s", a.Status, a.Bytes)
				}
			})
			t.Run("a location header and body key identifying the location of job status information", func(t *testing.T) {
				if location == "" || body["location"] != location || body["job_id"] != id {
					t.Errorf("Location is %q, body %s", location, a.Bytes)
				}
			})
			t.Run("an S3 job object is created at jobs job_id", func(t *testing.T) {
				if !tt.document {
					return // only this write fails
				}
				if d := document(t, s, id); d["status"] != "failed" || d["message"] == "" {
					t.Errorf("document is %v", d)
				}
				if st := apptest.Get(t, location); st.StatusCode != 200 || st.JSON(t)["status"] != "failed" {
					t.Errorf("status is %s: %s", st.Status, st.Bytes)
				}
			})
		})
	}
}

func refuseIf(yes bool) apptest.Fault {
	if yes {
		return apptest.Refuse
	}
	return apptest.Pass
}

func TestGetJobStatus(t *testing.T) {
	t.Parallel()
	as := func(t *testing.T, status string) (accepted, apptest.Answer) {
		t.Helper()
		a := accept(t)
		d := document(t, a.System, a.id)
		d["status"] = status
		d["lease_until"] = "2999-01-01T00:00:00Z"
		body, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		put(t, a.System, a.id, body)
		return a, apptest.Get(t, a.location)
	}
	for _, status := range []string{"pending", "processing", "failed"} {
		t.Run("If the job is "+status+": status code of 200 (OK)", func(t *testing.T) {
			t.Parallel()
			if _, got := as(t, status); got.StatusCode != 200 || got.JSON(t)["status"] != status {
				t.Errorf("answer is %s: %s", got.Status, got.Bytes)
			}
		})
	}
	t.Run("If the job is completed: status code of 201 (Created), a location header and body key identifying the location of job output", func(t *testing.T) {
		t.Parallel()
		a := accept(t)
		a.StartWorker(t)
		got := apptest.Await(t, a.location)
		location := got.Header.Get("Location")
		if got.StatusCode != 201 || location != a.location+"/output" || got.JSON(t)["location"] != location {
			t.Errorf("answer is %s, Location %q: %s", got.Status, location, got.Bytes)
		}
	})
	t.Run("If no job status is found: status code of 404 (Not Found)", func(t *testing.T) {
		t.Parallel()
		s := apptest.Start(t)
		if got := apptest.Get(t, s.URL+"/jobs/"+uuid.NewString()); got.StatusCode != 404 {
			t.Errorf("answer is %s: %s", got.Status, got.Bytes)
		}
	})
	t.Run("If the information is unknown: status code of 500 (Internal Server Error), possible error written to job message", func(t *testing.T) {
		t.Parallel()
		_, unknown := as(t, "thinking")
		a := accept(t)
		put(t, a.System, a.id, []byte("not JSON"))
		corrupt := apptest.Get(t, a.location)
		a.Backend.Fail(func(r apptest.Request) apptest.Fault { return refuseIf(r.Method == http.MethodGet) })
		down := apptest.Get(t, a.location)
		for name, got := range map[string]apptest.Answer{"unknown status": unknown, "corrupt document": corrupt, "storage fails": down} {
			if m, _ := got.JSON(t)["message"].(string); got.StatusCode != 500 || m == "" {
				t.Errorf("%s: answer is %s: %s", name, got.Status, got.Bytes)
			}
		}
	})
	t.Run("The job status is returned to the user", func(t *testing.T) {
		t.Parallel()
		_, got := as(t, "processing")
		body := got.JSON(t)
		keys := map[string]bool{}
		for k := range body {
			keys[k] = true
		}
		want := map[string]bool{"job_id": true, "status": true, "created_at": true, "updated_at": true, "expires_at": true, "attempts": true, "input": true}
		if diff := cmp.Diff(want, keys); diff != "" {
			t.Errorf("keys of the status (-want +got):\n%s", diff)
		}
	})
}

func TestGetJobOutput(t *testing.T) {
	t.Parallel()
	t.Run("If the image is read correctly: User is returned the image", func(t *testing.T) {
		t.Parallel()
		a := accept(t)
		a.StartWorker(t)
		apptest.Await(t, a.location)
		got := apptest.Get(t, a.location+"/output")
		c, format, err := image.DecodeConfig(bytes.NewReader(got.Bytes))
		if err != nil || got.StatusCode != 200 || got.Header.Get("Content-Type") != "image/jpeg" || format != "jpeg" {
			t.Fatalf("answer is %s, %s, %s: %v", got.Status, got.Header.Get("Content-Type"), format, err)
		}
		// Upright: stored in landscape with an orientation that turns it, and fitted.
		if c.Width != 768 || c.Height != 1024 {
			t.Errorf("output has %d x %d pixels", c.Width, c.Height)
		}
		if _, stored := object(t, a.System, "output/"+a.id); !bytes.Equal(stored, got.Bytes) {
			t.Error("output is not what is stored")
		}
	})
	t.Run("If the image is not found: User is returned a 404 message in JSON format", func(t *testing.T) {
		t.Parallel()
		a := accept(t)
		a.StartWorker(t)
		apptest.Await(t, a.location)
		if _, err := a.S3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &a.Bucket, Key: aws.String("output/" + a.id)}); err != nil {
			t.Fatal(err)
		}
		for name, url := range map[string]string{"output gone": a.location + "/output", "no such job": a.URL + "/jobs/" + uuid.NewString() + "/output"} {
			got := apptest.Get(t, url)
			if got.StatusCode != 404 || got.Header.Get("Content-Type") != "application/problem+json" || got.JSON(t)["status"] != 404.0 {
				t.Errorf("%s: answer is %s: %s", name, got.Status, got.Bytes)
			}
		}
	})
	t.Run("Any other result: The user is returned a 500 message", func(t *testing.T) {
		t.Parallel()
		a := accept(t)
		a.StartWorker(t)
		apptest.Await(t, a.location)
		for name, rule := range map[string]func(apptest.Request) apptest.Fault{
			"output unreadable":   func(r apptest.Request) apptest.Fault { return refuseIf(strings.HasPrefix(r.Key, "output/")) },
			"document unreadable": func(r apptest.Request) apptest.Fault { return refuseIf(strings.HasPrefix(r.Key, "jobs/")) },
			"forbidden":           func(r apptest.Request) apptest.Fault { return apptest.Deny },
		} {
			a.Backend.Fail(rule)
			if got := apptest.Get(t, a.location+"/output"); got.StatusCode != 500 || got.JSON(t)["detail"] == "" {
				t.Errorf("%s: answer is %s: %s", name, got.Status, got.Bytes)
			}
		}
	})
}

func TestIssues(t *testing.T) {
	t.Parallel()
	t.Run("Possibly crashable with very large files", func(t *testing.T) {
		t.Parallel()
		s := apptest.Start(t, "MAX_IMAGE_BYTES=8MiB")
		endless := io.MultiReader(bytes.NewReader(apptest.Photograph(t)), zeros{}) // of unknown length
		a := apptest.Do(t, http.MethodPost, s.URL+"/jobs", endless, "Content-Type", "image/jpeg")
		if a.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("an endless image: %s: %s", a.Status, a.Bytes)
		}
		if left := s.Keys(t); len(left) != 0 {
			t.Errorf("it leaves %v", left)
		}
		if a := s.Submit(t, apptest.Photograph(t)); a.StatusCode != http.StatusAccepted {
			t.Errorf("the next submit: %s: %s", a.Status, a.Bytes)
		}
	})
	t.Run("Usage is anonymous making it unbillable", func(t *testing.T) {
		t.Parallel()
		p := apptest.StartProvider(t)
		s := apptest.Start(t, "OIDC_ISSUER="+p.URL, "OIDC_AUDIENCE=claimcheck")
		wantBilled(t, s, p)
	})
	t.Run("output should return a location if the job is pending or processing", func(t *testing.T) {
		t.Parallel()
		a := accept(t)
		got := apptest.Get(t, a.location+"/output")
		if got.StatusCode != 404 || got.Header.Get("Location") != a.location || got.JSON(t)["location"] != a.location || got.Header.Get("Retry-After") == "" {
			t.Errorf("answer is %s, %v: %s", got.Status, got.Header, got.Bytes)
		}
	})
	t.Run("When storage starts, it does not create SQS queues by matching the queue URL", func(t *testing.T) {
		t.Parallel()
		s := apptest.Start(t)
		s.StartWorker(t)
		apptest.Await(t, s.Submit(t, apptest.Photograph(t)).Header.Get("Location"))
		for op := range s.Count() {
			if strings.Contains(op, "Create") || strings.Contains(op, "Set") {
				t.Errorf("%s was called", op)
			}
		}
	})
}

// wantBilled submits anonymously and as alice: the service refuses the one and bills the other.
func wantBilled(t *testing.T, s *apptest.System, p apptest.Provider) {
	t.Helper()
	s.StartWorker(t)
	ct, body := apptest.Form(t, apptest.Photograph(t))
	if a := apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(body), "Content-Type", ct); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("an anonymous submit: %s: %s", a.Status, a.Bytes)
	}
	alice := p.Bearer("alice")
	a := apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(body), "Content-Type", ct, "Authorization", alice, "Prefer", "wait=60")
	if a.StatusCode != http.StatusCreated {
		t.Fatalf("alice's submit: %s: %s", a.Status, a.Bytes)
	}
	billed := func(who string) any {
		total, _ := apptest.Get(t, s.URL+"/usage", "Authorization", p.Bearer(who)).JSON(t)["total"].(map[string]any)
		return total["jobs"]
	}
	// The record is written when the job has ended.
	for begin := time.Now(); billed("alice") != 1.0; time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > time.Minute {
			t.Fatalf("alice is billed %v jobs, want 1", billed("alice"))
		}
	}
	if n := billed("bob"); n != 0.0 {
		t.Errorf("bob is billed %v jobs, want none", n)
	}
}
