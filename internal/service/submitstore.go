package service

import (
	"context"
	"errors"

	"claimcheck.example/internal/job"
)

// store puts image, entry of the list and document into storage. It returns another
// submit's document when that one was faster.
//
// Without a key they are written side by side. Under a key the document comes last, since a
// repeat that finds the document sends the message; and with an outbox as well, which sends
// the message with the document.
func (u *submit) store(ctx context.Context) (other *job.Job, err error) {
	atOnce := u.in.Key == "" && u.to.Outbox == nil
	if atOnce {
		u.charge(ctx, u.s.beside(u))
	}
	beside, entry := make(chan error, 2), *u.job
	go func() { beside <- u.storeImage(ctx) }()
	go func() { beside <- u.enlist(ctx, &entry) }()
	if atOnce {
		other, err = u.put(ctx)
		return other, errors.Join(err, <-beside, <-beside)
	}
	if err := errors.Join(<-beside, <-beside); err != nil {
		return nil, err
	}
	u.charge(ctx, job.Requests{})
	return u.put(ctx)
}

// put writes the document in the place of what it replaces: nothing, a try that was not
// accepted, or an announcement. When another submit was faster it returns that one's.
func (u *submit) put(ctx context.Context) (other *job.Job, err error) {
	write := u.to.Documents.Create
	switch {
	case u.job.Version != "":
		write = u.to.Documents.Swap
	case u.staged != nil && u.to.Outbox != nil:
		write = u.createAndSend
	}
	version, err := write(ctx, u.job)
	switch {
	case err == nil:
		u.job.Version = version
		return nil, nil
	case job.KindOf(err) == job.Conflict:
		return loadExisting(ctx, u.to.Documents, u.job.ID)
	}
	return nil, err
}

// createAndSend writes the document, and the message with it.
func (u *submit) createAndSend(ctx context.Context, j *job.Job) (version string, err error) {
	version, err = u.to.Outbox.CreateAndSend(ctx, j, messageOf(j, u.in.Trace))
	if err == nil {
		u.sent = true
		u.s.sent.add(j, u.s.now())
	}
	return version, err
}

// storeImage makes the image visible, once, under a key that no other job has.
func (u *submit) storeImage(ctx context.Context) error {
	if u.staged == nil || u.stored {
		return nil
	}
	_, err := u.staged.Commit(ctx, job.Condition{})
	u.stored = err == nil
	return err
}

// unstore removes image and entry of a submit that has lost to another one, whose document
// there is, or nil. That document may be its own after all, written anew by a repeat.
func (u *submit) unstore(ctx context.Context, other *job.Job) {
	u.unlist(ctx, other)
	if u.stored && (other == nil || other.ObjectID() != u.job.ObjectID()) {
		u.removeInput(ctx, u.job.ObjectID())
	}
}

// removeInput removes an image that no document names. The lifecycle rule removes what stays
// after a failure.
func (u *submit) removeInput(ctx context.Context, id job.ID) {
	if id != "" {
		_ = u.to.Objects.Remove(ctx, job.Input, id, "")
	}
}

// publish lets the stored job continue: it sends the message, or signs the request for the
// upload.
func (u *submit) publish(ctx context.Context) (err error) {
	switch {
	case u.sent:
		return nil
	case u.staged != nil:
		return u.s.send(ctx, u.job, u.in.Trace)
	}
	u.job.Upload, err = u.s.upload(ctx, u.job)
	return err
}

// enlist adds the job to the list of its owner, once. The entry is a copy of the job,
// which may change during the write.
func (u *submit) enlist(ctx context.Context, entry *job.Job) error {
	if u.listed {
		return nil
	}
	err := u.to.Lists.Enlist(ctx, entry)
	u.listed = err == nil
	return err
}

// unlist undoes enlist for a submit that has lost to another one, whose document is
// given, or nil. An entry with the other job's time belongs to that job. An entry that
// stays after a failure shows no job.
func (u *submit) unlist(ctx context.Context, other *job.Job) {
	if u.listed && (other == nil || !other.CreatedAt.Equal(u.job.CreatedAt)) {
		_ = u.to.Lists.Delist(ctx, u.job)
		u.listed = false
	}
}

// unlistTry removes the entry of the try that the job has replaced.
func (u *submit) unlistTry(ctx context.Context) {
	if u.tried != nil && !u.tried.CreatedAt.Equal(u.job.CreatedAt) {
		_ = u.to.Lists.Delist(ctx, u.tried)
	}
}
