package s3store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"claimcheck.example/internal/job"
)

// usageReaders is the number of usage records that are read at once.
const usageReaders = 16

// RecordUsage writes a job's usage record under the day of at (UTC), once. An existing record
// stays, without an error, so the bill is right even when the end of a job is recorded
// several times, as long as at is always the same.
func (s *Store) RecordUsage(ctx context.Context, owner string, at time.Time, id job.ID, record []byte) error {
	if err := s.Proved(ctx); err != nil {
		return err
	}
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, s.opts.CallTimeout)
	defer cancel()
	key := usagePrefix(owner) + at.UTC().Format(time.DateOnly) + "/" + string(id)
	in := s.jsonObject(key, record)
	in.IfNoneMatch = aws.String("*")
	_, err := s.client.PutObject(ctx, in)
	err = s.translate(caller, "PutObject "+key, err)
	if job.KindOf(err) == job.Conflict {
		return nil
	}
	return err
}

// ReadUsage yields owner's records of the days from..to, day by day. It lists and reads a page
// of up to 1000 records before it yields the first of them.
func (s *Store) ReadUsage(ctx context.Context, owner string, from, to time.Time) iter.Seq2[[]byte, error] {
	return s.readUsage(ctx, usagePrefix(owner), from, to)
}

// ReadUsageOfAll is ReadUsage for all owners, in the order of their keys.
func (s *Store) ReadUsageOfAll(ctx context.Context, from, to time.Time) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		owners := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{
			Bucket: &s.bucket, Prefix: aws.String(usageSection), Delimiter: aws.String("/"),
		})
		for owners.HasMorePages() {
			page, err := owners.NextPage(ctx)
			if err != nil {
				yield(nil, s.translate(ctx, "ListObjectsV2 "+usageSection, err))
				return
			}
			for _, p := range page.CommonPrefixes {
				for record, err := range s.readUsage(ctx, aws.ToString(p.Prefix), from, to) {
					if !yield(record, err) || err != nil {
						return
					}
				}
			}
		}
	}
}

// readUsage reads the records under the prefix of one owner.
func (s *Store) readUsage(ctx context.Context, prefix string, from, to time.Time) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for page, err := range s.usagePages(ctx, prefix, from.UTC().Format(time.DateOnly), to.UTC().Format(time.DateOnly)) {
			var records [][]byte
			if err == nil {
				records, err = s.readRecords(ctx, page.keys)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			for _, r := range records {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

// usagePage is a page of a listing of usage records.
type usagePage struct {
	keys []string // in order
	more bool     // whether the listing goes on
}

// usagePages lists the records under the prefix of one owner, from one day to another.
func (s *Store) usagePages(ctx context.Context, prefix, from, to string) iter.Seq2[usagePage, error] {
	return func(yield func(usagePage, error) bool) {
		pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{
			Bucket: &s.bucket,
			Prefix: &prefix,
			// This sorts before every key of the first day, whose keys continue with a slash.
			StartAfter: aws.String(prefix + from),
		})
		for more := true; more; {
			keys, err := s.listKeys(ctx, pages)
			if err != nil {
				yield(usagePage{}, s.translate(ctx, "ListObjectsV2 "+prefix, err))
				return
			}
			more = pages.HasMorePages()
			beyond := slices.IndexFunc(keys, func(key string) bool {
				day, _, _ := strings.Cut(strings.TrimPrefix(key, prefix), "/")
				return day > to
			})
			if beyond >= 0 {
				keys, more = keys[:beyond], false
			}
			if !yield(usagePage{keys, more}, nil) {
				return
			}
		}
	}
}

// readRecords returns the objects with these keys, in their order.
func (s *Store) readRecords(ctx context.Context, keys []string) ([][]byte, error) {
	records := make([][]byte, len(keys))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(usageReaders)
	for i, key := range keys {
		group.Go(func() (err error) {
			records[i], _, err = s.get(ctx, key)
			return err
		})
	}
	return records, group.Wait()
}

// usageSection is the prefix of the keys of all usage records.
const usageSection = "usage/"

// usagePrefix returns the prefix of the keys of an owner's usage records.
func usagePrefix(owner string) string { return usageSection + escapeOwner(owner) + "/" }

// maxSegment bounds the escaped owner, in bytes. Stores whose keys are paths of a file system
// permit 255 bytes between slashes.
const maxSegment = 200

// escapeOwner returns owner as one segment of a key: letters, digits and -_.@ unchanged (but
// no dot at the start), other bytes as =XX in hexadecimal. A too long or empty owner becomes ~
// and its SHA-256. No two owners share a segment, because = and ~ are always escaped.
func escapeOwner(owner string) string {
	var b strings.Builder
	for i := range len(owner) {
		c := owner[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-_@", c) >= 0 || c == '.' && i > 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "=%02X", c)
		}
	}
	if b.Len() == 0 || b.Len() > maxSegment {
		sum := sha256.Sum256([]byte(owner))
		return "~" + hex.EncodeToString(sum[:])
	}
	return b.String()
}
