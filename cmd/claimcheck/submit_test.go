package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/client"
)

// photo writes the test's photograph into a folder of its own.
func photo(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(awstest.Path("../../internal/imageinfo/testdata/rainier.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rainier.photo")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// documents counts the jobs in the bucket.
func documents(t *testing.T, s *apptest.System) int {
	t.Helper()
	list, err := s.S3.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &s.Bucket, Prefix: aws.String("jobs/")})
	if err != nil {
		t.Fatal(err)
	}
	return len(list.Contents)
}

// TestSubmit submits a picture, whichever way the server wants it, and whatever happens
// to the answers: the result comes, of one job.
func TestSubmit(t *testing.T) {
	t.Parallel()
	for name, vars := range map[string][]string{
		"by the submit itself":                    nil,
		"by the upload that the server offers":    {"MAX_INLINE_BYTES=1KiB"},
		"with answers that fail and answers lost": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := apptest.Start(t, vars...)
			s.StartWorker(t)
			if strings.Contains(name, "fail") {
				n := 0
				s.Backend.Fail(func(r apptest.Request) apptest.Fault {
					if n++; r.Method == http.MethodPut && n%3 == 0 {
						return apptest.LoseAnswer
					}
					return apptest.Pass
				})
			}
			file, dir := photo(t), t.TempDir()
			r := claimcheck(t.Context(), nil, "submit", "--server", s.URL, file, "-o", dir, "--param", "width=100", "--param", "format=png")
			kept := filepath.Join(dir, "rainier.png")
			if r.code != 0 || r.out != kept+"\n" {
				t.Fatalf("exit code %d, output %q, errors %q", r.code, r.out, r.err)
			}
			result, err := os.ReadFile(kept)
			if err != nil || !bytes.HasPrefix(result, []byte("\x89PNG")) {
				t.Errorf("result of %d bytes, %v", len(result), err)
			}
			if n := documents(t, s); n != 1 {
				t.Errorf("%d jobs were made", n)
			}
			r = claimcheck(t.Context(), nil, "submit", "--server", s.URL, file, "-o", dir, "--param", "format=png")
			if again, _ := os.ReadFile(kept); r.code != 1 || !strings.Contains(r.err, "exists; choose another place") || !bytes.Equal(again, result) || documents(t, s) != 1 {
				t.Errorf("want a refusal that keeps the first result and creates no job: exit code %d, %q", r.code, r.err)
			}
		})
	}
}

// TestSubmitMany submits more images than may be under way at once, good ones and bad.
func TestSubmitMany(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	s.StartWorker(t)
	bad := awstest.Path("main.go")
	args := []string{"submit", "--server", s.URL, "--json", "--wait", "-j", "3", "--param", "width=50", bad}
	for range 7 {
		args = append(args, photo(t))
	}
	r := claimcheck(t.Context(), nil, args...)
	good, refused := 0, 0
	for d := json.NewDecoder(strings.NewReader(r.out)); d.More(); {
		var o outcome
		if err := d.Decode(&o); err != nil {
			t.Fatal(err)
		}
		switch {
		case o.Error != "" && o.File == bad && o.URL == "":
			refused++
		case o.Error == "" && o.Job.Status == "completed" && o.Job.Output.Width == 50 && o.Output == o.URL+"/output":
			good++
		default:
			t.Errorf("outcome %+v", o)
		}
	}
	if r.code != 1 || good != 7 || refused != 1 {
		t.Errorf("exit code %d, %d good, %d refused: %s", r.code, good, refused, r.err)
	}
}

// TestEqualNames has the results of images of one name in one folder.
func TestEqualNames(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	s.StartWorker(t)
	dir, reported := t.TempDir(), map[string]bool{}
	args := []string{"submit", "--server", s.URL, "-o", dir, "--force", "--json"}
	for range 3 {
		args = append(args, photo(t))
	}
	upper := filepath.Join(t.TempDir(), "RAINIER.jpeg")
	if err := os.Rename(args[len(args)-1], upper); err != nil {
		t.Fatal(err)
	}
	args[len(args)-1] = upper
	r := claimcheck(t.Context(), nil, args...)
	for d := json.NewDecoder(strings.NewReader(r.out)); d.More(); {
		var o outcome
		if err := d.Decode(&o); err != nil {
			t.Fatal(err)
		}
		reported[filepath.Base(o.Output)] = true
	}
	for _, name := range []string{"rainier.jpg", "rainier-2.jpg", "RAINIER-3.jpg"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil || !reported[name] {
			t.Errorf("%s: %v; reported are %v", name, err, reported)
		}
	}
	if r.code != 0 {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
}

// TestOutputIsAsPermitted keeps a result under the umask.
func TestOutputIsAsPermitted(t *testing.T) {
	t.Parallel()
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "probe"), os.O_CREATE, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	probe, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "kept")
	if err := keep(t.Context(), path, &client.Result{Body: io.NopCloser(strings.NewReader("x")), Size: 1}, false); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != probe.Mode() {
		t.Errorf("%v, %v; other files are %v", info.Mode(), err, probe.Mode())
	}
}

