package job

import (
	"errors"
	"fmt"
)

// MaxDocument bounds the size of a document, in bytes. A real document has some hundred
// bytes and at most 16 KiB of params.
const MaxDocument = 1 << 20

// DecodeDocument reads the stored document of job id. Its errors have the kinds of
// [Documents].Load: Corrupt, and Unavailable for a status that only a newer release knows.
func DecodeDocument(id ID, raw []byte) (*Job, error) {
	var j Job
	err := fmt.Errorf("more than %d bytes", MaxDocument)
	if len(raw) <= MaxDocument {
		err = j.UnmarshalJSON(raw) // json.Unmarshal would read the document twice more
	}
	switch {
	case err != nil:
	case j.ID != id:
		err = fmt.Errorf("it is of job %.40q", j.ID)
	case j.UID != "" && !j.UID.canonical():
		err = fmt.Errorf("its uid %.40q is not a UUID", j.UID)
	case j.OutputID != "" && !j.OutputID.canonical():
		err = fmt.Errorf("its output_id %.40q is not a UUID", j.OutputID)
	case j.Owner == "":
		err = errors.New("no owner")
	case j.Status == "":
		err = errors.New("no status")
	case !j.Status.Known():
		err = fmt.Errorf("document of job %s: unknown status %.40q", id, j.Status)
		return nil, Wrap(Unavailable, err, "this job was written by a newer release of this service; try again shortly")
	}
	if err != nil {
		return nil, Wrap(Corrupt, fmt.Errorf("document of job %s: %w", id, err), "the document of this job is damaged; submit the image again")
	}
	return &j, nil
}
