package s3store

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"claimcheck.example/internal/job"
)

var _ job.Lists = (*Store)(nil)

// listReaders is the number of documents of a page that are read at once.
const listReaders = 16

// lastMillisecond is the time from which the keys of a list count backwards, so that the
// newest job sorts first. It has 13 digits and is in the year 2286.
const lastMillisecond = 9_999_999_999_999

// Enlist implements job.Lists: PutObject of an empty object whose key has all the data.
func (s *Store) Enlist(ctx context.Context, j *job.Job) error {
	if err := s.Proved(ctx); err != nil {
		return err
	}
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, s.opts.CallTimeout)
	defer cancel()
	key := listKey(j)
	_, err := s.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket:        &s.bucket,
		Key:           &key,
		Body:          bytes.NewReader(nil),
		ContentLength: aws.Int64(0),
		ContentType:   aws.String("application/octet-stream"),
		ChecksumCRC32: s.checksum(crc32.ChecksumIEEE(nil)),
	})
	return s.translate(caller, "PutObject "+key, err)
}

// Delist implements job.Lists: DeleteObject.
func (s *Store) Delist(ctx context.Context, j *job.Job) error {
	return s.remove(ctx, listKey(j), "")
}

// List implements job.Lists: one ListObjectsV2, which needs s3:ListBucket, and one GetObject
// for each job. It lists only what it reads, so the size of the bucket does not matter.
func (s *Store) List(ctx context.Context, owner string, w job.Window) (*job.Page, error) {
	prefix := listPrefix(owner)
	caller := ctx
	listing, cancel := context.WithTimeout(ctx, s.opts.CallTimeout)
	defer cancel()
	in := &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &prefix, MaxKeys: aws.Int32(int32(max(1, w.Limit)))}
	if start := startOfList(w); start != "" {
		in.StartAfter = aws.String(prefix + start)
	}
	page := &job.Page{Last: w.After, More: true}
	var places []job.Place
	for page.More && len(places) == 0 {
		out, err := s.client.ListObjectsV2(listing, in)
		if err != nil {
			return nil, s.translate(caller, "ListObjectsV2 "+prefix, err)
		}
		page.More = aws.ToBool(out.IsTruncated)
		for _, o := range out.Contents {
			in.StartAfter = o.Key
			p, ok := parseListed(strings.TrimPrefix(aws.ToString(o.Key), prefix))
			if !ok {
				continue // no entry of ours
			}
			if p.CreatedAt.Before(w.Since) {
				page.More = false
				break
			}
			places = append(places, p)
			page.Last = p
		}
	}
	page.Looked = len(places)
	return page, s.loadListed(ctx, owner, places, page)
}

// loadListed reads the documents of a page.
func (s *Store) loadListed(ctx context.Context, owner string, places []job.Place, page *job.Page) error {
	jobs, damaged := make([]*job.Job, len(places)), make([]bool, len(places))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(listReaders)
	for i, p := range places {
		group.Go(func() error {
			j, err := s.Load(ctx, p.ID)
			switch {
			case job.KindOf(err) == job.NotFound:
			case job.KindOf(err) == job.Corrupt:
				damaged[i] = true
			case err != nil:
				return err
			case j.Owner == owner && j.CreatedAt.UnixMilli() == p.CreatedAt.UnixMilli(): // else the entry is of an earlier job of the key
				jobs[i] = j
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, j := range jobs {
		switch {
		case j != nil:
			page.Jobs = append(page.Jobs, j)
		case damaged[i]:
			page.Damaged = append(page.Damaged, places[i].ID)
		}
	}
	return nil
}

// listPrefix returns the prefix of the keys of an owner's list.
func listPrefix(owner string) string { return "lists/" + escapeOwner(owner) + "/" }

func listKey(j *job.Job) string {
	return listPrefix(j.Owner) + listTime(j.CreatedAt) + "-" + string(j.ID)
}

// listTime returns a time as 13 digits, smaller for a later time.
func listTime(t time.Time) string {
	return fmt.Sprintf("%013d", min(max(lastMillisecond-t.UnixMilli(), 0), lastMillisecond))
}

// startOfList returns the key right before the window in an owner's list.
func startOfList(w job.Window) (start string) {
	if !w.Until.IsZero() {
		start = listTime(w.Until)
	}
	if w.After.ID != "" {
		start = max(start, listTime(w.After.CreatedAt)+"-"+string(w.After.ID))
	}
	return start
}

// parseListed returns the place that a key under an owner's prefix names.
func parseListed(name string) (job.Place, bool) {
	digits, id, _ := strings.Cut(name, "-")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || len(digits) != 13 || n < 0 {
		return job.Place{}, false
	}
	parsed, err := job.ParseID(id)
	return job.Place{CreatedAt: time.UnixMilli(lastMillisecond - n).UTC(), ID: parsed}, err == nil
}
