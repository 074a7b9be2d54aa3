package job

import (
	"context"
	"time"
)

// Upload describes the request of a direct upload.
type Upload struct {
	Method string
	// URL carries a signature, and anyone who knows it may upload. It is never logged. A URL that
	// begins with a slash is one of the service's own API.
	URL string
	// Headers must be sent as they are; they are part of the signature.
	Headers map[string]string
	// ExpiresAt is when the URL stops to be good, which may be before the time for the
	// upload is over; the job's status has a new one then.
	ExpiresAt time.Time
}

// Presigner makes such requests, without asking anybody.
type Presigner interface {
	// PresignInput returns the request that puts the input of a job, by its
	// [Job.ObjectID]: exactly so many bytes of exactly this type and, where the image has
	// one, of this SHA-256, once, until ttl is over at the latest.
	PresignInput(ctx context.Context, id ID, image Media, ttl time.Duration) (*Upload, error)
	// UploadedDigest returns the lower-case hexadecimal SHA-256 that storage computed of the
	// uploaded input, and its entity tag. The digest is empty where storage has none.
	UploadedDigest(ctx context.Context, id ID) (sha256, tag string, err error)
}
