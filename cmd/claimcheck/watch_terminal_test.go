package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestWatchOnATerminal watches a job on terminals of two widths: its statuses are one line,
// which never wraps, and the last one stays in full.
func TestWatchOnATerminal(t *testing.T) {
	t.Parallel()
	const id = "01890a5d-ac96-774b-bcce-b302099a8057"
	for _, columns := range []int{100, 30} {
		var url string // of the job
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept") != "text/event-stream" {
				t.Errorf("%s %s asks for %q", r.Method, r.URL, r.Header.Get("Accept"))
			}
			w.Header().Set("Content-Type", "text/event-stream")
			for i, status := range []map[string]any{
				{"status": "pending"},
				{"status": "processing", "progress": map[string]any{"fraction": 0.5, "note": "denoising a very large photograph"}},
				{"status": "processing", "progress": map[string]any{"fraction": 0.75, "note": "done soon"}},
				{"status": "completed", "location": url + "/output"},
			} {
				status["job_id"], status["url"] = id, url
				b, _ := json.Marshal(status)
				_, _ = w.Write([]byte("event: status\nid: " + strings.Repeat("1", i+1) + "\ndata: " + string(b) + "\n\n"))
			}
		}))
		url = server.URL + "/jobs/" + id
		command, _, screen, ended := open(t, columns)
		code := run(t.Context(), []string{"status", "--watch", "--server", server.URL, id}, streams{strings.NewReader(""), command, command})
		ended()
		server.Close()
		if code != 0 {
			t.Errorf("%d columns: exit code %d", columns, code)
		}
		for _, want := range []string{"pending", "very large photograph", "75 % done soon"} {
			if !strings.Contains(screen.text(), want) {
				t.Errorf("%d columns: no %q in %q", columns, want, screen.text())
			}
		}
		if n := strings.Count(screen.text(), "\n"); n != 1 {
			t.Errorf("%d columns: %d lines: %q", columns, n, screen.text())
		}
		if screen.widest >= columns { // the last column has the cursor
			t.Errorf("%d characters on a line of %d: %q", screen.widest, columns, screen.text())
		}
		for _, want := range []string{url, "completed", url + "/output"} {
			if !strings.Contains(screen.left(), want) {
				t.Errorf("%d columns: in the end there is %q, without %q", columns, screen.left(), want)
			}
		}
		if strings.Contains(screen.left(), "soon") || strings.Contains(screen.left(), "processing") {
			t.Errorf("%d columns: in the end there is still %q", columns, screen.left())
		}
	}
}
