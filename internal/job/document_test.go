package job_test

import (
	"encoding/json"
	"testing"

	"claimcheck.example/internal/job"
)

// FuzzDecodeDocument reads any bytes as the document of a job: they are that job's, or an
// error.
func FuzzDecodeDocument(f *testing.F) {
	const id = job.ID("01a205c3-98c3-73a4-8dce-5da8191d9b77")
	good, err := json.Marshal(&job.Job{ID: id, Status: job.Pending, Owner: "a|b", Revision: "r"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add([]byte(`{"job_id":"01a205c3-98c3-73a4-8dce-5da8191d9b77","status":"thinking","owner":"x"}`))
	f.Add(append(good[:len(good):len(good)], " }"...))
	f.Add(append(good[:len(good):len(good)], good...))
	f.Add([]byte(`[]`))
	f.Add([]byte("\xff\xfe{}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		j, err := job.DecodeDocument(id, raw)
		if err != nil {
			if k := job.KindOf(err); k != job.Corrupt && k != job.Unavailable || job.MessageOf(err) == "" {
				t.Errorf("%q: error %v of kind %v, want Corrupt or Unavailable with a sentence", raw, err, k)
			}
			return
		}
		if !json.Valid(raw) {
			t.Errorf("%q decodes as a document, and is not JSON", raw)
		}
		if j.ID != id || !j.Status.Known() {
			t.Errorf("%q decodes as job %s, %q", raw, j.ID, j.Status)
		}
	})
}
