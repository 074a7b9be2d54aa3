package e2e_test

import (
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/test/service"
)

// TestLocalForgetsOldJobs restarts `claimcheck local` over a folder whose files are older than
// JOB_TTL_DAYS: the jobs are deleted, their usage stays.
func TestLocalForgetsOldJobs(t *testing.T) {
	t.Parallel()
	flags := service.LocalFlags(t)
	first := service.StartLocal(t, flags)
	a := first.Submit(t, apptest.Photograph(t))
	location := a.Header.Get("Location")
	if end := apptest.Await(t, location); end.StatusCode != http.StatusCreated {
		t.Fatalf("the job ends as %s: %s", end.Status, end.Bytes)
	}
	secret := first.Exports()["AWS_SECRET_ACCESS_KEY"]
	if err := first.Stop(2 * time.Minute); err != nil {
		t.Fatalf("it ends with %v: %s", err, first.Output())
	}
	data := strings.TrimPrefix(flags[3], "--data=")
	if b, err := os.ReadFile(filepath.Join(data, "secret-key")); err != nil || strings.TrimSpace(string(b)) != secret || len(secret) < 26 {
		t.Errorf("the secret key is %q, and %q in its file: %v", secret, b, err)
	}
	old := time.Now().AddDate(0, 0, -6)
	err := filepath.WalkDir(filepath.Join(data, "s3"), func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			err = os.Chtimes(name, old, old)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	second := service.StartLocal(t, flags, "JOB_TTL_DAYS=5") // of which the default is 7
	deadline := time.Now().Add(service.Limit)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for apptest.Get(t, location).StatusCode != http.StatusNotFound || files(t, data, "input")+files(t, data, "output") > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("the job of six days ago is still there: %s", second.Output())
		}
		<-tick.C
	}
	if files(t, data, "usage") == 0 {
		t.Error("its usage record is gone too")
	}
	if got := second.Exports()["AWS_SECRET_ACCESS_KEY"]; got != secret {
		t.Errorf("the restart has the secret key %q, want %q", got, secret)
	}
}

// files returns the number of entries under a prefix of the local bucket.
func files(t *testing.T, data, prefix string) int {
	t.Helper()
	list, err := os.ReadDir(filepath.Join(data, "s3", "claimcheck", prefix))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return len(list)
}
