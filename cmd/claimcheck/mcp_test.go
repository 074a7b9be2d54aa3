package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/client"
)

// connect connects a client of the SDK.
func connect(t *testing.T, transport mcp.Transport, o *mcp.ClientOptions) *mcp.ClientSession {
	t.Helper()
	session, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, o).Connect(t.Context(), transport, nil)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// startMCP runs the command in this process, with a client at its standard streams.
func startMCP(t *testing.T, o *mcp.ClientOptions, args ...string) *mcp.ClientSession {
	t.Helper()
	in, toServer := io.Pipe()
	fromServer, out := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		code := run(context.WithoutCancel(t.Context()), append([]string{"mcp"}, args...), streams{in, out, io.Discard})
		out.Close()
		ended <- code
	}()
	session := connect(t, &mcp.IOTransport{Reader: fromServer, Writer: toServer}, o)
	t.Cleanup(func() {
		session.Close()
		if code := <-ended; code != exitOK {
			t.Errorf("mcp ends with exit code %d", code)
		}
	})
	return session
}

// call calls a tool. An error of the tool is the sentence that an agent reads.
func call(t *testing.T, s *mcp.ClientSession, tool string, arguments map[string]any) (r *mcp.CallToolResult, failed string) {
	t.Helper()
	p := &mcp.CallToolParams{Name: tool, Arguments: arguments}
	p.SetProgressToken(tool)
	r, err := s.CallTool(t.Context(), p)
	if err != nil {
		return nil, err.Error()
	}
	if text, ok := r.Content[0].(*mcp.TextContent); r.IsError {
		if !ok {
			t.Fatalf("%s fails with %#v", tool, r.Content)
		}
		return r, text.Text
	}
	return r, ""
}

// answer reads the structured answer of a tool that works.
func answer(t *testing.T, s *mcp.ClientSession, tool string, arguments map[string]any, into any) {
	t.Helper()
	r, failed := call(t, s, tool, arguments)
	if failed != "" {
		t.Fatalf("%s: %s", tool, failed)
	}
	b, err := json.Marshal(r.StructuredContent)
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatalf("%s answers %s: %v", tool, b, err)
	}
}

// TestMCP has a client of the SDK start the command as a process, and use every tool.
func TestMCP(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, "OUTBOUND_ALLOW=127.0.0.1")
	stop := s.StartWorker(t)
	image := apptest.Photograph(t)
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(image) }))
	defer host.Close()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "rainier.jpg"), image, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := self(t.Context(), "mcp", "--server", s.URL, "--folder", dir)
	cmd.Stderr = os.Stderr
	session := connect(t, &mcp.CommandTransport{Command: cmd, TerminateDuration: 2 * time.Minute}, nil) // a loaded machine needs more than the 5 s that the SDK waits

	list, err := session.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tool := range list.Tools {
		names = append(names, tool.Name)
	}
	slices.Sort(names)
	if want := []string{"cancel", "list", "output", "status", "submit"}; !slices.Equal(names, want) {
		t.Errorf("the tools are %q, want %q", names, want)
	}

	var j, again mcpJob
	submit := map[string]any{"image": "rainier.jpg", "params": map[string]any{"width": 64, "format": "png"}, "idempotency_key": "once"}
	answer(t, session, "submit", submit, &j)
	if j.ID == "" || j.URL != s.URL+"/jobs/"+j.ID {
		t.Fatalf("submit answers %+v", j)
	}
	if answer(t, session, "submit", submit, &again); again.ID != j.ID {
		t.Errorf("the same key makes the job %s besides %s", again.ID, j.ID)
	}
	for range 12 { // 10 minutes
		if answer(t, session, "status", map[string]any{"job": j.ID, "wait_seconds": longestMCPWait}, &j); j.Status == "completed" {
			break
		}
	}
	if j.Status != "completed" || j.ContentType != "image/png" || j.Width != 64 {
		t.Fatalf("the status is %+v", j)
	}
	r, failed := call(t, session, "output", map[string]any{"job": j.URL})
	if failed != "" {
		t.Fatalf("output: %s", failed)
	}
	picture, ok := r.Content[0].(*mcp.ImageContent)
	if !ok || picture.MIMEType != "image/png" || !strings.HasPrefix(string(picture.Data), "\x89PNG") {
		t.Errorf("the output is %#v", r.Content[0])
	}
	saved := filepath.Join(dir, "small.png")
	if _, failed := call(t, session, "output", map[string]any{"job": j.ID, "save_as": saved}); failed != "" {
		t.Errorf("output with save_as: %s", failed)
	}
	if b, err := os.ReadFile(saved); err != nil || string(b) != string(picture.Data) {
		t.Errorf("%d bytes are saved, %v; want %d", len(b), err, len(picture.Data))
	}

	stop() // so that the next job waits
	var fetched mcpJob
	if answer(t, session, "submit", map[string]any{"image": host.URL + "/rainier.jpg"}, &fetched); fetched.Status != "pending" {
		t.Errorf("the job of a URL is %+v", fetched)
	}
	if answer(t, session, "cancel", map[string]any{"job": fetched.ID}, &fetched); fetched.Status != "canceled" || fetched.Message != "canceled by its owner" {
		t.Errorf("the canceled job is %+v", fetched)
	}
	var jobs mcpJobs
	if answer(t, session, "list", map[string]any{"since": "1h"}, &jobs); len(jobs.Jobs) != 2 || jobs.Jobs[0].ID != fetched.ID || jobs.Jobs[1].ID != j.ID {
		t.Errorf("the list is %+v", jobs)
	}
	if answer(t, session, "list", map[string]any{"status": []string{"failed"}}, &jobs); len(jobs.Jobs) != 0 {
		t.Errorf("the failed jobs are %+v", jobs)
	}
	if err := session.Close(); err != nil {
		t.Errorf("the command ends with %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(left) > 0 {
		t.Errorf("the folder keeps %q, %v", left, err)
	}
}

