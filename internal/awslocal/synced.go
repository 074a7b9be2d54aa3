package awslocal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3response"
)

// synced is a backend whose writes are on disk when they return: versitygw leaves syncing
// to the system. It syncs the object's file and then the folders above it. When another
// write replaces the object in between, it syncs the newer one, which is as good: the
// acknowledged state is on disk or has a successor.
type synced struct {
	backend.Backend
	root string
}

func (s *synced) CreateBucket(ctx context.Context, in *s3.CreateBucketInput, acl []byte) error {
	if err := s.Backend.CreateBucket(ctx, in, acl); err != nil {
		return err
	}
	return s.sync(*in.Bucket)
}

func (s *synced) PutObject(ctx context.Context, in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	out, err := s.Backend.PutObject(ctx, in)
	if err != nil {
		return out, err
	}
	return out, s.sync(*in.Bucket, *in.Key)
}

func (s *synced) CopyObject(ctx context.Context, in s3response.CopyObjectInput) (s3response.CopyObjectOutput, error) {
	out, err := s.Backend.CopyObject(ctx, in)
	if err != nil {
		return out, err
	}
	return out, s.sync(*in.Bucket, *in.Key)
}

func (s *synced) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput) (s3response.CompleteMultipartUploadResult, string, error) {
	out, version, err := s.Backend.CompleteMultipartUpload(ctx, in)
	if err != nil {
		return out, version, err
	}
	return out, version, s.sync(*in.Bucket, *in.Key)
}

func (s *synced) DeleteObject(ctx context.Context, in *s3.DeleteObjectInput) (*s3.DeleteObjectOutput, error) {
	out, err := s.Backend.DeleteObject(ctx, in)
	if err != nil {
		return out, err
	}
	return out, s.sync(*in.Bucket, *in.Key)
}

func (s *synced) DeleteObjects(ctx context.Context, in *s3.DeleteObjectsInput) (s3response.DeleteResult, error) {
	out, err := s.Backend.DeleteObjects(ctx, in)
	if err != nil {
		return out, err
	}
	for _, deleted := range out.Deleted {
		err = errors.Join(err, s.sync(*in.Bucket, *deleted.Key))
	}
	return out, err
}

// sync syncs the file or folder at the path below root, and every folder above it up to
// root. It skips what does not exist any more: the folder above records its absence.
func (s *synced) sync(elements ...string) error {
	path := filepath.Join(append([]string{s.root}, elements...)...)
	for {
		if err := syncFile(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("sync %s: %w", path, err)
		}
		if path == s.root || path == filepath.Dir(path) {
			return nil
		}
		path = filepath.Dir(path)
	}
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
