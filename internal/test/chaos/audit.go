package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"claimcheck.example/internal/job"
)

// report is the result of the audit, with the broken promises.
type report struct {
	completed, canceled, failed, deleted, unpromised int
	records, listed, webhooks, tries                 int
	orphans, replaced, undeleted, uploads            int
	settled                                          time.Duration
	broken                                           []string
	stories                                          map[string][]string // of the jobs with broken promises
}

func (r *report) breaks(format string, args ...any) {
	r.broken = append(r.broken, fmt.Sprintf(format, args...))
}

// tell adds the evidence on each job with a broken promise to the report: its client's answers,
// the workers' logs, and its document.
func (r *report) tell(ctx context.Context, a auditor, s *harness, c *clients) {
	r.stories = map[string][]string{}
	for _, b := range r.broken {
		for _, id := range jobID.FindAllString(b, -1) {
			story := slices.Clone(s.ends.said[id])
			if p := c.promised[id]; p != nil && p.order != nil {
				story = append(p.order.story, story...)
			}
			if doc, err := a.document(ctx, id); err == nil {
				story = append(story, string(doc))
			}
			r.stories[id] = story
		}
	}
}

var jobID = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// auditor reads a backend directly, without proxies and servers.
type auditor interface {
	// left is the number of messages in the queue and in the dead letters, also in flight.
	left(ctx context.Context) (int, error)
	// objects returns the stored objects by section and identifier.
	objects(ctx context.Context) (map[string]map[string]object, error)
	// document returns the document of a job.
	document(ctx context.Context, id string) ([]byte, error)
	// record returns the usage record with a key.
	record(ctx context.Context, key string) ([]byte, error)
	// uploads returns the unfinished uploads.
	uploads(ctx context.Context) ([]object, error)
}

// object is a stored object.
type object struct {
	key  string
	made time.Time
}

func newAuditor(s *harness) auditor {
	if s.database != nil {
		return s.database
	}
	return newAWSAuditor(s)
}

// audit waits for the end of all promised jobs, and then compares the promises with the API,
// the bucket and the queue.
func audit(ctx context.Context, s *harness, c *clients) (*report, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	a := newAuditor(s)
	r := &report{broken: slices.Clone(c.wrong)}
	start := time.Now()
	if err := awaitEmptyQueue(ctx, a); err != nil {
		r.breaks("the queue does not empty: %v", err)
	}
	r.settled = time.Since(start)
	for id, p := range c.promised {
		if err := r.promise(ctx, c, id, p); err != nil {
			return nil, err
		}
	}
	if err := r.storage(ctx, a, s, c); err != nil {
		return nil, err
	}
	if err := r.multipart(ctx, a, s); err != nil {
		return nil, err
	}
	s.ends.mu.Lock()
	defer s.ends.mu.Unlock()
	for id, n := range s.ends.count {
		if n > 1 {
			r.breaks("job %s was ended %d times", id, n)
		}
	}
	r.tell(ctx, a, s, c)
	return r, nil
}

// awaitEmptyQueue waits until queue and dead letters are empty.
func awaitEmptyQueue(ctx context.Context, a auditor) error {
	for tick := time.NewTicker(200 * time.Millisecond); ; {
		left, err := a.left(ctx)
		if err != nil || left == 0 {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d messages are left", left)
		}
	}
}

// promise reads the outcome of one promised job from the API.
func (r *report) promise(ctx context.Context, c *clients, id string, p *promise) error {
	status, body, err := c.get(ctx, "/jobs/"+id)
	if err != nil {
		return err
	}
	switch {
	case p.deleted && status == 404:
		r.deleted++
		return nil
	case p.gone:
		r.breaks("job %s is answered with %d, and its deletion was answered", id, status)
	}
	switch status {
	case 201:
		r.completed++
		if p.cancel == canceled {
			r.breaks("job %s was canceled, and is completed", id)
		}
	case 200:
		var st struct{ Status, Message string }
		if err := json.Unmarshal(body, &st); err != nil {
			return err
		}
		if st.Status == "canceled" && (p.cancel == unanswered || p.cancel == canceled) {
			r.canceled++
			return nil
		}
		r.failed++
		r.breaks("job %s is %s: %s", id, st.Status, st.Message)
		return nil
	default:
		r.breaks("job %s: status %d: %s", id, status, body)
		return nil
	}
	status, body, err = c.get(ctx, "/jobs/"+id+"/output")
	if err != nil {
		return err
	}
	if status != 200 || sha256.Sum256(body) != p.sum {
		if !p.deleted { // a deletion that was cut off may have taken the output already
			r.breaks("job %s: output %d, %d bytes, which are not its own", id, status, len(body))
		}
	}
	return nil
}

