package dirstore

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/signature"
)

var _ job.Presigner = (*Store)(nil)

// keyFile has the default key that signs uploads: random bytes that Provision creates, so that
// all processes of the folder have the same key.
const keyFile = "upload.key"

const keyBytes = 32

// makeKey creates the key file if it is missing.
func makeKey(root string) error {
	key := make([]byte, keyBytes)
	rand.Read(key)
	f, err := os.OpenFile(filepath.Join(root, keyFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.Write(key)
	return errors.Join(err, f.Sync(), f.Close())
}

// signingKeys returns the keys of signatures.
func (s *Store) signingKeys() (signature.Keys, error) {
	if len(s.opts.UploadKeys) > 0 {
		return signature.Of(s.opts.UploadKeys), nil
	}
	key, err := os.ReadFile(filepath.Join(s.root, keyFile))
	if err == nil && len(key) != keyBytes {
		err = fmt.Errorf("%s has %d bytes and not %d", keyFile, len(key), keyBytes)
	}
	if err != nil {
		return nil, s.misconfigured("read the key of uploads", err)
	}
	return signature.Keys{key}, nil
}

// PresignInput implements job.Presigner. The URL is a path of the service's own API, with
// an expiry and a signature; [Store.AcceptInput] handles the request.
func (s *Store) PresignInput(_ context.Context, id job.ID, image job.Media, ttl time.Duration) (*job.Upload, error) {
	keys, err := s.signingKeys()
	if err != nil {
		return nil, err
	}
	until := time.Now().Add(ttl).Truncate(time.Second)
	expires := strconv.FormatInt(until.Unix(), 10)
	q := url.Values{"expires": {expires}, "signature": {base64.RawURLEncoding.EncodeToString(keys.Sign(signed(id, image, expires)...))}}
	if image.SHA256 != "" {
		q.Set("sha256", image.SHA256)
	}
	return &job.Upload{
		Method:    "PUT",
		URL:       "/jobs/" + string(id) + "/upload?" + q.Encode(),
		Headers:   map[string]string{"Content-Type": image.ContentType, "Content-Length": strconv.FormatInt(image.SizeBytes, 10)},
		ExpiresAt: until,
	}, nil
}

// UploadedDigest implements job.Presigner. AcceptInput has already compared the digest.
func (s *Store) UploadedDigest(context.Context, job.ID) (sha256, tag string, err error) {
	return "", "", nil
}

// signed are the lines of the signature of one upload. It permits a PUT of exactly this size,
// type and digest as the input of this job until the expiry, and nothing else.
func signed(id job.ID, image job.Media, expires string) []string {
	lines := []string{"claimcheck upload 1", "PUT", string(id), strconv.FormatInt(image.SizeBytes, 10), expires, image.ContentType}
	if image.SHA256 != "" { // a content type has no line break, as no header has
		lines = append(lines, image.SHA256)
	}
	return lines
}

// AcceptInput stores the body of a request that PresignInput has signed, once. The error is
// Denied if the signature is not for this job, type and size, or has expired, and Conflict if
// there is an input already.
func (s *Store) AcceptInput(ctx context.Context, id job.ID, query url.Values, contentType string, size int64, body io.Reader) error {
	keys, err := s.signingKeys()
	if err != nil {
		return err
	}
	expires := query.Get("expires")
	image := job.Media{ContentType: contentType, SizeBytes: size, SHA256: query.Get("sha256")}
	given, _ := base64.RawURLEncoding.DecodeString(query.Get("signature"))
	good := keys.Verify(given, signed(id, image, expires)...)
	seconds, err := strconv.ParseInt(expires, 10, 64)
	switch {
	case !good || err != nil:
		return job.Errorf(job.Denied, "the upload is not the one that was announced; PUT exactly its bytes to exactly the URL of upload, with its headers")
	case !time.Now().Before(time.Unix(seconds, 0)):
		return job.Errorf(job.Denied, "the URL of this upload has expired; read the job's status for a new one")
	}
	g, err := s.Stage(ctx, job.Input, id, contentType, io.LimitReader(body, size+1))
	if err != nil {
		return err
	}
	defer g.Discard()
	if g.Size() != size {
		return job.Errorf(job.Invalid, "the body has another size than the %d bytes that were announced", size)
	}
	if image.SHA256 != "" && g.SHA256() != image.SHA256 {
		return job.Errorf(job.Invalid, "the body has another SHA-256 than %s, which was announced", image.SHA256)
	}
	_, err = g.Commit(ctx, job.Condition{Absent: true})
	if job.KindOf(err) == job.Conflict {
		return job.Wrap(job.Conflict, err, "the image of this job has been uploaded already; commit the job")
	}
	return err
}
