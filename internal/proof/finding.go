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

// Version of the proof. A finding of a lower version does not count: it grows when the
// code rests on a promise that earlier proofs did not ask for.
const Version = 1

// Key is the object that holds the finding.
const Key = "proof"

// Finding is what a proof found.
type Finding struct {
	Version  int       `json:"version"`
	ProvedAt time.Time `json:"proved_at"`
	// Endpoint is the scheme and the host that the proof went through.
	Endpoint string `json:"endpoint"`
	// Server is the store's own Server header, for people.
	Server string `json:"server,omitempty"`
	// WithoutChecksums says that the proof's requests carried none, by
	// AWS_REQUEST_CHECKSUM_CALCULATION=when_required.
	WithoutChecksums bool     `json:"without_checksums,omitempty"`
	Results          []Result `json:"results"`
	Dialect          Dialect  `json:"dialect"`
	// Queue is the same of the queue beside the bucket, where it is not AWS's own.
	Queue *QueueFinding `json:"queue,omitempty"`
}

// Result is what became of one promise.
type Result struct {
	Promise string `json:"promise"`
	Kept    bool   `json:"kept"`
	// Saw is what the store did instead; empty when it kept the promise.
	Saw string `json:"saw,omitempty"`
}

// QueueFinding is what a proof found of a queue.
type QueueFinding struct {
	ProvedAt time.Time `json:"proved_at"`
	Endpoint string    `json:"endpoint"`
	Results  []Result  `json:"results"`
}

// Dialect is what a store does not know of S3's protocol. The zero value is S3's own.
type Dialect struct {
	// Multipart says which checksums a multipart upload carries.
	Multipart Multipart `json:"multipart,omitempty"`
	// NoContinue leaves out Expect: 100-continue, which the store does not answer.
	NoContinue bool `json:"no_continue,omitempty"`
}

// Multipart is the checksums of a multipart upload.
type Multipart string

const (
	// FullObject: a CRC-32 of each part and one of the whole.
	FullObject Multipart = ""
	// Parts: a CRC-32 of each part.
	Parts Multipart = "parts"
	// None: no checksum but that of the signature.
	None Multipart = "none"
)

// Broken returns the results of the promises that are not kept.
func Broken(results []Result) []Result {
	return slices.DeleteFunc(slices.Clone(results), func(r Result) bool { return r.Kept })
}

// Advice says of each broken promise what was seen, what it breaks and what can be done.
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

// ErrUnproved is a store that must not hold documents. What wraps it says why, and what to
// run.
var ErrUnproved = errors.New("unproved store")

// Run is what an operator does about a missing or outdated finding.
const Run = "run claimcheck provision with the same S3_BUCKET and AWS_ENDPOINT_URL"

// Check returns nil when the store may hold documents by the finding, else why not and
// what to run. A nil finding is none. endpoint is the one that is used, by requests that
// carry no checksums if bare. written is when the store says that the finding was
// written: a finding that was copied here speaks of another store.
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

// maxFinding bounds a finding that is read, in bytes.
const maxFinding = 64 << 10

// Read returns the bucket's finding and when the store says that it was written; nil
// when there is none.
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
		return &Finding{}, time.Time{}, nil // as good as none: its version is 0
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

// Custom reports whether a client's endpoint is not AWS's own, and so wants a proof. An
// interface endpoint of a VPC is AWS's own.
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

// Origin is an endpoint's scheme and host, which a finding names.
func Origin(endpoint *string) string {
	u, err := url.Parse(aws.ToString(endpoint))
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