// storage checks every stored object.
func (r *report) storage(ctx context.Context, a auditor, s *harness, c *clients) error {
	objects, err := a.objects(ctx)
	if err != nil {
		return err
	}
	r.records = len(objects["usage"])
	pictures := map[string]string{} // SHA-256 → id
	named := map[string]bool{}      // the objects that a document names
	jobs := map[string]*job.Job{}
	for id := range objects["jobs"] {
		raw, err := a.document(ctx, id)
		j := &job.Job{}
		if err == nil {
			err = json.Unmarshal(raw, j)
		}
		if err != nil {
			return fmt.Errorf("document of job %s: %w", id, err)
		}
		if sum := j.Input.SHA256; sum != "" {
			if pictures[sum] != "" {
				r.breaks("one picture has the jobs %s and %s", pictures[sum], id)
			}
			pictures[sum] = id
		}
		jobs[id] = j
		object := string(j.ObjectID())
		made := string(j.OutputObject())
		named[object], named[made] = true, true
		r.document(s, c, j, objects["output"][made].key != "", objects["usage"][object].key != "")
	}
	if err := r.agree(ctx, a, c, jobs, objects["usage"]); err != nil {
		return err
	}
	s.receiver.audit(r, jobs)
	for section, makers := range makers {
		for id, o := range objects[section] {
			if section == "input" && c.replaced[id] {
				r.replaced++ // the upload's; the lifecycle rule's as well
				continue
			}
			if !named[id] {
				r.orphans++ // of a submit or a deletion that was cut off; the lifecycle rule's
				if !s.explains(o.made, makers...) {
					r.breaks("%s of %s is left without a job, and nothing was amiss", o.key, o.made.Format(time.RFC3339Nano))
				}
			}
		}
	}
	if most := c.unserved; r.unpromised > most {
		r.breaks("%d jobs without an answer to a client, but only %d pictures without a job", r.unpromised, most)
	}
	return nil
}

// makers are the processes whose faults may leave objects of a section behind.
var makers = map[string][]string{
	"input": {"server", "backend", "s3"}, "output": {"worker", "backend", "s3"}, "tmp": {"server", "worker", "backend"},
}

// multipart checks the unfinished uploads.
func (r *report) multipart(ctx context.Context, a auditor, s *harness) error {
	uploads, err := a.uploads(ctx)
	for _, u := range uploads {
		r.uploads++
		section, _, _ := strings.Cut(u.key, "/")
		if !s.explains(u.made, makers[section]...) {
			r.breaks("the upload of %s, begun at %s, is left open, and nothing was amiss", u.key, u.made.Format(time.RFC3339Nano))
		}
	}
	return err
}

// document compares a job's document with the answers to its client.
func (r *report) document(s *harness, c *clients, j *job.Job, output, billed bool) {
	id := string(j.ID)
	switch {
	case j.Deleted && isDeleted(c, id):
		r.undeleted++ // its deletion was cut off: it exists for no client
	case j.Deleted:
		r.breaks("job %s is marked as deleted without a deletion", id)
	case j.Status == job.Processing:
		r.breaks("job %s is left in processing since %s, attempt %d, lease until %s", id,
			j.UpdatedAt.Format(time.RFC3339Nano), j.Attempts, j.LeaseUntil.Format(time.RFC3339Nano))
	case j.Status == job.Pending && c.promised[id] == nil:
		r.unpromised++
		if j.UploadUntil.IsZero() && !s.explains(j.UpdatedAt, makers["input"]...) {
			r.breaks("job %s of %s was answered to no client, and nothing was amiss", id, j.UpdatedAt.Format(time.RFC3339Nano))
		}
	case j.Status.Over() && j.Attempts > 0 && !billed:
		r.breaks("job %s %s and was not billed", id, j.Status)
	case (j.Attempts == 0 || j.Unaccepted) && billed:
		r.breaks("job %s never started and was billed", id)
	case j.Status == job.Completed && !output && !isDeleted(c, id):
		r.breaks("job %s completed and has no output", id)
	case j.Status == job.StatusCanceled && output && !s.explains(j.UpdatedAt, makers["output"]...):
		r.breaks("job %s is canceled and has an output", id)
	}
}

func isDeleted(c *clients, id string) bool {
	p := c.promised[id]
	return p != nil && p.deleted
}

// print shows the figures. The error names the number of broken promises.
func (r *report) print(out io.Writer, s *harness, c *clients) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	row := func(name string, n any) { fmt.Fprintf(w, "%s\t%v\n", name, n) }
	row("pictures", c.serial.Load())
	row("  in several parts", c.large)
	row("  uploaded directly", c.direct)
	row("repeats beside a request at work", c.overlaps)
	row("jobs promised", len(c.promised))
	row("  completed", r.completed)
	row("  canceled", r.canceled)
	row("  deleted", r.deleted)
	row("  lost or failed", r.failed)
	row("answers that promised nothing", c.refused)
	row("requests without an answer", c.silent)
	row("jobs without an answer", r.unpromised)
	row("usage records", r.records)
	row("jobs in the list", r.listed)
	row("deletions cut off", r.undeleted)
	row("webhooks delivered", r.webhooks)
	row("  tries", r.tries)
	row("  that asked whether the job was over", s.receiver.asked)
	row("objects without a job", r.orphans)
	row("uploads of announced jobs that a submit replaced", r.replaced)
	row("uploads left open", r.uploads)
	if s.beside != nil {
		row("starts of this source", s.starts[0])
		row("starts of the release beside", s.starts[1])
	}
	for _, name := range slices.Sorted(maps.Keys(s.kills)) {
		row("kills of "+name, s.kills[name])
	}
	for _, name := range slices.Sorted(maps.Keys(s.faults)) {
		row("faults: "+name, s.faults[name])
	}
	row("settled within", r.settled.Round(100*time.Millisecond))
	row("promises broken", len(r.broken))
	if err := w.Flush(); err != nil {
		return err
	}
	for _, b := range r.broken {
		fmt.Fprintln(out, "  -", b)
	}
	for _, id := range slices.Sorted(maps.Keys(r.stories)) {
		fmt.Fprintf(out, "the story of job %s:\n  %s\n", id, strings.Join(r.stories[id], "\n  "))
	}
	if len(r.broken) > 0 {
		fmt.Fprintln(out, "troubles:")
		for _, t := range s.troubles {
			fmt.Fprintln(out, " ", t.where, t.from.Format(stamp), "to", t.to.Format(stamp))
		}
	}
	if len(r.broken) > 0 {
		return errLost
	}
	return nil
}
