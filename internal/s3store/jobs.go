package s3store

import (
	"context"
	"iter"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"claimcheck.example/internal/job"
)

var _ job.Index = (*Store)(nil)

// Jobs implements job.Index: one ListObjectsV2 for each 1000 documents, which needs
// s3:ListBucket. The time of a document's last write is S3's Last-Modified, in whole seconds;
// a bound within that second includes the document.
func (s *Store) Jobs(ctx context.Context, from, to time.Time) iter.Seq2[job.ID, error] {
	return func(yield func(job.ID, error) bool) {
		prefix := documentKey("")
		pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &prefix})
		for pages.HasMorePages() {
			page, err := s.listPage(ctx, pages)
			if err != nil {
				yield("", s.translate(ctx, "ListObjectsV2 "+prefix, err))
				return
			}
			for _, o := range page.Contents {
				written := aws.ToTime(o.LastModified)
				if !from.IsZero() && written.Before(from.Truncate(time.Second)) || !to.IsZero() && written.Truncate(time.Second).After(to) {
					continue
				}
				id, err := job.ParseID(strings.TrimPrefix(aws.ToString(o.Key), prefix))
				if err != nil {
					continue // no document of ours
				}
				if !yield(id, nil) {
					return
				}
			}
		}
	}
}

func (s *Store) listPage(ctx context.Context, pages *s3.ListObjectsV2Paginator) (*s3.ListObjectsV2Output, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.CallTimeout)
	defer cancel()
	return pages.NextPage(ctx)
}
