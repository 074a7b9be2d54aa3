package e2e_test

import (
	"bufio"
	"bytes"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/config"
	"claimcheck.example/internal/test/service"
)

// TestFirstLine runs the README's first line in the module's folder, with its own ports
// and data folder, and ends it by Ctrl-C.
func TestFirstLine(t *testing.T) {
	t.Parallel()
	const line = "go run ./cmd/claimcheck local"
	readme, err := os.ReadFile(awstest.Module("README.md"))
	if err != nil || !strings.Contains(string(readme), "\n    "+line+"\n") {
		t.Fatalf("the README does not show %q: %v", line, err)
	}
	flags := service.LocalFlags(t)
	words := append(strings.Fields(line), flags...)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = awstest.Module("."), withoutSettings(os.Environ()), &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	interrupt := func(s syscall.Signal) { _ = syscall.Kill(-cmd.Process.Pid, s) }
	t.Cleanup(func() { interrupt(syscall.SIGKILL) })
	lines, welcome := bufio.NewScanner(out), ""
	for !strings.Contains(welcome, "Data is kept in ") {
		if !lines.Scan() {
			t.Fatalf("it ends with %v: %s%s", cmd.Wait(), welcome, errs.String())
		}
		welcome += lines.Text() + "\n"
	}
	l := service.Local{URL: "http://localhost:" + strings.TrimPrefix(flags[0], "--port=")}
	a := l.Submit(t, apptest.Photograph(t))
	if end := apptest.Await(t, a.Header.Get("Location")); end.StatusCode != http.StatusCreated {
		t.Errorf("the job ends as %s: %s", end.Status, end.Bytes)
	}
	interrupt(syscall.SIGINT)
	rest, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // go run reports the signal
	if !strings.Contains(string(rest), "Stopped. Everything is kept in") {
		t.Errorf("after Ctrl-C it says %q, %q", rest, errs.String())
	}
}

// withoutSettings leaves out the settings of a service of the shell's own.
func withoutSettings(environ []string) []string {
	settings := map[string]bool{}
	var read func(reflect.Type)
	read = func(of reflect.Type) {
		for f := range of.Fields() {
			if name := f.Tag.Get("env"); name != "" {
				settings[name] = true
			} else if f.Type.Kind() == reflect.Struct {
				read(f.Type)
			}
		}
	}
	read(reflect.TypeFor[config.Config]())
	return slices.DeleteFunc(environ, func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return settings[name]
	})
}

// picture is a PNG of one colour for each n.
func picture(t testing.TB, n int) []byte {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, 3, 2))
	for i := range 6 {
		img.SetNRGBA(i%3, i/3, color.NRGBA{uint8(n), uint8(n >> 8), 77, 255})
	}
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// shows reports whether an image is picture(n), in any encoding.
func shows(t testing.TB, body []byte, n int) bool {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(body))
	if err != nil {
		t.Errorf("picture %d is not a PNG: %v", n, err)
		return false
	}
	r, g, b, _ := img.At(1, 1).RGBA()
	return img.Bounds().Dx() == 3 && r>>8 == uint32(uint8(n)) && g>>8 == uint32(uint8(n>>8)) && b>>8 == 77
}

// TestLocalSurvivesKill9 kills `claimcheck local` in the middle of 50 jobs. A new start
// finishes every accepted job, once, with the right output.
func TestLocalSurvivesKill9(t *testing.T) {
	t.Parallel()
	flags := service.LocalFlags(t)
	// A job takes long enough for the kill to come in the middle of all of them.
	vars := []string{"LEASE=3s", "MAX_ATTEMPTS=10", "PROCESSOR=exec:sh -c 'sleep 0.2; cat'", "CONCURRENCY=4"}
	first := service.StartLocal(t, flags, vars...)
	var mu sync.Mutex
	accepted := map[int]string{} // location by picture
	var submits sync.WaitGroup
	for n := range 50 {
		submits.Go(func() {
			ct, body := apptest.Form(t, picture(t, n))
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, first.URL+"/jobs", bytes.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("Content-Type", ct)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return // the kill was faster
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusAccepted {
				t.Errorf("picture %d: %s", n, resp.Status)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if accepted[n] = resp.Header.Get("Location"); len(accepted) == 40 {
				go first.Kill()
			}
		})
	}
	submits.Wait()
	first.Kill()
	second := service.StartLocal(t, flags, vars...)
	for n, location := range accepted {
		a := apptest.Await(t, location)
		if a.StatusCode != http.StatusCreated {
			t.Errorf("picture %d: %s: %s", n, a.Status, a.Bytes)
			continue
		}
		if out := apptest.Get(t, location+"/output"); !shows(t, out.Bytes, n) {
			t.Errorf("picture %d came back as another", n)
		}
	}
	billed := func() int {
		return int(apptest.Get(t, second.URL+"/usage").JSON(t)["total"].(map[string]any)["jobs"].(float64))
	}
	jobs := billed()
	for begin := time.Now(); jobs < len(accepted) && time.Since(begin) < service.Limit; jobs = billed() { // a record follows the end of its job
		time.Sleep(10 * time.Millisecond)
	}
	if jobs < len(accepted) || jobs > 50 {
		t.Errorf("%d jobs are billed, %d were accepted", jobs, len(accepted))
	}
	if err := second.Stop(2 * time.Minute); err != nil {
		t.Errorf("it ends with %v: %s", err, second.Output())
	}
}

// TestLocalJudgesTokens sets the variables of a server that authenticates.
func TestLocalJudgesTokens(t *testing.T) {
	t.Parallel()
	l := service.StartLocal(t, service.LocalFlags(t), "OIDC_ISSUER=https://id.example", "OIDC_AUDIENCE=claimcheck")
	if a := l.Submit(t, apptest.Photograph(t)); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("a submit without a token: %s: %s", a.Status, a.Bytes)
	}
}

