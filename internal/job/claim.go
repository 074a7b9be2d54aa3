package job

import (
	"encoding/json"
	"errors"
	"fmt"
)

// maxClaim bounds the body of a message that is decoded, in bytes. A body has some fifty.
const maxClaim = 4 << 10

// EncodeClaim returns the body of the message that names a job.
func EncodeClaim(id ID) string { return `{"job_id":"` + string(id) + `"}` }

// DecodeClaim returns the job that the body of a message names. The error says what is
// wrong with any other body, and repeats no more than a little of it. DecodeClaim ignores
// members beside job_id.
func DecodeClaim(body string) (ID, error) {
	if len(body) > maxClaim {
		return "", fmt.Errorf("a body of %d bytes", len(body))
	}
	var c struct {
		JobID string `json:"job_id"`
	}
	if err := json.Unmarshal([]byte(body), &c); err != nil {
		return "", errors.New(`the body is not of the form {"job_id": "..."}`)
	}
	id, err := ParseID(c.JobID)
	if err != nil {
		return "", fmt.Errorf("job_id %.40q is not a UUID in canonical form", c.JobID)
	}
	return id, nil
}
