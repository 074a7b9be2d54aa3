package s3store

import (
	"encoding/json"
	"testing"

	"claimcheck.example/internal/job"
)

// FuzzDecodeDocument reads whatever may lie where a job's document should: it is that
// job's, or an error.
func FuzzDecodeDocument(f *testing.F) {
	const id = job.ID("01a205c3-98c3-73a4-8dce-5da8191d9b77")
	good, err := json.Marshal(&job.Job{ID: id, Status: job.Pending, Owner: "a|b", Revision: "r"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add([]byte(`{"job_id":"01a205c3-98c3-73a4-8dce-5da8191d9b77","status":"thinking","owner":"x"}`))
	f.Add([]byte(`[]`))
	f.Add([]byte("\xff\xfe{}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		j, err := decodeDocument(id, raw)
		if err != nil {
			return // Load gives it its kind
		}
		if j.ID != id || !j.Status.Known() {
			t.Errorf("%q is taken for job %s, %q", raw, j.ID, j.Status)
		}
	})
}