func TestLocalSaysWhatIsInItsWay(t *testing.T) {
	t.Parallel()
	flags := service.LocalFlags(t)
	service.StartLocal(t, flags)
	others := service.LocalFlags(t)
	for name, tt := range map[string]struct {
		flags []string
		want  string
	}{
		"no such port": {[]string{"--port=99999", others[1], others[2], others[3]}, "99999 is not a port"},
		"API port":     {[]string{flags[0], others[1], others[2], others[3]}, "--port"},
		"S3 port":      {[]string{others[0], flags[1], others[2], others[3]}, "--s3-port"},
		"SQS port":     {[]string{others[0], others[1], flags[2], others[3]}, "--sqs-port"},
		"data folder":  {[]string{others[0], others[1], others[2], flags[3]}, "--data"},
	} {
		p, err := service.Commands(t).Start("claimcheck", nil, append([]string{"local"}, tt.flags...)...)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Wait(); err == nil || !strings.Contains(p.Output(), tt.want) || strings.Count(p.Output(), "\n") != 1 {
			t.Errorf("%s: it ends with %v and says %q", name, err, p.Output())
		}
	}
}

// TestLocalIsApartFromTheDevelopersAccount starts it in a shell that is signed in to AWS.
func TestLocalIsApartFromTheDevelopersAccount(t *testing.T) {
	t.Parallel()
	l := service.StartLocal(t, service.LocalFlags(t),
		"AWS_PROFILE=no-such-profile", "AWS_SESSION_TOKEN=of-another-account", "AWS_USE_FIPS_ENDPOINT=true", "AWS_ENDPOINT_URL=http://127.0.0.1:1")
	a := l.Submit(t, apptest.Photograph(t))
	if a.StatusCode != http.StatusAccepted {
		t.Fatalf("submit: %s: %s", a.Status, a.Bytes)
	}
	if end := apptest.Await(t, a.Header.Get("Location")); end.StatusCode != http.StatusCreated {
		t.Errorf("the job ends as %s: %s", end.Status, end.Bytes)
	}
	for _, line := range []string{"unset AWS_PROFILE AWS_SESSION_TOKEN\n", "export AWS_REGION=us-east-1\n", "export AWS_DEFAULT_REGION=us-east-1\n"} {
		if !strings.Contains(l.Output(), "    "+line) {
			t.Errorf("%q is not in what it prints: %s", line, l.Output())
		}
	}
}

func TestManySubmitsAtOnce(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	var wg sync.WaitGroup
	ids := make([]string, 200)
	for n := range ids {
		wg.Go(func() {
			a := s.Submit(t, picture(t, n))
			for tries := 1; a.StatusCode == http.StatusTooManyRequests && tries < 10; tries++ { // a busy machine needs more than one wait of 5 s
				a = s.Submit(t, picture(t, n))
			}
			if a.StatusCode != http.StatusAccepted {
				t.Errorf("submit %d: %s: %s", n, a.Status, a.Bytes)
				return
			}
			ids[n], _ = a.JSON(t)["job_id"].(string)
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	seen := map[string]bool{}
	for n, id := range ids {
		if seen[id] {
			t.Errorf("job %s twice", id)
		}
		seen[id] = true
		if _, body := object(t, s, "input/"+id); !shows(t, body, n) {
			t.Errorf("input of job %d is another's", n)
		}
		if d := document(t, s, id); d["status"] != "pending" {
			t.Errorf("job %d is %v", n, d["status"])
		}
	}
	if n := s.Count()["SQS SendMessage"]; n != 200 {
		t.Errorf("%d messages", n)
	}
}
