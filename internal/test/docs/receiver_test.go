package docs_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/test/process"
)

// TestPythonReceiver runs the receiver of docs/api.md: it takes a webhook of the service, and
// refuses a forged one. .ci/clients runs the one for Node.js.
func TestPythonReceiver(t *testing.T) {
	t.Parallel()
	python := python(t)
	s := apptest.Start(t, "WEBHOOK_KEY=whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "OUTBOUND_ALLOW=127.0.0.1")
	s.StartWorker(t)
	var answer struct{ Secrets []string }
	if a := apptest.Get(t, s.URL+"/webhook-secret"); json.Unmarshal(a.Bytes, &answer) != nil || len(answer.Secrets) != 1 {
		t.Fatalf("secrets: %s: %s", a.Status, a.Bytes)
	}
	_, page, _ := strings.Cut(readPage(t, "docs/api.md"), "\n## Webhooks\n")
	file := filepath.Join(t.TempDir(), "receiver.py")
	if err := os.WriteFile(file, []byte(fenced(t, page, "python")), 0o600); err != nil {
		t.Fatal(err)
	}
	port, err := process.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, file)
	cmd.Env = append(os.Environ(), "SECRET="+answer.Secrets[0], fmt.Sprint("PORT=", port))
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	address := fmt.Sprint("127.0.0.1:", port)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(2 * time.Minute); ; {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			break
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the receiver does not listen")
		}
	}
	forged := apptest.Do(t, http.MethodPost, "http://"+address+"/", strings.NewReader(`{"type":"job.completed","data":{"job_id":"1"}}`),
		"webhook-id", "1", "webhook-timestamp", fmt.Sprint(time.Now().Unix()), "webhook-signature", "v1,AAAA")
	if forged.StatusCode != http.StatusBadRequest {
		t.Errorf("a forged webhook gets %s", forged.Status)
	}
	id := s.Submit(t, apptest.Photograph(t), "webhook", "http://"+address+"/").JSON(t)["job_id"]
	line, err := bufio.NewReader(out).ReadString('\n')
	if want := fmt.Sprintf("job.completed %s\n", id); err != nil || line != want {
		t.Errorf("the receiver prints %q, %v; want %q", line, err, want)
	}
}
