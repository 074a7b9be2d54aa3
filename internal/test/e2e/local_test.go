package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/test/process"
)

// local is a running `claimcheck local`.
type local struct {
	*process.Process
	url string
}

func startLocal(t *testing.T, flags []string, vars ...string) local {
	t.Helper()
	f, err := built()
	if err != nil {
		t.Fatal(err)
	}
	p, err := f.Start("claimcheck", vars, append([]string{"local"}, flags...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	l := local{p, "http://localhost:" + strings.TrimPrefix(flags[0], "--port=")}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := p.Await(ctx, l.url+"/ready"); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(p.Output(), "\nData is kept in ") { // the end of its welcome
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("there is no welcome: %s", p.Output())
		}
	}
	return l
}

func (l local) submit(t *testing.T, image []byte) apptest.Answer {
	t.Helper()
	ct, body := apptest.Form(t, image)
	return apptest.Do(t, http.MethodPost, l.url+"/jobs", bytes.NewReader(body), "Content-Type", ct)
}

func localFlags(t *testing.T) []string {
	t.Helper()
	flags := []string{"--port=%d", "--s3-port=%d", "--sqs-port=%d"}
	for i := range flags {
		port, err := process.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		flags[i] = fmt.Sprintf(flags[i], port)
	}
	return append(flags, "--data="+t.TempDir())
}

// TestFirstLine runs the README's first line as it is written, in a folder of this module,
// and ends it by Ctrl-C. Where somebody has its ports or its data already, it gets others.
func TestFirstLine(t *testing.T) {
	t.Parallel()
	line := commands(readREADME(t))[0]
	if line != "go run ./cmd/claimcheck local" {
		t.Fatalf("the first line is %q", line)
	}
	root, url := awstest.Module("."), "http://localhost:8080"
	data := filepath.Join(root, ".claimcheck")
	if _, err := os.Stat(data); err == nil || taken(8080) || taken(9000) || taken(9324) {
		flags := localFlags(t)
		line += " " + strings.Join(flags, " ")
		url = "http://localhost:" + strings.TrimPrefix(flags[0], "--port=")
	} else {
		t.Cleanup(func() { os.RemoveAll(data) })
	}
	cmd := exec.Command("bash", "-c", line)
	cmd.Dir, cmd.SysProcAttr = root, &syscall.SysProcAttr{Setpgid: true}
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
	l := local{url: url}
	a := l.submit(t, rainier(t))
	if end := apptest.Await(t, a.Header.Get("Location")); end.StatusCode != http.StatusCreated {
		t.Errorf("the job ends as %s: %s", end.Status, end.Bytes)
	}
	interrupt(syscall.SIGINT)
	rest, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // go run tells of the signal
	if !strings.Contains(string(rest), "Stopped. Everything is kept in") {
		t.Errorf("after Ctrl-C it says %q, %q", rest, errs.String())
	}
}

// taken reports whether something listens on a port.
func taken(port int) bool {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err == nil {
		l.Close()
	}
	return err != nil
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

// shows reports whether an image is that of picture(n), in whatever encoding.
func shows(t testing.TB, body []byte, n int) bool {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(body))
	if err != nil {
		t.Errorf("picture %d is no PNG: %v", n, err)
		return false
	}
	r, g, b, _ := img.At(1, 1).RGBA()
	return img.Bounds().Dx() == 3 && r>>8 == uint32(uint8(n)) && g>>8 == uint32(uint8(n>>8)) && b>>8 == 77
}

// TestLocalSurvivesKill9 kills `claimcheck local` in the middle of 50 jobs. Started
// again, it ends every accepted job, once, with the right output.
func TestLocalSurvivesKill9(t *testing.T) {
	t.Parallel()
	flags := localFlags(t)
	// A job takes long enough that the kill comes in the middle of all of them.
	vars := []string{"LEASE=3s", "MAX_ATTEMPTS=10", "PROCESSOR=exec:sh -c 'sleep 0.2; cat'", "CONCURRENCY=4"}
	first := startLocal(t, flags, vars...)
	var mu sync.Mutex
	accepted := map[int]string{} // location by picture
	var submits sync.WaitGroup
	for n := range 50 {
		submits.Go(func() {
			ct, body := apptest.Form(t, picture(t, n))
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, first.url+"/jobs", bytes.NewReader(body))
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
	second := startLocal(t, flags, vars...)
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
	today := time.Now().UTC().Format(time.DateOnly)
	usage := apptest.Get(t, second.url+"/usage?from="+today+"&to="+today).JSON(t)
	total := usage["total"].(map[string]any)
	if jobs := int(total["jobs"].(float64)); jobs < len(accepted) || jobs > 50 {
		t.Errorf("%d jobs are billed, %d were accepted", jobs, len(accepted))
	}
	if err := second.Stop(2 * time.Minute); err != nil {
		t.Errorf("it ends with %v: %s", err, second.Output())
	}
}

// TestLocalJudgesTokens gives it the variables of a server that knows its users.
func TestLocalJudgesTokens(t *testing.T) {
	t.Parallel()
	l := startLocal(t, localFlags(t), "OIDC_ISSUER=https://id.example", "OIDC_AUDIENCE=claimcheck")
	if a := l.submit(t, rainier(t)); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("a submit without a token: %s: %s", a.Status, a.Bytes)
	}
}

func TestLocalSaysWhatIsInItsWay(t *testing.T) {
	t.Parallel()
	flags := localFlags(t)
	startLocal(t, flags)
	others := localFlags(t)
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
		f, err := built()
		if err != nil {
			t.Fatal(err)
		}
		p, err := f.Start("claimcheck", nil, append([]string{"local"}, tt.flags...)...)
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
	l := startLocal(t, localFlags(t),
		"AWS_PROFILE=no-such-profile", "AWS_SESSION_TOKEN=of-another-account", "AWS_USE_FIPS_ENDPOINT=true", "AWS_ENDPOINT_URL=http://127.0.0.1:1")
	a := l.submit(t, rainier(t))
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
	s := apptest.Start(t, "MAX_UPLOADS=200")
	var wg sync.WaitGroup
	ids := make([]string, 200)
	for n := range ids {
		wg.Go(func() {
			a := s.Submit(t, picture(t, n))
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
