package e2e_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/processor/imaging/imagingtest"
	"claimcheck.example/internal/processor/imaging/vips/vipstest"
	"claimcheck.example/internal/test/process"
	"claimcheck.example/internal/test/service"
)

// TestVipsEngineThroughTheService submits files as people have them to a service with
// libvips, and compares the results. The memory of the engine is in the metrics.
func TestVipsEngineThroughTheService(t *testing.T) {
	t.Parallel()
	bin := filepath.Dir(vipstest.Build(t))
	port, err := process.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	l := service.StartLocal(t, service.LocalFlags(t), fmt.Sprint("METRICS_PORT=", port), "IMAGING=vips", "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	cases, err := os.ReadDir(awstest.Module("internal/processor/imaging/imagingtest/testdata/cases/expected"))
	if err != nil || len(cases) < 20 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	memory := 0.0
	for _, expected := range cases {
		name := expected.Name()[:len(expected.Name())-len(".png")]
		contentType, body := apptest.Form(t, imagingtest.File(t, "cases", name), "params", `{"ops": [], "format": "png"}`)
		a := apptest.Do(t, http.MethodPost, l.URL+"/jobs", bytes.NewReader(body), "Content-Type", contentType, "Prefer", "wait=60")
		if a.StatusCode != http.StatusCreated {
			t.Errorf("%s: the job is %d, %s", name, a.StatusCode, a.Bytes)
			continue
		}
		scrape := apptest.Get(t, fmt.Sprintf("http://127.0.0.1:%d/metrics", port))
		_, line, _ := bytes.Cut(scrape.Bytes, []byte("\nclaimcheck_engine_memory_bytes "))
		line, _, _ = bytes.Cut(line, []byte("\n"))
		if n, err := strconv.ParseFloat(string(line), 64); err != nil {
			t.Errorf("the engine's memory in the metrics: %v", err)
		} else {
			memory = max(memory, n) // none while a process that has grown is replaced
		}
		out := apptest.Get(t, a.Header.Get("Location"))
		if d := imagingtest.Difference(t, imagingtest.Picture(t, out.Bytes), imagingtest.Picture(t, imagingtest.File(t, "cases/expected", expected.Name()))); d > 3 {
			t.Errorf("%s: the mean difference is %.2f of 255", name, d)
		}
	}
	if memory < 1<<20 {
		t.Errorf("the metrics show %v bytes of the engine's memory at most", memory)
	}
}
