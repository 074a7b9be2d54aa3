package s3store_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/job/jobtest"
	"claimcheck.example/internal/proof"
	"claimcheck.example/internal/s3store"
)

// TestUnproved checks that nothing is written to a store under a custom endpoint before
// its bucket holds a finding, and that a finding takes effect without a restart.
func TestUnproved(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	ctx := t.Context()
	if _, err := env.S3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &env.Bucket, Key: aws.String(proof.Key)}); err != nil {
		t.Fatal(err)
	}
	env.ResetCount()
	s := s3store.New(newClient(env), env.Bucket, s3store.Options{Proof: s3store.ForDocuments})
	j := jobtest.NewJob()
	refused := map[string]func() error{
		"Ready":       func() error { return s.Ready(ctx) },
		"Create":      func() error { _, err := s.Create(ctx, j); return err },
		"Swap":        func() error { _, err := s.Swap(ctx, jobtest.Claimed(j, "worker")); return err },
		"Erase":       func() error { return s.Erase(ctx, j.ID, "tag") },
		"Remove":      func() error { return s.Remove(ctx, job.Input, j.ID, "") },
		"RecordUsage": func() error { return s.RecordUsage(ctx, j.Owner, j.CreatedAt, j.ID, []byte("{}")) },
		"Commit":      func() error { return commit(t, s, j.ID, 10) },
		"Stage of a large image": func() error {
			g, err := s.Stage(ctx, job.Input, j.ID, "image/png", jobtest.Bytes(1, part+1))
			if err == nil {
				g.Discard()
			}
			return err
		},
		"PresignInput": func() error {
			_, err := s.PresignInput(ctx, j.ID, job.Media{ContentType: "image/png", SizeBytes: 4}, time.Hour)
			return err
		},
	}
	for name, call := range refused {
		err := call()
		if job.KindOf(err) != job.Misconfigured || !errors.Is(err, proof.ErrUnproved) || !strings.Contains(job.AdviceOf(err), "run claimcheck provision") {
			t.Errorf("%s: got %v; want a refusal that says what to run", name, err)
		}
	}
	for call := range env.Count() {
		if call != "S3 HeadBucket" && call != "S3 GetObject" {
			t.Errorf("an unproved store is asked for %s", call)
		}
	}
	putFinding(t, env, finding(env.S3URL))
	if err := s.Ready(ctx); err != nil {
		t.Fatalf("Ready of a proved store: %v", err)
	}
	env.ResetCount()
	if _, err := s.Create(ctx, j); err != nil {
		t.Fatal(err)
	}
	if got := env.Count(); got["S3 GetObject"] != 0 {
		t.Errorf("a proved store is asked for its finding again: %v", got)
	}
}

func finding(endpoint string) *proof.Finding {
	return &proof.Finding{Version: proof.Version, ProvedAt: time.Now(), Endpoint: endpoint, Results: []proof.Result{{Promise: "some promise", Kept: true}}}
}

// TestFindingThatDoesNotCount tries findings by which a store must not hold documents.
func TestFindingThatDoesNotCount(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		spoil func(*proof.Finding)
		says  string
	}{
		"a broken promise":      {func(f *proof.Finding) { f.Results = append(f.Results, proof.Result{Promise: "swap of a stale tag"}) }, "swap of a stale tag"},
		"an earlier proof":      {func(f *proof.Finding) { f.Version, f.Results[0].Promise = proof.Version-1, "x" }, "run claimcheck provision"},
		"another scheme":        {func(f *proof.Finding) { f.Endpoint = "https" + strings.TrimPrefix(f.Endpoint, "http") }, "proved over https and used over http"},
		"copied from elsewhere": {func(f *proof.Finding) { f.ProvedAt = f.ProvedAt.Add(-time.Hour) }, "copied from another store"},
		"an empty one":          {func(f *proof.Finding) { *f = proof.Finding{} }, "not readable"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := awstest.Start(t)
			f := finding(env.S3URL)
			tt.spoil(f)
			putFinding(t, env, f)
			err := s3store.New(newClient(env), env.Bucket, s3store.Options{Proof: s3store.ForDocuments}).Proved(t.Context())
			if job.KindOf(err) != job.Misconfigured || !errors.Is(err, proof.ErrUnproved) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v; want a refusal that says %q", err, tt.says)
			}
			bytes := s3store.New(newClient(env), env.Bucket, s3store.Options{Proof: s3store.ForBytes})
			if err := commit(t, bytes, job.NewID(), 10); err != nil {
				t.Errorf("a store of bytes alone: %v", err)
			}
		})
	}
}

// TestAWSNeedsNoProof counts the requests to AWS itself.
func TestAWSNeedsNoProof(t *testing.T) {
	t.Parallel()
	for endpoint, own := range map[string]bool{
		"": true, "https://bucket.vpce-1.s3.eu-central-1.vpce.amazonaws.com": true, "https://s3.cn-north-1.amazonaws.com.cn": true,
		"http://s3.eu-central-1.amazonaws.com": false, "https://amazonaws.com.example": false, "https://storage.example": false, "://": false,
	} {
		var given *string
		if endpoint != "" {
			given = aws.String(endpoint)
		}
		if proof.Custom(given) == own {
			t.Errorf("%q is AWS's own: %v, want %v", endpoint, !own, own)
		}
	}
	w := &wire{act: func(r *http.Request) (*http.Response, error) { return answer(r, http.StatusOK, ""), nil }}
	client := s3.New(s3.Options{Region: "us-east-1", Credentials: aws.AnonymousCredentials{}, HTTPClient: w}, s3store.ClientOptions)
	s := s3store.New(client, "bucket", s3store.Options{Proof: s3store.ForDocuments})
	if _, err := s.Create(t.Context(), jobtest.NewJob()); err != nil || len(w.seen) != 1 {
		t.Errorf("a document costs AWS %v, %v; want one request", w.seen, err)
	}
}
