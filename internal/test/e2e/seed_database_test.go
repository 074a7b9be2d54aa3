package e2e_test

import (
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/pgstore/pgtest"
	"claimcheck.example/internal/test/service"
)

// The tests of this file have the names of the sentences in the service's first
// description, as those of seed_test.go have, each proved on a database and a folder.

// kept is a system on a database and a folder with one accepted job.
type kept struct {
	accepted
	home service.Home
}

func keep(t *testing.T) kept {
	t.Helper()
	s, home := onDatabase(t)
	return kept{acceptOn(t, s), home}
}

// column reads the one value of a query.
func column(t *testing.T, home service.Home, sql string, args ...any) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), home.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var value string
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

func (k kept) document(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(column(t, k.home, `SELECT convert_from(document, 'UTF8') FROM claimcheck.jobs WHERE id = $1`, k.id)), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// put replaces the document.
func (k kept) put(t *testing.T, raw []byte) {
	t.Helper()
	pgtest.Exec(t, k.home.Database, `UPDATE claimcheck.jobs SET document = $2 WHERE id = $1`, k.id, raw)
}

// filesOf returns the files of a section of the folder, without the store's own.
func filesOf(t *testing.T, home service.Home, section string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(strings.TrimPrefix(home.Objects, "file://"), section), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestPostAnImageToJobsOnDatabase(t *testing.T) {
	t.Parallel()
	k := keep(t) // The user posts an image to this URL
	t.Run("If accepted: a job identified by UUID is created", func(t *testing.T) {
		isUUID(t, k.id)
		isUUID(t, k.answer.JSON(t)["job_id"])
	})
	t.Run("If accepted: a message is created in the queue", func(t *testing.T) {
		if got, want := column(t, k.home, `SELECT body FROM claimcheck.messages`), `{"job_id":"`+k.id+`"}`; got != want {
			t.Errorf("message is %s, want %s", got, want)
		}
	})
	t.Run("If accepted: a job document is created", func(t *testing.T) {
		if d := k.document(t); d["job_id"] != k.id || d["status"] != "pending" {
			t.Errorf("document is %v", d)
		}
	})
	t.Run("If accepted: an image is created at input job_id", func(t *testing.T) {
		paths := filesOf(t, k.home, "input")
		if len(paths) != 1 || !strings.HasSuffix(paths[0], "/"+k.id) {
			t.Fatalf("the inputs are %v", paths)
		}
		if raw, err := os.ReadFile(paths[0]); err != nil || !bytes.HasPrefix(raw, apptest.Photograph(t)) { // a trailer follows
			t.Errorf("input is %d bytes, %v", len(raw), err)
		}
	})
	t.Run("If accepted: status code of 202, a location header and body key identifying the location of job status information", func(t *testing.T) {
		if k.answer.StatusCode != 202 || k.answer.JSON(t)["location"] != k.location || !strings.HasPrefix(k.location, k.URL+"/jobs/") {
			t.Errorf("answer is %s, Location %q: %s", k.answer.Status, k.location, k.answer.Bytes)
		}
	})
	t.Run("The job status is returned to the user", func(t *testing.T) {
		if k.answer.JSON(t)["status"] != "pending" {
			t.Errorf("body is %s", k.answer.Bytes)
		}
	})
	t.Run("output should return a location if the job is pending or processing", func(t *testing.T) {
		got := apptest.Get(t, k.location+"/output")
		if got.StatusCode != 404 || got.Header.Get("Location") != k.location || got.JSON(t)["location"] != k.location || got.Header.Get("Retry-After") == "" {
			t.Errorf("answer is %s, %v: %s", got.Status, got.Header, got.Bytes)
		}
	})
}

// TestIfNotAcceptedOnDatabase takes a table or a folder away.
func TestIfNotAcceptedOnDatabase(t *testing.T) {
	t.Parallel()
	rename := func(from, to string) func(*testing.T, service.Home) {
		return func(t *testing.T, home service.Home) {
			pgtest.Exec(t, home.Database, `ALTER TABLE claimcheck.`+from+` RENAME TO `+to)
		}
	}
	move := func(from, to string) func(*testing.T, service.Home) {
		return func(t *testing.T, home service.Home) {
			folder := strings.TrimPrefix(home.Objects, "file://")
			if err := os.Rename(filepath.Join(folder, from), filepath.Join(folder, to)); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := map[string]struct {
		harm, mend func(*testing.T, service.Home)
		document   bool // storage can write it
	}{
		"the input cannot be stored":    {move("input", "moved"), move("moved", "input"), true},
		"the message cannot be sent":    {rename("messages", "moved"), rename("moved", "messages"), true},
		"the document cannot be stored": {rename("jobs", "moved"), rename("moved", "jobs"), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, home := onDatabase(t)
			tt.harm(t, home)
			a := s.Submit(t, apptest.Photograph(t))
			tt.mend(t, home)
			body := a.JSON(t)
			location := a.Header.Get("Location")
			id := location[strings.LastIndexByte(location, '/')+1:]
			isUUID(t, body["job_id"])
			if a.StatusCode != 500 {
				t.Errorf("status is %s: %s", a.Status, a.Bytes)
			}
			if location == "" || body["location"] != location || body["job_id"] != id {
				t.Errorf("Location is %q, body %s", location, a.Bytes)
			}
			if !tt.document {
				return
			}
			if st := apptest.Get(t, location); st.StatusCode != 200 || st.JSON(t)["status"] != "failed" {
				t.Errorf("status is %s: %s", st.Status, st.Bytes)
			}
		})
	}
}

func TestGetJobStatusOnDatabase(t *testing.T) {
	t.Parallel()
	k := keep(t)
	original := k.document(t)
	as := func(t *testing.T, status string) apptest.Answer {
		t.Helper()
		original["status"], original["lease_until"] = status, "2999-01-01T00:00:00Z"
		raw, err := json.Marshal(original)
		if err != nil {
			t.Fatal(err)
		}
		k.put(t, raw)
		return apptest.Get(t, k.location)
	}
	for _, status := range []string{"pending", "processing", "failed"} {
		t.Run("If the job is "+status+": status code of 200 (OK)", func(t *testing.T) {
			if got := as(t, status); got.StatusCode != 200 || got.JSON(t)["status"] != status {
				t.Errorf("answer is %s: %s", got.Status, got.Bytes)
			}
		})
	}
	t.Run("If no job status is found: status code of 404 (Not Found)", func(t *testing.T) {
		if got := apptest.Get(t, k.URL+"/jobs/"+uuid.NewString()); got.StatusCode != 404 {
			t.Errorf("answer is %s: %s", got.Status, got.Bytes)
		}
	})
	t.Run("If the information is unknown: status code of 500 (Internal Server Error), possible error written to job message", func(t *testing.T) {
		unknown := as(t, "thinking")
		k.put(t, []byte("not JSON"))
		corrupt := apptest.Get(t, k.location)
		pgtest.Exec(t, k.home.Database, `ALTER TABLE claimcheck.jobs RENAME TO moved`)
		down := apptest.Get(t, k.location)
		output := apptest.Get(t, k.location+"/output")
		for name, got := range map[string]apptest.Answer{"unknown status": unknown, "corrupt document": corrupt, "storage fails": down} {
			if m, _ := got.JSON(t)["message"].(string); got.StatusCode != 500 || m == "" {
				t.Errorf("%s: answer is %s: %s", name, got.Status, got.Bytes)
			}
		}
		if output.StatusCode != 500 || output.JSON(t)["detail"] == "" {
			t.Errorf("output while storage fails: %s: %s", output.Status, output.Bytes)
		}
	})
}

func TestGetJobOutputOnDatabase(t *testing.T) {
	t.Parallel()
	k := keep(t)
	k.StartWorker(t)
	end := apptest.Await(t, k.location)
	t.Run("If the job is completed: status code of 201 (Created), a location header and body key identifying the location of job output", func(t *testing.T) {
		location := end.Header.Get("Location")
		if end.StatusCode != 201 || location != k.location+"/output" || end.JSON(t)["location"] != location {
			t.Errorf("answer is %s, Location %q: %s", end.Status, location, end.Bytes)
		}
	})
	t.Run("If the image is read correctly: User is returned the image", func(t *testing.T) {
		got := apptest.Get(t, k.location+"/output")
		if got.StatusCode != 200 || got.Header.Get("Content-Type") != "image/jpeg" || len(got.Bytes) == 0 {
			t.Fatalf("answer is %s, %s", got.Status, got.Header.Get("Content-Type"))
		}
	})
	outputs := filesOf(t, k.home, "output")
	if len(outputs) != 1 {
		t.Fatalf("the outputs are %v", outputs)
	}
	t.Run("Any other result: The user is returned a 500 message", func(t *testing.T) {
		if err := os.Truncate(outputs[0], 3); err != nil { // without its trailer
			t.Fatal(err)
		}
		if got := apptest.Get(t, k.location+"/output"); got.StatusCode != 500 || got.JSON(t)["detail"] == "" {
			t.Errorf("answer is %s: %s", got.Status, got.Bytes)
		}
	})
	t.Run("If the image is not found: User is returned a 404 message in JSON format", func(t *testing.T) {
		if err := os.Remove(outputs[0]); err != nil {
			t.Fatal(err)
		}
		for name, url := range map[string]string{"output gone": k.location + "/output", "no such job": k.URL + "/jobs/" + uuid.NewString() + "/output"} {
			got := apptest.Get(t, url)
			if got.StatusCode != 404 || got.Header.Get("Content-Type") != "application/problem+json" || got.JSON(t)["status"] != 404.0 {
				t.Errorf("%s: answer is %s: %s", name, got.Status, got.Bytes)
			}
		}
	})
}

func TestIssuesOnDatabase(t *testing.T) {
	t.Parallel()
	t.Run("Possibly crashable with very large files", func(t *testing.T) {
		t.Parallel()
		s, home := onDatabase(t, "MAX_IMAGE_BYTES=8MiB")
		endless := io.MultiReader(bytes.NewReader(apptest.Photograph(t)), zeros{})
		a := apptest.Do(t, http.MethodPost, s.URL+"/jobs", endless, "Content-Type", "image/jpeg")
		if a.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("an endless image: %s: %s", a.Status, a.Bytes)
		}
		for _, section := range []string{"input", "output", "tmp"} {
			if left := filesOf(t, home, section); len(left) != 0 {
				t.Errorf("it leaves %v", left)
			}
		}
		if n := column(t, home, `SELECT (SELECT count(*) FROM claimcheck.jobs) + (SELECT count(*) FROM claimcheck.messages) || ''`); n != "0" {
			t.Errorf("it leaves %s rows", n)
		}
		if a := s.Submit(t, apptest.Photograph(t)); a.StatusCode != http.StatusAccepted {
			t.Errorf("the next submit: %s: %s", a.Status, a.Bytes)
		}
	})
	t.Run("Usage is anonymous making it unbillable", func(t *testing.T) {
		t.Parallel()
		p := apptest.StartProvider(t)
		s, _ := onDatabase(t, "OIDC_ISSUER="+p.URL, "OIDC_AUDIENCE=claimcheck")
		wantBilled(t, s, p)
	})
}
