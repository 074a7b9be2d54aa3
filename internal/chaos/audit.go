package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"claimcheck.example/internal/awslocal"
	"claimcheck.example/internal/fleet"
	"claimcheck.example/internal/job"
)

// report is what the audit found. Broken promises are named.
type report struct {
	submitted, promised, refused, silent   int
	completed, failed, deleted, unpromised int
	records, orphans, undeleted            int
	settled                                time.Duration
	broken                                 []string
}

func (r *report) breaks(format string, args ...any) {
	r.broken = append(r.broken, fmt.Sprintf(format, args...))
}

// auditor looks at the backend past every proxy and server.
type auditor struct {
	s3    *s3.Client
	sqs   *sqs.Client
	queue string
}

func newAuditor(s *stage) auditor {
	env := map[string]string{}
	for _, kv := range s.backendEnv {
		k, v, _ := strings.Cut(kv, "=")
		env[k] = v
	}
	cfg := aws.Config{Region: awslocal.DefaultRegion, Credentials: credentials.NewStaticCredentialsProvider(awslocal.DefaultAccessKey, awslocal.DefaultSecretKey, "")}
	return auditor{
		s3:    s3.NewFromConfig(cfg, func(o *s3.Options) { o.BaseEndpoint = aws.String(env["AWS_ENDPOINT_URL_S3"]); o.UsePathStyle = true }),
		sqs:   sqs.NewFromConfig(cfg, func(o *sqs.Options) { o.BaseEndpoint = aws.String(env["AWS_ENDPOINT_URL_SQS"]) }),
		queue: env["SQS_QUEUE_URL"],
	}
}

// audit waits until everything promised has ended, and then holds the promises against
// what the API, the bucket and the queue say.
func audit(ctx context.Context, s *stage, c *clients) (*report, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	a := newAuditor(s)
	r := &report{submitted: int(c.serial.Load()), promised: len(c.promised), refused: c.refused, silent: c.silent}
	start := time.Now()
	if err := a.awaitEmptyQueue(ctx); err != nil {
		r.breaks("the queue does not empty: %v", err)
	}
	r.settled = time.Since(start)
	for id, p := range c.promised {
		if err := r.promise(ctx, c, id, p); err != nil {
			return nil, err
		}
	}
	if err := r.storage(ctx, a, c); err != nil {
		return nil, err
	}
	s.ends.mu.Lock()
	defer s.ends.mu.Unlock()
	for id, n := range s.ends.count {
		if n > 1 {
			r.breaks("job %s was ended %d times", id, n)
		}
	}
	return r, nil
}

// awaitEmptyQueue waits until queue and dead letters hold no message, in flight or not.
func (a auditor) awaitEmptyQueue(ctx context.Context) error {
	for tick := time.NewTicker(200 * time.Millisecond); ; {
		left := 0
		for _, url := range []string{a.queue, strings.TrimSuffix(a.queue, fleet.Queue) + fleet.Queue + "-dead"} {
			out, err := a.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{"All"}})
			if err != nil {
				return err
			}
			for _, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"} {
				var n int
				fmt.Sscan(out.Attributes[name], &n)
				left += n
			}
		}
		if left == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d messages are left", left)
		}
	}
}

// promise asks the API what became of one promised job.
func (r *report) promise(ctx context.Context, c *clients, id string, p *promise) error {
	status, body, err := c.get(ctx, "/jobs/"+id)
	if err != nil {
		return err
	}
	if p.deleted && status == 404 {
		r.deleted++
		return nil
	}
	switch status {
	case 201:
		r.completed++
	case 200:
		var st struct{ Status, Message string }
		if err := json.Unmarshal(body, &st); err != nil {
			return err
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
	if status != 200 || !bytes.Equal(body, p.image) {
		if !p.deleted { // a deletion that was cut off may have taken the output already
			r.breaks("job %s: output %d, %d bytes, which are not its own", id, status, len(body))
		}
	}
	return nil
}

// storage goes through every object of the bucket.
func (r *report) storage(ctx context.Context, a auditor, c *clients) error {
	keys := map[string]map[string]string{} // section → id → key
	pages := s3.NewListObjectsV2Paginator(a.s3, &s3.ListObjectsV2Input{Bucket: aws.String(fleet.Bucket)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, o := range page.Contents {
			section, _, _ := strings.Cut(*o.Key, "/")
			id := (*o.Key)[strings.LastIndexByte(*o.Key, '/')+1:]
			if _, err := job.ParseID(id); err != nil {
				continue // what the local S3 leaves of a write in which it was killed
			}
			if keys[section] == nil {
				keys[section] = map[string]string{}
			}
			if other := keys[section][id]; other != "" {
				r.breaks("job %s has two objects: %s and %s", id, other, *o.Key)
			}
			keys[section][id] = *o.Key
		}
	}
	r.records = len(keys["usage"])
	for id, key := range keys["jobs"] {
		out, err := a.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(fleet.Bucket), Key: &key})
		if err != nil {
			return err
		}
		var j job.Job
		err = json.NewDecoder(out.Body).Decode(&j)
		out.Body.Close()
		if err != nil {
			return fmt.Errorf("document %s: %w", key, err)
		}
		billed := keys["usage"][id] != ""
		switch {
		case j.Deleted && isDeleted(c, id):
			r.undeleted++ // its deletion was killed: it exists for nobody any more
		case j.Deleted:
			r.breaks("job %s is marked as deleted by nobody", id)
		case j.Status == job.Processing:
			r.breaks("job %s is left in processing since %s, attempt %d, lease until %s", id,
				j.UpdatedAt.Format(time.RFC3339Nano), j.Attempts, j.LeaseUntil.Format(time.RFC3339Nano))
		case j.Status == job.Pending && c.promised[id] == nil:
			r.unpromised++ // its submit was killed: nobody was told
		case j.Status.Over() && j.Attempts > 0 && !billed:
			r.breaks("job %s %s and was not billed", id, j.Status)
		case (j.Attempts == 0 || j.Unaccepted) && billed:
			r.breaks("job %s never started and was billed", id)
		case j.Status == job.Completed && keys["output"][id] == "" && !isDeleted(c, id):
			r.breaks("job %s completed and has no output", id)
		}
	}
	for _, section := range []string{"input", "output"} {
		for id := range keys[section] {
			if keys["jobs"][id] == "" {
				r.orphans++ // of a submit or a deletion that was killed; the lifecycle rule's
			}
		}
	}
	return nil
}

func isDeleted(c *clients, id string) bool {
	p := c.promised[id]
	return p != nil && p.deleted
}

// print shows the figures. The error says that promises were broken.
func (r *report) print(out io.Writer, s *stage) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	row := func(name string, n any) { fmt.Fprintf(w, "%s\t%v\n", name, n) }
	row("pictures", r.submitted)
	row("jobs promised", r.promised)
	row("  completed", r.completed)
	row("  deleted", r.deleted)
	row("  lost or failed", r.failed)
	row("answers that promised nothing", r.refused)
	row("requests without an answer", r.silent)
	row("jobs nobody was told of", r.unpromised)
	row("usage records", r.records)
	row("deletions cut off", r.undeleted)
	row("objects without a job", r.orphans)
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
	if len(r.broken) > 0 {
		return errLost
	}
	return nil
}
