package s3store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"io"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/proof"
)

// maxParts is S3's maximum number of parts of a multipart upload.
const maxParts = 10_000

// readBytes bounds one read, in bytes, so that the bytes are still in the processor's cache
// when they are hashed.
const readBytes = 256 << 10

// Stage implements job.Objects.
//
// Each byte is read once, into the buffer from which it is sent, and hashed there while it is
// still in the processor's cache: SHA-256 over the whole, for the domain and for the signature
// of a small object, and CRC-32, by which S3 verifies the body. Stage keeps an object that
// fits in one part until Commit. It sends each full part of a larger object, reads the next
// meanwhile if it can get a second buffer, and keeps the last until Commit.
func (s *Store) Stage(ctx context.Context, section job.Section, id job.ID, contentType string, r io.Reader) (job.Staged, error) {
	u := &upload{
		store:       s,
		memory:      s.opts.Memory,
		key:         objectKey(section, id),
		contentType: contentType,
		token:       newToken(),
		base:        context.WithoutCancel(ctx),
		sha:         sha256.New(),
	}
	ctx, cancel := context.WithCancel(ctx)
	err := u.readAll(ctx, r)
	if err != nil {
		cancel()    // a part that is still being sent
		u.release() // before it is waited for: others wait as well
	}
	if landed := u.land(); err == nil {
		err = landed
	}
	cancel()
	if err != nil {
		u.Discard()
		return nil, err
	}
	u.sum = hex.EncodeToString(u.sha.Sum(nil))
	return u, nil
}

// upload is job.Staged: an object on its way into S3. One goroutine uses it at a time.
type upload struct {
	store       *Store
	memory      *Memory
	key         string
	contentType string
	token       string          // names this upload in the object's metadata
	base        context.Context // the values of Stage's context, without its end

	sha   hash.Hash
	sum   string // the SHA-256 in hexadecimal
	size  int64  // bytes read
	whole uint32 // CRC-32 of everything read

	buf  []byte // the buffer that is being filled; nil when none is held
	n    int    // how much of it is filled
	crc  uint32 // CRC-32 of that
	peek [1]byte

	id     string // of the multipart upload; empty when there is none
	sums   proof.Multipart
	parts  []types.CompletedPart
	flight chan flown // the part that is being sent; nil when there is none

	tag  string // once committed
	done bool   // committed or discarded
}

// flown is the outcome of sending a part.
type flown struct {
	part types.CompletedPart
	err  error
}

// readAll reads r to its end, and leaves the last part's bytes in u.buf.
func (u *upload) readAll(ctx context.Context, r io.Reader) error {
	u.buf = u.memory.small.take()
	for {
		more, err := u.fill(r)
		if err != nil || !more {
			return err
		}
		if len(u.buf) < u.memory.large.size {
			u.grow()
		} else if err := u.ship(ctx); err != nil {
			return err
		}
		u.take(copy(u.buf[u.n:], u.peek[:]))
	}
}

// fill reads until the buffer is full, and one byte more, which shows whether the buffer has
// the last bytes. It reports whether u.peek has such a byte.
func (u *upload) fill(r io.Reader) (more bool, err error) {
	for idle := 0; idle < 100; {
		dst := u.buf[u.n:min(u.n+readBytes, len(u.buf))]
		if len(dst) == 0 {
			dst = u.peek[:]
		}
		n, err := r.Read(dst)
		if u.n == len(u.buf) {
			more = n > 0
		} else {
			u.take(n)
		}
		switch {
		case err == io.EOF && !more:
			return false, nil
		case err != nil && err != io.EOF:
			return false, err
		case more:
			return true, nil
		case n == 0:
			idle++
		default:
			idle = 0
		}
	}
	return false, io.ErrNoProgress
}

// take accounts for n bytes that were read behind the filled part of the buffer.
func (u *upload) take(n int) {
	b := u.buf[u.n : u.n+n]
	u.n += n
	u.size += int64(n)
	u.sha.Write(b)
	u.crc = crc32.Update(u.crc, crc32.IEEETable, b)
	if u.id != "" {
		u.whole = crc32.Update(u.whole, crc32.IEEETable, b)
	}
}

// grow moves the bytes read so far from a small buffer to a large one.
func (u *upload) grow() {
	large := u.memory.large.take()
	copy(large, u.buf[:u.n])
	u.memory.give(u.buf)
	u.buf = large
}

// ship sends the full buffer as the next part, and leaves an empty one in its place.
func (u *upload) ship(ctx context.Context) error {
	if u.id == "" {
		if err := u.begin(ctx); err != nil {
			return err
		}
		u.whole = u.crc
	}
	if err := u.land(); err != nil {
		return err
	}
	number := int32(len(u.parts) + 1)
	if number >= maxParts {
		return job.Wrap(job.TooLarge, fmt.Errorf("%s: more than %d parts of %d bytes", u.key, maxParts, len(u.buf)), sayTooLarge)
	}
	full, crc := u.buf, u.crc
	u.n, u.crc = 0, 0
	next, done, ok := u.memory.spare()
	if !ok {
		part, err := u.sendPart(ctx, number, full, crc)
		if err == nil {
			u.parts = append(u.parts, part)
		}
		return err
	}
	u.buf = next
	flight := make(chan flown, 1)
	u.flight = flight
	go func() {
		part, err := u.sendPart(ctx, number, full, crc)
		u.memory.give(full)
		done()
		flight <- flown{part, err}
	}()
	return nil
}

// land waits for the part that is being sent, if there is one.
func (u *upload) land() error {
	if u.flight == nil {
		return nil
	}
	f := <-u.flight
	u.flight = nil
	if f.err == nil {
		u.parts = append(u.parts, f.part)
	}
	return f.err
}

// Size implements job.Staged.
func (u *upload) Size() int64 { return u.size }

// SHA256 implements job.Staged.
func (u *upload) SHA256() string { return u.sum }
