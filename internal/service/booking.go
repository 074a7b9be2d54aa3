package service

import (
	"io"

	"claimcheck.example/internal/job"
)

// booking is the booking of one submit in its owner's quota: the request and, in the end,
// every byte read of the image, or the size of a direct upload.
type booking struct {
	quota   job.Quota
	owner   string
	account job.Account
	booked  int64 // bytes
	read    int64 // bytes of the image
	refused bool  // by the quota
}

// book books the request, with the announced size of its body, before a byte of the image
// is read.
func (u *submit) book() error {
	u.booking = booking{quota: u.s.quota, owner: u.job.Owner}
	b := &u.booking
	announced := u.in.Announced
	if u.in.Image == nil { // of a source zero: its bytes are booked as they arrive
		announced = u.in.Size
	}
	if u.earlier != nil {
		b.account = job.Repeats
		if u.in.Image == nil {
			announced = 0
		}
	}
	if err := b.quota.Request(b.owner, b.account, announced); err != nil {
		return err
	}
	b.booked = announced
	if u.in.Image != nil {
		u.in.Image = &bookedImage{u.in.Image, b}
	}
	return nil
}

// bookedImage books the bytes of an image that exceed the announced size.
type bookedImage struct {
	io.Reader
	b *booking
}

func (r *bookedImage) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	b := r.b
	b.read += int64(n)
	if more := b.read - b.booked; more > 0 {
		b.booked = b.read
		if qerr := b.quota.Bytes(b.owner, b.account, more); qerr != nil {
			b.refused = true
			return 0, qerr
		}
	}
	return n, err
}

// settle refunds announced bytes that were not read, unless the image comes by a direct
// upload. A submit that was refused for lack of a place costs no request.
func (b *booking) settle(out Outcome, err error) error {
	used := b.read
	if err == nil && out.Job != nil && b.account == job.NewJobs {
		used = max(used, out.Job.Input.SizeBytes)
	}
	used = min(used, b.booked)
	requests := 0
	if job.KindOf(err) == job.Exhausted && !b.refused {
		requests = 1
	}
	b.quota.Refund(b.owner, b.account, requests, b.booked-used)
	b.booked = used
	switch {
	case err == nil && out.Result == Repeated && b.account == job.NewJobs: // another submit under the key was faster
		if b.quota.Request(b.owner, job.Repeats, b.read) == nil {
			b.quota.Refund(b.owner, job.NewJobs, 1, b.booked)
		}
	case job.KindOf(err) == job.Mismatch && b.account == job.Repeats: // no repeat, but another image under the key
		if qerr := b.quota.Request(b.owner, job.NewJobs, b.read); qerr != nil {
			return qerr
		}
	}
	return err
}
