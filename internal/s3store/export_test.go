package s3store

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// EscapeOwner is for tests of its own.
var EscapeOwner = escapeOwner

// KeptSum is a kept sum as it is stored.
type KeptSum = keptSum

// Fingerprint is that of a day's records.
func Fingerprint(day string, ids []string) string {
	d := newDayListing(day)
	for _, id := range ids {
		d.add(id)
	}
	return d.records()
}

// ShipLast asks for one part more than S3 takes before the last.
func ShipLast(ctx context.Context) error {
	u := &upload{id: "upload", parts: make([]types.CompletedPart, maxParts-1), buf: make([]byte, 1)}
	return u.ship(ctx)
}

// InUse returns how many small and large buffers uploads hold at the moment.
func (m *Memory) InUse() (small, large int) {
	for _, b := range []*buffers{m.small, m.large} {
		b.mu.Lock()
		defer b.mu.Unlock()
	}
	return m.small.used, m.large.used
}
