package main

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"claimcheck.example/internal/awslocal"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/s3store"
	"claimcheck.example/internal/test/process"
)

// lists measures the newest page of the caller's list, which reads 20 documents, with 1×, 10×
// and 100× of so many jobs of others in the bucket, and then of so many of the caller. The
// floor lists and reads the same objects: what grows on both sides is the backend's.
func (b *bench) lists(ctx context.Context, c curves, image []byte, jobs int) error {
	if err := b.harness.renew(ctx); err != nil {
		return err
	}
	id, err := b.completed(ctx, image)
	if err != nil {
		return err
	}
	store := b.harness.store()
	like, err := store.Load(ctx, job.ID(id))
	if err != nil {
		return err
	}
	steps := []struct{ own, others int }{{1, 1}, {1, 10}, {1, 100}, {10, 100}, {100, 100}}
	if b.short {
		steps = steps[:1]
	}
	own, others := 0, 0
	for _, step := range steps {
		b.tell(fmt.Sprintf("list with %d jobs of the caller and %d of others", step.own*jobs, step.others*jobs))
		if err := copies(ctx, store, like, step.own*jobs-own, func(int) string { return job.Anonymous.Owner() }); err != nil {
			return err
		}
		if err := copies(ctx, store, like, step.others*jobs-others, func(i int) string { return fmt.Sprintf("https://issuer.example/|user-%d", i%100) }); err != nil {
			return err
		}
		own, others = step.own*jobs, step.others*jobs
		name := fmt.Sprintf("list of 20, 16 clients, %d× = %d own jobs, %d× = %d of others", step.own, own, step.others, others)
		rounds, err := b.alternate(ctx, name, load{method: "GET", path: "/jobs", want: 200}, 16, until{time: b.round}, b.rounds, server, floor)
		if err != nil {
			return err
		}
		r := compare(name, rounds)
		b.rows = append(b.rows, r)
		if step.own == 1 {
			c["list, jobs of others"] = append(c["list, jobs of others"], point{float64(others), r})
		}
		if step.others == 100 {
			c["list, own jobs"] = append(c["list, own jobs"], point{float64(own), r})
		}
	}
	return nil
}

// store is the service's store on the bucket of the backend.
func (s *harness) store() *s3store.Store {
	return s3store.New(s3.New(s3.Options{
		Region: awslocal.DefaultRegion, BaseEndpoint: &s.backend.S3URL,
		Credentials: credentials.NewStaticCredentialsProvider(awslocal.DefaultAccessKey, awslocal.DefaultSecretKey, ""),
	}, s3store.ClientOptions), process.Bucket, s3store.Options{})
}

// copies stores n more jobs like one, with their entries in the lists of their owners.
func copies(ctx context.Context, store *s3store.Store, like *job.Job, n int, owner func(i int) string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for i := range max(n, 0) {
		g.Go(func() error {
			j := *like
			j.ID, j.Owner = job.NewID(), owner(i)
			j.CreatedAt = time.Now().UTC().Truncate(time.Millisecond)
			if _, err := store.Create(ctx, &j); err != nil {
				return err
			}
			return store.Enlist(ctx, &j)
		})
	}
	return g.Wait()
}
