package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"claimcheck.example/internal/app/apptest"
)

// made counts what has arrived as a document counts it: writes, reads, calls of the queue.
// Workers receive all the time; one receive has brought the job.
func made(s *apptest.System) map[string]any {
	writes, reads, queue := 0.0, 0.0, 1.0
	for _, r := range requests(s) {
		switch op, _, _ := strings.Cut(r, " "); {
		case op == "PutObject", op == "CreateMultipartUpload", op == "UploadPart", op == "CompleteMultipartUpload":
			writes++
		case op == "GetObject", op == "HeadObject":
			reads++
		case op == "SendMessage", op == "DeleteMessage", op == "ChangeMessageVisibility":
			queue++
		}
	}
	return map[string]any{"store_writes": writes, "store_reads": reads, "queue": queue}
}

// TestRequestsAreCounted compares what a job's status says it has cost with what has arrived
// at S3 and SQS, and with the sums of the usage.
func TestRequestsAreCounted(t *testing.T) {
	t.Parallel()
	for name, header := range map[string][]string{"without a key": nil, "under a key": {"Idempotency-Key", "k"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := apptest.Start(t)
			s.ResetCount()
			a := apptest.Do(t, http.MethodPost, s.URL+"/jobs", strings.NewReader(string(apptest.Photograph(t))), append([]string{"Content-Type", "image/jpeg"}, header...)...)
			if a.StatusCode != http.StatusAccepted {
				t.Fatalf("%s: %s", a.Status, a.Bytes)
			}
			stop := s.StartWorker(t)
			arrive(t, s, "DeleteMessage")
			stop()
			want := made(s)
			status := apptest.Get(t, a.Header.Get("Location")).JSON(t)
			used := status["usage"].(map[string]any)
			equal(t, "the status", used["requests"], want)
			if usd := used["estimated_cost"].(map[string]any)["usd"].(float64); usd < 3e-5 || usd > 1e-2 {
				t.Errorf("the job has cost %v USD", usd)
			}
			total := apptest.Get(t, s.URL+"/usage").JSON(t)["total"].(map[string]any)
			equal(t, "the usage", total["requests"], want)
			if total["uncounted"] != 0.0 || total["estimated_cost"].(map[string]any)["usd"] != used["estimated_cost"].(map[string]any)["usd"] {
				t.Errorf("the usage is %v, the job's %v", total, used)
			}
			listed := apptest.Get(t, s.URL+"/jobs").JSON(t)["jobs"].([]any)[0].(map[string]any)
			equal(t, "the list", listed["usage"].(map[string]any)["requests"], want)
		})
	}
}

func equal(t *testing.T, what string, got any, want map[string]any) {
	t.Helper()
	g, _ := got.(map[string]any)
	for name := range want {
		if g[name] != want[name] {
			t.Errorf("%s says %v, and what has arrived is %v", what, got, want)
			return
		}
	}
}
