package provision

import (
	"context"
	"fmt"
	"strings"
	"time"

	"claimcheck.example/internal/proof"
)

// storePromises plans the proof of a store under a custom endpoint; nil for AWS, which
// needs none.
func (p *Provisioner) storePromises(ctx context.Context, exists bool) *Step {
	endpoint := p.s3.Options().BaseEndpoint
	if !p.w.Prove || !proof.Custom(endpoint) {
		return nil
	}
	s := p.bucketStep("promises", "s3:PutObject")
	s.proves = true
	s.Commands = []string{p.check()}
	s.apply = func(ctx context.Context) error {
		f, err := proof.Store(ctx, p.s3, p.w.Bucket)
		if err != nil {
			return fmt.Errorf("the store cannot be proved: %w", err)
		}
		if old, _, err := proof.Read(ctx, p.s3, p.w.Bucket); err == nil && old != nil {
			f.Queue = old.Queue
		}
		if err := f.Save(ctx, p.s3, p.w.Bucket); err != nil {
			return denied(fmt.Errorf("keep the finding: %w", err), "s3:PutObject")
		}
		s.Note = spoken(f.Dialect)
		return broken("the store must not hold documents", f.Results)
	}
	if !exists {
		s.State = Create
		s.Diffs = []Diff{{proof.Key, "", "proved"}}
		return s
	}
	f, written, err := proof.Read(ctx, p.s3, p.w.Bucket)
	if s.seen(err, "s3:GetObject") {
		return s
	}
	switch {
	case f == nil:
		s.State = Create
		s.Diffs = []Diff{{proof.Key, "", "proved"}}
	case p.w.Again || f.Check(proof.Origin(endpoint), p.bare(), written) != nil:
		s.State = Change
		s.Diffs = []Diff{{proof.Key, "of " + f.ProvedAt.Format(time.DateOnly), "proved"}}
	default:
		s.Diffs = []Diff{{proof.Key, "proved " + f.ProvedAt.Format(time.DateOnly), "proved " + f.ProvedAt.Format(time.DateOnly)}}
		s.Note = spoken(f.Dialect)
	}
	return s
}

// queuePromises plans the proof of a queue under a custom endpoint, whose result is part
// of the bucket's finding; nil for AWS, which needs none.
func (p *Provisioner) queuePromises(ctx context.Context, main *queue) *Step {
	endpoint := p.sqs.Options().BaseEndpoint
	if !p.w.Prove || !proof.Custom(endpoint) {
		return nil
	}
	s := main.step("promises", "sqs:CreateQueue")
	s.proves = true
	s.Commands = []string{p.check()}
	s.apply = func(ctx context.Context) error {
		results, err := proof.Queue(ctx, p.sqs, !p.w.NoGroups)
		if err != nil {
			return denied(fmt.Errorf("the queue cannot be proved: %w", err), "sqs:CreateQueue")
		}
		f, _, err := proof.Read(ctx, p.s3, p.w.Bucket)
		if err != nil {
			return denied(fmt.Errorf("read the finding: %w", err), "s3:GetObject")
		}
		if f == nil { // the bucket is on AWS
			f = &proof.Finding{}
		}
		f.Queue = &proof.QueueFinding{ProvedAt: time.Now().UTC().Truncate(time.Second), Endpoint: proof.Origin(endpoint), Results: results}
		if err := f.Save(ctx, p.s3, p.w.Bucket); err != nil {
			return denied(fmt.Errorf("keep the finding: %w", err), "s3:PutObject")
		}
		return broken("the queue loses or repeats jobs", results)
	}
	f, _, err := proof.Read(ctx, p.s3, p.w.Bucket)
	proved := err == nil && f != nil && f.Queue != nil && f.Queue.Endpoint == proof.Origin(endpoint) && len(proof.Broken(f.Queue.Results)) == 0
	if proved && !p.w.Again {
		at := "proved " + f.Queue.ProvedAt.Format(time.DateOnly)
		s.Diffs = []Diff{{proof.Key, at, at}}
		return s
	}
	s.State = Create
	s.Diffs = []Diff{{proof.Key, "", "proved"}}
	return s
}

// bare reports whether the S3 client sends no checksums.
func (p *Provisioner) bare() bool { return proof.Bare(p.s3) }

// check is the command that runs the proof.
func (p *Provisioner) check() string {
	words := []string{"claimcheck", "provision", "--check", "--region", p.w.Region, "--bucket", p.w.Bucket}
	if !p.w.noQueues() {
		words = append(words, "--queue", p.w.Queue, "--dlq", p.w.DeadLetter)
	}
	for i, w := range words {
		words[i] = quote(w)
	}
	return strings.Join(words, " ")
}

// broken returns an error that lists the broken promises; nil when all are kept.
func broken(so string, results []proof.Result) error {
	list := proof.Broken(results)
	if len(list) == 0 {
		return nil
	}
	return fmt.Errorf("%s: it breaks %d of %d promises\n      %s", so, len(list), len(results), strings.ReplaceAll(proof.Advice(list), "\n", "\n      "))
}

// spoken lists what server and worker leave out for a store.
func spoken(d proof.Dialect) string {
	var words []string
	switch d.Multipart {
	case proof.Parts:
		words = append(words, "it knows no checksum of a whole multipart upload: each part has its own")
	case proof.None:
		words = append(words, "it knows no checksums of multipart uploads: they are sent without")
	}
	if d.NoContinue {
		words = append(words, "it does not answer Expect: 100-continue, which is left out")
	}
	return strings.Join(words, "; ")
}
