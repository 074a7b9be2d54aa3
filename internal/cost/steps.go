// Package cost estimates what jobs cost: it lists the requests to S3 and SQS of each step
// in a job's life, which a test counts at the wire, and computes a monthly bill from them
// and from prices, which are data.
package cost

import (
	"fmt"
	"slices"
	"strings"
)

// Step is a step in a job's life, or of the service.
type Step struct {
	// Who is the sender of the requests: server, worker or client.
	Who  string
	Name string
	// Requests are the API's operations, with the first part of the object's key where there
	// is one: "PutObject input".
	Requests []string
}

// Steps of clients.
var (
	Submit        = Step{"server", "submit", append(put("input", 1), "PutObject lists", "PutObject jobs", "SendMessage")}
	SubmitParts   = Step{"server", "submit of 5 to 10 MiB; one part more for each further 5 MiB", append(put("input", 2*partBytes), "PutObject lists", "PutObject jobs", "SendMessage")}
	SubmitKeyed   = Step{"server", "submit under an idempotency key", append([]string{"GetObject jobs"}, Submit.Requests...)}
	RepeatPending = Step{"server", "the same again after 5 s, the job being pending", []string{"GetObject jobs", "PutObject jobs", "SendMessage"}}
	RepeatLater   = Step{"server", "the same again within 5 s, or once the job is over", []string{"GetObject jobs"}}
	Announce      = Step{"server", "direct upload: announcement", []string{"PutObject lists", "PutObject jobs"}}
	Upload        = Step{"client", "direct upload: the image", []string{"PutObject input"}}
	Commit        = Step{"server", "direct upload: commit", []string{"GetObject jobs", "GetObject input", "PutObject jobs", "SendMessage"}}
	Status        = Step{"server", "status; each look of a status that waits", []string{"GetObject jobs"}}
	Output        = Step{"server", "output", []string{"GetObject jobs", "GetObject output"}}
	Delete        = Step{"server", "delete; without the usage where no work had begun", []string{"GetObject jobs", "PutObject jobs", "PutObject usage", "DeleteObject lists", "DeleteObject input", "DeleteObject output", "DeleteObject jobs"}}
	List          = Step{"server", "list of one job; up to 100 share the list, each is read", []string{"ListObjectsV2", "GetObject jobs"}}
	Usage         = Step{"server", "usage of one ended job; up to 1000 share the list", []string{"ListObjectsV2", "GetObject usage"}}
	Ready         = Step{"server", "readiness", []string{"HeadBucket", "GetQueueAttributes"}}
	Health        = Step{"server", "health", nil}
)

// Steps of workers.
var (
	Receive  = Step{"worker", "receive, up to 10 jobs at once", []string{"ReceiveMessage"}}
	Claim    = Step{"worker", "claim", []string{"GetObject jobs", "PutObject jobs"}}
	Read     = Step{"worker", "read the image", []string{"GetObject input"}}
	Write    = Step{"worker", "write the output; in parts as a submit", put("output", 1)}
	Complete = Step{"worker", "complete, or fail for good", []string{"PutObject jobs"}}
	Record   = Step{"worker", "record the usage", []string{"PutObject usage"}}
	Done     = Step{"worker", "delete the message", []string{"DeleteMessage"}}
	Renew    = Step{"worker", "renew the lease, after each third of LEASE", []string{"ChangeMessageVisibility", "PutObject jobs"}}
	Retry    = Step{"worker", "give back for another attempt", []string{"PutObject jobs", "ChangeMessageVisibility"}}
	Idle     = Step{"worker", "idle, every 20 s: 180 an hour", []string{"ReceiveMessage"}}
)

// Steps lists all steps, in the order of a job's life.
var Steps = []Step{
	Submit, SubmitParts, SubmitKeyed, RepeatPending, RepeatLater, Announce, Upload, Commit,
	Receive, Claim, Read, Write, Complete, Record, Done, Renew, Retry,
	Status, Output, List, Delete, Usage, Ready, Health, Idle,
}

// partBytes is the size of the parts of an upload, and the largest size without parts.
const partBytes = 5 << 20

// put returns the requests that store an object of that many bytes.
func put(section string, size int64) []string {
	if size <= partBytes {
		return []string{"PutObject " + section}
	}
	parts := int((size + partBytes - 1) / partBytes)
	all := append([]string{"CreateMultipartUpload"}, slices.Repeat([]string{"UploadPart"}, parts)...)
	all = append(all, "CompleteMultipartUpload")
	for i := range all {
		all[i] += " " + section
	}
	return all
}

// counts returns the number of requests by the item that bills them.
type counts struct{ writes, reads, deletes, messages float64 }

func (c counts) plus(d counts) counts {
	return counts{c.writes + d.writes, c.reads + d.reads, c.deletes + d.deletes, c.messages + d.messages}
}

func (c counts) times(n float64) counts {
	return counts{c.writes * n, c.reads * n, c.deletes * n, c.messages * n}
}

func count(requests []string) (c counts) {
	for _, r := range requests {
		switch op, _, _ := strings.Cut(r, " "); op {
		case "PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "ListObjectsV2":
			c.writes++
		case "GetObject", "HeadObject", "HeadBucket":
			c.reads++
		case "DeleteObject":
			c.deletes++
		case "SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "GetQueueAttributes":
			c.messages++
		default:
			panic("cost: there is no price for " + op)
		}
	}
	return c
}

// Table returns Steps as a Markdown table.
func Table() string {
	var b strings.Builder
	b.WriteString("| who | step | S3 writes | S3 reads | S3 deletes | SQS | requests |\n|---|---|---|---|---|---|---|\n")
	cell := func(n float64) string {
		if n == 0 {
			return ""
		}
		return fmt.Sprint(n)
	}
	for _, s := range Steps {
		c := count(s.Requests)
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", s.Who, s.Name,
			cell(c.writes), cell(c.reads), cell(c.deletes), cell(c.messages), strings.Join(s.Requests, ", "))
	}
	return b.String()
}
