package job

import (
	"encoding/json"
	"errors"
	"fmt"
)

// maxClaim bounds the body of a message, in bytes. A real body has about fifty.
const maxClaim = 4 << 10

// EncodeClaim returns the body of a message: it names a job, or the webhook of a job.
func EncodeClaim(m Message) string {
	if m.Webhook {
		return `{"job_id":"` + string(m.JobID) + `","for":"webhook"}`
	}
	return `{"job_id":"` + string(m.JobID) + `"}`
}

// DecodeClaim returns the job that the body of a message names, and whether the message is
// for its webhook. The error says what is wrong with any other body, and repeats no more
// than a little of it. DecodeClaim ignores other members.
func DecodeClaim(body string) (id ID, webhook bool, err error) {
	if len(body) > maxClaim {
		return "", false, fmt.Errorf("a body of %d bytes", len(body))
	}
	var c struct {
		JobID string `json:"job_id"`
		For   string `json:"for"`
	}
	if err := json.Unmarshal([]byte(body), &c); err != nil {
		return "", false, errors.New(`the body is not of the form {"job_id": "..."}`)
	}
	id, err = ParseID(c.JobID)
	switch {
	case err != nil:
		return "", false, fmt.Errorf("job_id %.40q is not a UUID in canonical form", c.JobID)
	case c.For != "" && c.For != "webhook":
		return "", false, fmt.Errorf("it is for %.40q, which this release does not know", c.For)
	}
	return id, c.For == "webhook", nil
}
