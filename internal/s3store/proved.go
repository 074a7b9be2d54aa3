package s3store

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/proof"
)

// Proof is what a store under a custom endpoint must have shown.
type Proof uint8

const (
	// NoProof asks for nothing; the store speaks S3's own dialect.
	NoProof Proof = iota
	// ForBytes follows the dialect of a finding, whatever else it says: for objects that
	// are written once, with documents in another store.
	ForBytes
	// ForDocuments refuses every write until the bucket holds a finding by which the
	// store keeps its promises.
	ForDocuments
)

// Proved returns nil when the store may be written to: at once once it has been, else
// after one GetObject of the finding. Misconfigured says what is missing and what to run.
func (s *Store) Proved(ctx context.Context) error {
	if s.opts.Proof == NoProof || s.found.Load() != nil {
		return nil
	}
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, s.opts.CallTimeout)
	defer cancel()
	f, written, err := proof.Read(ctx, s.client, s.bucket)
	if err != nil {
		return s.translate(caller, "GetObject "+proof.Key, err)
	}
	why := f.Check(s.origin, s.bare, written)
	if why != nil && s.opts.Proof == ForDocuments {
		return job.Wrap(job.Misconfigured, job.Hint(proof.ErrUnproved, "bucket %q must not hold documents: %s", s.bucket, why), sayMisconfigured)
	}
	var d proof.Dialect
	if f != nil {
		d = f.Dialect
	}
	s.found.Store(&d)
	return nil
}

// spoken is the store's dialect.
func (s *Store) spoken() proof.Dialect {
	if d := s.found.Load(); d != nil {
		return *d
	}
	return proof.Dialect{}
}

// dialect sets a call with an image in its body up for the store.
func (s *Store) dialect(o *s3.Options) {
	if s.spoken().NoContinue {
		o.ContinueHeaderThresholdBytes = -1
	}
}

// checksum returns a CRC-32 as a header, unless the SDK's configuration wants checksums
// only where the API does.
func (s *Store) checksum(crc uint32) *string {
	if s.bare {
		return nil
	}
	return proof.EncodeCRC(crc)
}

// multipart says which checksums a multipart upload carries.
func (s *Store) multipart() proof.Multipart {
	if s.bare {
		return proof.None
	}
	return s.spoken().Multipart
}

// withoutChecksum keeps the SDK from adding a checksum of its own.
func withoutChecksum(o *s3.Options) {
	o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
}