// broken is a standard output that cannot be written.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// TestManyEqualNames names results of as many images as a command line holds.
func TestManyEqualNames(t *testing.T) {
	t.Parallel()
	files := slices.Repeat([]string{stemOf("a/x.png"), stemOf("b/X-2.png")}, 50_000)
	names := map[string]bool{}
	for _, name := range numbered(files) {
		names[strings.ToLower(name)] = true
	}
	if len(names) != len(files) {
		t.Errorf("%d images have %d names", len(files), len(names))
	}
}

// TestCheckIsNotLost submits where standard output is full: the check comes as an error.
func TestCheckIsNotLost(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	for _, more := range [][]string{nil, {"--json"}} {
		var errs bytes.Buffer
		code := run(t.Context(), append([]string{"submit", "--server", s.URL, photo(t)}, more...), streams{strings.NewReader(""), broken{}, &errs})
		if code != 1 || !strings.Contains(errs.String(), "no space left on device ("+s.URL+"/jobs/") {
			t.Errorf("%v: exit code %d, %q", more, code, errs.String())
		}
	}
	before := documents(t, s)
	run(t.Context(), []string{"submit", "--server", s.URL, "-j", "1", photo(t), photo(t), photo(t)}, streams{strings.NewReader(""), broken{}, io.Discard})
	if n := documents(t, s) - before; n != 1 {
		t.Errorf("%d jobs were made and not reported", n)
	}
}

// TestKeyNamesABatch repeats a batch: no image is submitted twice, and another batch's
// and another processing's are others.
func TestKeyNamesABatch(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	file := photo(t)
	submit := func(args ...string) string {
		t.Helper()
		r := claimcheck(t.Context(), nil, append([]string{"submit", "--server", s.URL, file}, args...)...)
		if r.code != 0 {
			t.Fatalf("exit code %d: %s", r.code, r.err)
		}
		return r.out
	}
	first := submit("--key", "tuesday")
	if again := submit("--key", "tuesday"); again != first {
		t.Errorf("the repeat is another job: %q and %q", first, again)
	}
	for _, args := range [][]string{nil, {"--key", "wednesday"}, {"--key", "tuesday", "--param", "width=2"}} {
		if submit(args...) == first {
			t.Errorf("%v is the same job", args)
		}
	}
	if n := documents(t, s); n != 4 {
		t.Errorf("%d jobs were made", n)
	}
}

// TestLifeOfAJob goes through the other commands, from standard input to deletion.
func TestLifeOfAJob(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	image, err := os.ReadFile(photo(t))
	if err != nil {
		t.Fatal(err)
	}
	do := func(want int, args ...string) result {
		t.Helper()
		r := claimcheck(t.Context(), image, append(args, "--server", s.URL)...)
		if r.code != want {
			t.Fatalf("%v: exit code %d, output %q, errors %q", args, r.code, r.out, r.err)
		}
		return r
	}
	job := strings.TrimSpace(do(0, "submit", "-").out)
	id := job[strings.LastIndex(job, "/")+1:]
	if r := do(0, "status", id); r.out != job+"\tpending\n" {
		t.Errorf("status is %q", r.out)
	}
	if r := do(1, "output", id, "-o", "-"); !strings.Contains(r.err, "pending") || !strings.HasSuffix(r.err, "; --wait waits for it\n") {
		t.Errorf("the output of a pending job: %q", r.err)
	}
	s.StartWorker(t)
	if r := do(0, "output", job, "--wait", "-o", "-"); !strings.HasPrefix(r.out, "\xff\xd8\xff") || len(r.out) < 1000 {
		t.Errorf("output of %d bytes", len(r.out))
	}
	var reported struct{ Input, Output struct{ SHA256 string } }
	if r := do(0, "status", job, "--json"); json.Unmarshal([]byte(r.out), &reported) != nil || len(reported.Input.SHA256) != 64 || len(reported.Output.SHA256) != 64 {
		t.Errorf("as JSON the status is %q", r.out)
	}
	if r := do(0, "status", job+"/output", "--wait"); r.out != job+"\tcompleted\t"+job+"/output\n" {
		t.Errorf("status is %q", r.out)
	}
	dir := t.TempDir()
	kept := filepath.Join(dir, id+".jpg")
	if r := do(0, "output", id, "-o", dir); r.out != kept+"\n" {
		t.Errorf("output is at %q", r.out)
	}
	do(1, "output", id, "-o", kept)
	do(0, "output", id, "-o", kept, "--force")
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	do(0, "delete", id)
	do(1, "delete", id)
	if r := do(1, "status", id, "https://elsewhere.example/x/"+id); !strings.Contains(r.err, "no job") || !strings.Contains(r.err, "is not a job of") {
		t.Errorf("errors are %q", r.err)
	}
}