// TestMCPSavesNewFilesAlone saves an output under names that exist, that begin to exist while
// it arrives, and that lead out of the folder.
func TestMCPSavesNewFilesAlone(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	write := func(path string) {
		t.Helper()
		if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mine := []string{filepath.Join(dir, "old.png"), filepath.Join(dir, "linked.png"), filepath.Join(dir, "young.png"), filepath.Join(outside, "there.png")}
	write(mine[0])
	write(mine[1])
	write(mine[3])
	for name, to := range map[string]string{
		"link": "linked.png", "nowhere": filepath.Join(outside, "new.png"), "there": mine[3], "folder": outside,
	} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	a := &agent{folder: dir, root: root}
	for name, want := range map[string]string{
		"old.png": "exists", "young.png": "exists", "link": "exists", "nowhere": "exists", "there": "exists", "folder": "exists", ".": "exists",
		"folder/there.png": "escapes", "folder/new.png": "escapes", "new.png": "",
	} {
		body := &onRead{Reader: strings.NewReader("output"), do: func() {
			if name == "young.png" {
				write(mine[2])
			}
		}}
		err := a.save(t.Context(), filepath.FromSlash(name), &client.Result{Body: io.NopCloser(body), Size: 6})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	for _, path := range mine {
		if b, err := os.ReadFile(path); err != nil || string(b) != "mine" {
			t.Errorf("%s has %q, %v", path, b, err)
		}
	}
	for folder, want := range map[string]int{dir: 8, outside: 1} { // no more, and no part of an output
		if left, err := os.ReadDir(folder); err != nil || len(left) != want {
			t.Errorf("%s has %v, %v; want %d", folder, left, err, want)
		}
	}
}

// onRead does something before each read.
type onRead struct {
	io.Reader
	do func()
}

func (r *onRead) Read(p []byte) (int, error) {
	r.do()
	return r.Reader.Read(p)
}

// TestMCPRefusals has an agent ask for what the tools do not do.
func TestMCPRefusals(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	dir, outside := t.TempDir(), photo(t)
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"secrets.txt": "password=1", "empty": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	session := startMCP(t, nil, "--server", s.URL, "--folder", dir)
	const missing = "01890a5d-ac96-774b-bcce-b302099a8057"
	for name, tt := range map[string]struct {
		tool      string
		arguments map[string]any
		want      string
	}{
		"a file outside":          {"submit", map[string]any{"image": outside}, "outside of the folder"},
		"a relative path outside": {"submit", map[string]any{"image": "../rainier.photo"}, "outside of the folder"},
		"a link to the outside":   {"submit", map[string]any{"image": "link"}, "escapes"},
		"no image":                {"submit", map[string]any{"image": "secrets.txt"}, "its content is not an image"},
		"an empty file":           {"submit", map[string]any{"image": "empty"}, "it is empty"},
		"a folder":                {"submit", map[string]any{"image": "."}, "is not a file"},
		"no file":                 {"submit", map[string]any{"image": "nothing.jpg"}, "no such file"},
		"a private address":       {"submit", map[string]any{"image": "https://10.1.2.3/a.jpg"}, "this address is not allowed"},
		"a long wait of a submit": {"submit", map[string]any{"image": "nothing.jpg", "wait_seconds": 51}, "wait_seconds is not between 0 and 50"},
		"a webhook":               {"submit", map[string]any{"image": "nothing.jpg", "webhook": "https://a.example/"}, "webhook"},
		"a long wait":             {"status", map[string]any{"job": missing, "wait_seconds": 600}, "wait_seconds is not between 0 and 50"},
		"no job":                  {"status", map[string]any{"job": missing}, "there is no job"},
		"no job to cancel":        {"cancel", map[string]any{"job": missing}, "there is no job"},
		"another server's job":    {"cancel", map[string]any{"job": "https://elsewhere.example/jobs/" + missing}, "give its identifier alone"},
		"no output":               {"output", map[string]any{"job": missing}, "there is no job"},
		"an output outside":       {"output", map[string]any{"job": missing, "save_as": "../a.png"}, "outside of the folder"},
		"too many jobs":           {"list", map[string]any{"limit": 101}, "limit is not between 1 and 100"},
		"jobs since no time":      {"list", map[string]any{"since": "monday"}, "since is not a day"},
		"jobs of no status":       {"list", map[string]any{"status": []string{"done"}}, "status"},
		"no such tool":            {"delete", map[string]any{"job": missing}, "delete"},
	} {
		if _, failed := call(t, session, tt.tool, tt.arguments); !strings.Contains(failed, tt.want) {
			t.Errorf("%s: %q, want %q", name, failed, tt.want)
		}
	}
	nothing(t, s)
}

// TestMCPToken replaces the token while the session goes on: the tools act as its owner.
func TestMCPToken(t *testing.T) {
	t.Parallel()
	p := apptest.StartProvider(t)
	s := apptest.Start(t, "OIDC_ISSUER="+p.URL, "OIDC_AUDIENCE=claimcheck")
	image := photo(t)
	file := filepath.Join(t.TempDir(), "token")
	as := func(who string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(p.Token(who)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	as("alice")
	session := startMCP(t, nil, "--server", s.URL, "--token-file", file, "--folder", filepath.Dir(image))
	var j mcpJob
	answer(t, session, "submit", map[string]any{"image": image}, &j)
	as("mallory")
	if _, failed := call(t, session, "cancel", map[string]any{"job": j.ID}); !strings.Contains(failed, "there is no job") {
		t.Errorf("another's token cancels: %q", failed)
	}
	as("alice")
	answer(t, session, "status", map[string]any{"job": j.ID}, &j)
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, failed := call(t, session, "status", map[string]any{"job": j.ID}); !strings.Contains(failed, "--token-file") {
		t.Errorf("without a token: %q", failed)
	}
}

// TestMCPProgress waits for a job that reports its progress, and for one that does not end;
// and asks for an output that is too large for an answer.
func TestMCPProgress(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/output"):
			w.Header().Set("Content-Type", "image/png")
			w.Write(make([]byte, largestInline+1))
		case r.Header.Get("Accept") != "text/event-stream":
			io.WriteString(w, `{"job_id":"1","status":"processing"}`)
		default:
			w.Header().Set("Content-Type", "text/event-stream")
			w.WriteHeader(http.StatusOK)
			if strings.HasSuffix(r.URL.Path, "/endless") {
				http.NewResponseController(w).Flush()
				<-r.Context().Done()
				return
			}
			for i, progress := range []string{"0.25", "0.25", "0.75"} {
				fmt.Fprintf(w, "id: %d\ndata: {\"job_id\":\"1\",\"status\":\"processing\",\"progress\":{\"fraction\":%s,\"note\":\"step\"}}\n\n", i, progress)
			}
			io.WriteString(w, "id: 9\ndata: {\"job_id\":\"1\",\"status\":\"completed\"}\n\n")
		}
	}))
	t.Cleanup(server.Close)
	reported := make(chan float64, 8)
	session := startMCP(t, &mcp.ClientOptions{
		ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) {
			if r.Params.ProgressToken == "status" && r.Params.Message == "step" && r.Params.Total == 1 {
				reported <- r.Params.Progress
			}
		},
	}, "--server", server.URL, "--folder", t.TempDir())
	var j mcpJob
	if answer(t, session, "status", map[string]any{"job": "1", "wait_seconds": 50}, &j); j.Status != "completed" {
		t.Errorf("the job is %+v", j)
	}
	if first, second := <-reported, <-reported; first != 0.25 || second != 0.75 {
		t.Errorf("the progress is %v, then %v", first, second)
	}
	if answer(t, session, "status", map[string]any{"job": "endless", "wait_seconds": 1}, &j); j.Status != "processing" {
		t.Errorf("after the wait the job is %+v", j)
	}
	if _, failed := call(t, session, "output", map[string]any{"job": "1"}); !strings.Contains(failed, "call output with save_as") {
		t.Errorf("a large output: %q", failed)
	}
	for _, want := range []string{"", "exists"} {
		if _, failed := call(t, session, "output", map[string]any{"job": "1", "save_as": "large.png"}); (failed == "") != (want == "") || !strings.Contains(failed, want) {
			t.Errorf("save_as: %q, want %q", failed, want)
		}
	}
}
