package s3store

import (
	"context"
	"crypto/rand"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/proof"
)

// Options of a Store. The zero value is good for production.
type Options struct {
	// Memory has the buffers of uploads; nil for a private one of default size.
	Memory *Memory
	// CallTimeout bounds a call without an image, including its retries; 20 s by default.
	CallTimeout time.Duration
	// IdleTimeout is how long one read of an object's body may take; 30 s by default.
	// The whole body has no limit, because its reader sets the pace.
	IdleTimeout time.Duration
	// PartTimeout bounds the sending of one part or of a small object, retries
	// included; 60 s by default.
	PartTimeout time.Duration
	// AbortTimeout bounds the abort of an upload, and before it the sending of a part that
	// is in flight; 10 s by default.
	AbortTimeout time.Duration
	// Proof is the proof that a store under a custom endpoint must have before the first
	// write; the zero value requires none. AWS needs no proof.
	Proof Proof
}

// Store is job.Store on one S3 bucket. It is safe for concurrent use.
type Store struct {
	client  *s3.Client
	presign *s3.PresignClient
	bucket  string
	opts    Options
	origin  string                        // scheme and host of the endpoint
	bare    bool                          // checksums only where the API wants them
	found   atomic.Pointer[proof.Dialect] // nil until the store is proved, where it must be
}

var _ job.Store = (*Store)(nil)

// New returns a store on bucket. Create the client with [ClientOptions].
func New(client *s3.Client, bucket string, opts Options) *Store {
	if opts.Memory == nil {
		opts.Memory = NewMemory(MemoryOptions{})
	}
	orDefault(&opts.CallTimeout, 20*time.Second)
	orDefault(&opts.IdleTimeout, 30*time.Second)
	orDefault(&opts.PartTimeout, 60*time.Second)
	orDefault(&opts.AbortTimeout, 10*time.Second)
	set := client.Options()
	if !proof.Custom(set.BaseEndpoint) {
		opts.Proof = NoProof
	}
	return &Store{
		client: client, presign: s3.NewPresignClient(client), bucket: bucket, opts: opts,
		origin: proof.Origin(set.BaseEndpoint), bare: set.RequestChecksumCalculation == aws.RequestChecksumCalculationWhenRequired,
	}
}

func orDefault(d *time.Duration, value time.Duration) {
	if *d <= 0 {
		*d = value
	}
}

// Ready requests the bucket: one HEAD, which needs s3:ListBucket. If a proof is required and
// not yet found, it reads the proof too.
func (s *Store) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.CallTimeout)
	defer cancel()
	_, err := s.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &s.bucket})
	if err != nil {
		return s.translateBucket(ctx, err)
	}
	return s.Proved(ctx)
}

func documentKey(id job.ID) string { return "jobs/" + string(id) }

func objectKey(section job.Section, id job.ID) string { return string(section) + "/" + string(id) }

// quoted returns a tag in the form of the If-Match header.
func quoted(tag string) *string { return aws.String(`"` + tag + `"`) }

// newToken returns a random name for one write.
func newToken() string { return rand.Text() }
