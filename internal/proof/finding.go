package proof

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Version is the version of the proof. A finding of a lower version is outdated: the
// version grows when the code depends on a promise that earlier proofs did not check.
const Version = 1

// Key is the object that holds the finding.
const Key = "proof"

// Finding is the result of a proof.
type Finding struct {
	Version  int       `json:"version"`
	ProvedAt time.Time `json:"proved_at"`
	// Endpoint is the scheme and host that the proof used.
	Endpoint string `json:"endpoint"`
	// Server is the store's own Server header, for people.
	Server string `json:"server,omitempty"`
	// WithoutChecksums says that the proof's requests carried no checksums, by
	// AWS_REQUEST_CHECKSUM_CALCULATION=when_required.
	WithoutChecksums bool     `json:"without_checksums,omitempty"`
	Results          []Result `json:"results"`
	Dialect          Dialect  `json:"dialect"`
	// Queue is the finding for the queue, when that is not on AWS.
	Queue *QueueFinding `json:"queue,omitempty"`
}

// Result is the outcome for one promise.
type Result struct {
	Promise string `json:"promise"`
	Kept    bool   `json:"kept"`
	// Saw describes what the store did instead; empty when it kept the promise.
	Saw string `json:"saw,omitempty"`
}

// QueueFinding is the result of a proof for a queue.
type QueueFinding struct {
	ProvedAt time.Time `json:"proved_at"`
	Endpoint string    `json:"endpoint"`
	Results  []Result  `json:"results"`
}

// Dialect lists the parts of S3's protocol that a store lacks. The zero value is S3
// itself.
type Dialect struct {
	// Multipart says which checksums a multipart upload carries.
	Multipart Multipart `json:"multipart,omitempty"`
	// NoContinue leaves out Expect: 100-continue, which the store does not answer.
	NoContinue bool `json:"no_continue,omitempty"`
}

// Multipart is the kind of checksums in a multipart upload.
type Multipart string

const (
	// FullObject: a CRC-32 of each part and one of the whole.
	FullObject Multipart = ""
	// Parts: a CRC-32 of each part.
	Parts Multipart = "parts"
	// None: no checksum other than that of the signature.
	None Multipart = "none"
)

// Broken returns the results of the broken promises.
func Broken(results []Result) []Result {
	return slices.DeleteFunc(slices.Clone(results), func(r Result) bool { return r.Kept })
}

// Advice says for each broken promise what the proof saw, what breaks and what to do.
func Advice(broken []Result) string {
	var b strings.Builder
	for i, r := range broken {
		if i > 0 {
			b.WriteByte('\n')
		}
		p := Lookup(r.Promise)
		fmt.Fprintf(&b, "%s: %s.\n  Without it: %s.\n  To do: %s.", r.Promise, r.Saw, p.Breaks, p.Remedy)
	}
	return b.String()
}

// ErrUnproved means that a store must not hold documents. The wrapping error says why,
// and what to run.
var ErrUnproved = errors.New("unproved store")

// Run tells the operator how to get a valid finding.
const Run = "run claimcheck provision with the same S3_BUCKET and AWS_ENDPOINT_URL"

// Check returns nil when the finding allows the store to hold documents, else an error
// that says why not and what to run. A nil finding means that there is none. endpoint is
// the one in use, by requests without checksums if bare. written is the store's time of
// the finding's last write: a finding that was copied here belongs to another store.
func (f *Finding) Check(endpoint string, bare bool, written time.Time) error {
	const skew = 15 * time.Minute // S3 refuses requests from clocks that differ by more
	if f == nil {
		return errors.New("it is not proved; " + Run)
	}
	scheme, _, _ := strings.Cut(endpoint, ":")
	provedScheme, _, _ := strings.Cut(f.Endpoint, ":")
	switch broken := Broken(f.Results); {
	case f.Version == 0 || len(f.Results) == 0:
		return fmt.Errorf("its proof is not readable; %s", Run)
	case f.Version < Version:
		return fmt.Errorf("its proof of %s is of version %d, this release wants %d; %s", f.ProvedAt.Format(time.DateOnly), f.Version, Version, Run)
	case written.Sub(f.ProvedAt).Abs() > skew:
		return fmt.Errorf("its proof of %s was copied from another store on %s; %s", f.ProvedAt.Format(time.DateOnly), written.Format(time.DateOnly), Run)
	case scheme != provedScheme:
		return fmt.Errorf("it is proved over %s and used over %s; %s", provedScheme, scheme, Run)
	case f.WithoutChecksums && !bare:
		return fmt.Errorf("it is proved with AWS_REQUEST_CHECKSUM_CALCULATION=when_required, and used without; set it here too, or %s", Run)
	case len(broken) > 0:
		names := make([]string, len(broken))
		for i, r := range broken {
			names[i] = r.Promise
		}
		return fmt.Errorf("%w: by the proof of %s it does not keep %s; claimcheck provision --check says what can be done",
			ErrUnproved, f.ProvedAt.Format(time.DateOnly), strings.Join(names, ", "))
	}
	return nil
}

// maxFinding bounds the size of a finding, in bytes.
const maxFinding = 64 << 10

// Read returns the bucket's finding and the store's time of its last write; nil when
// there is none.
func Read(ctx context.Context, client *s3.Client, bucket string) (*Finding, time.Time, error) {
	out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: aws.String(Key)})
	if _, none := errors.AsType[*types.NoSuchKey](err); none {
		return nil, time.Time{}, nil
	}
	if err != nil {
		return nil, time.Time{}, err
	}
	defer out.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(out.Body, maxFinding))
	if err != nil {
		return nil, time.Time{}, err
	}
	var f Finding
	if err := json.Unmarshal(raw, &f); err != nil {
		return &Finding{}, time.Time{}, nil // counts as none, since its version is 0
	}
	return &f, aws.ToTime(out.LastModified), nil
}

// Save writes the finding into the bucket.
func (f *Finding) Save(ctx context.Context, client *s3.Client, bucket string) error {
	raw, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	in := &s3.PutObjectInput{
		Bucket: &bucket, Key: aws.String(Key), Body: bytes.NewReader(raw), ContentLength: aws.Int64(int64(len(raw))), ContentType: aws.String("application/json"),
	}
	if !f.WithoutChecksums {
		in.ChecksumCRC32 = CRC(raw)
	}
	_, err = client.PutObject(ctx, in)
	return err
}

// Custom reports whether a client's endpoint is not AWS, and so requires a proof. An
// interface endpoint of a VPC is AWS.
func Custom(endpoint *string) bool {
	if endpoint == nil {
		return false
	}
	u, err := url.Parse(*endpoint)
	if err != nil {
		return true
	}
	host := strings.ToLower(u.Hostname())
	for _, own := range []string{".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".amazonaws.eu"} {
		if u.Scheme == "https" && strings.HasSuffix(host, own) {
			return false
		}
	}
	return true
}

// Origin returns an endpoint's scheme and host, which a finding names.
func Origin(endpoint *string) string {
	u, err := url.Parse(aws.ToString(endpoint))
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