// TestPublicURL has a server whose public name differs from the one that its user knows.
// The public name does not resolve, so a request to it fails.
func TestPublicURL(t *testing.T) {
	t.Parallel()
	const public = "https://jobs.invalid/"
	for name, vars := range map[string][]string{"submit": nil, "direct upload": {"MAX_INLINE_BYTES=1KiB"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := apptest.Start(t, append(vars, "PUBLIC_URL="+public)...)
			s.StartWorker(t)
			do := func(want int, args ...string) result {
				t.Helper()
				r := claimcheck(t.Context(), nil, append(args, "--server", s.URL)...)
				if r.code != want {
					t.Fatalf("%v: exit code %d, output %q, errors %q", args, r.code, r.out, r.err)
				}
				return r
			}
			file := photo(t)
			do(0, "submit", file, "-o", t.TempDir())
			var o outcome
			if r := do(0, "submit", file, "--wait", "--json"); json.Unmarshal([]byte(r.out), &o) != nil || o.URL != public+"jobs/"+o.Job.ID {
				t.Errorf("the check is %q, output %q", o.URL, r.out)
			}
			if r := do(0, "status", o.URL); !strings.Contains(r.out, "\tcompleted\t") {
				t.Errorf("status is %q", r.out)
			}
			do(0, "output", o.URL, "-o", "-")
			if r := do(1, "delete", o.URL); !strings.Contains(r.err, "give its identifier alone: "+o.Job.ID) {
				t.Errorf("deletion by a name of another server: %q", r.err)
			}
			do(0, "delete", o.Job.ID)
			if r := do(1, "status", o.URL); !strings.Contains(r.err, "asked "+s.URL) {
				t.Errorf("the error does not name the server that answered: %q", r.err)
			}
		})
	}
}

// TestInterrupted stops the command while its job waits for a worker: it prints the job
// URL and begins no file.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	file, dir := photo(t), t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan result, 1)
	go func() { done <- claimcheck(ctx, nil, "submit", "--server", s.URL, "-o", dir, file) }()
	for range time.Tick(10 * time.Millisecond) {
		if documents(t, s) == 1 && s.Count()["SQS SendMessage"] > 0 {
			break
		}
	}
	// The answer is on its way; the command asks for the status next.
	for range time.Tick(10 * time.Millisecond) {
		if s.Count()["S3 GetObject"] > 0 {
			break
		}
	}
	cancel()
	r := <-done
	if r.code != 130 || !strings.Contains(r.err, "the job is accepted and goes on ("+s.URL+"/jobs/") || r.out != "" {
		t.Errorf("exit code %d, output %q, errors %q", r.code, r.out, r.err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestRefusalsNameTheToken checks that the error says what to do.
func TestRefusalsNameTheToken(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, "OIDC_ISSUER=https://id.example.com", "OIDC_AUDIENCE=claimcheck")
	for name, args := range map[string][]string{
		"submit": {"submit", "--server", s.URL, photo(t)}, "status": {"status", "--server", s.URL, "x"}, "usage": {"usage", "--server", s.URL},
	} {
		if r := claimcheck(t.Context(), nil, args...); r.code != 1 || !strings.Contains(r.err, "CLAIMCHECK_TOKEN") || !strings.Contains(r.err, "--token-file") {
			t.Errorf("%s: exit code %d, output %q, errors %q", name, r.code, r.out, r.err)
		}
	}
}

// TestSubmitWithoutAServer has no server where one should be.
func TestSubmitWithoutAServer(t *testing.T) {
	t.Parallel()
	const address = "127.0.0.1:1" // a port that was free a moment ago may be another test's now
	r := claimcheck(t.Context(), nil, "submit", "--server", "http://"+address, photo(t))
	if r.code != 1 || !strings.Contains(r.err, address+" does not answer") || !strings.Contains(r.err, "refused") || !strings.Contains(r.err, "--server") || r.out != "" {
		t.Errorf("exit code %d, output %q, errors %q", r.code, r.out, r.err)
	}
}
