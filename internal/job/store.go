package job

import (
	"context"
	"io"
	"time"
)

// Documents keeps job documents. It is strongly consistent: a read that begins after
// a write has returned sees that write or a later one. All methods are safe for
// concurrent use. Retries of reads, and of writes that are safe to repeat, are the
// implementation's business; an error that comes out is meant for the caller.
//
// Expected failures have these kinds: NotFound, Conflict, Corrupt, Unavailable,
// Misconfigured, Canceled.
type Documents interface {
	// Create stores a document that must not exist yet, and returns its version.
	// Conflict when one exists that is not this very write: a writer whose earlier
	// answer was lost recognises its own Revision and has won.
	Create(ctx context.Context, j *Job) (version string, err error)

	// Load returns the document. NotFound when there is none; Corrupt when what is
	// there is not a job document, or is another job's; Unavailable when its status is one
	// of a newer release.
	Load(ctx context.Context, id ID) (*Job, error)

	// Swap replaces the document if it is still at j.Version, and returns the new
	// version. Conflict when it is not (or is gone), again unless what is there is
	// this very write.
	Swap(ctx context.Context, j *Job) (version string, err error)

	// Erase removes the document if it is still at version. No error when it is gone
	// already; Conflict when it has changed.
	Erase(ctx context.Context, id ID, version string) error
}

// Section is one of the two places where a job's bytes lie.
type Section string

const (
	Input  Section = "input"  // the image as it came
	Output Section = "output" // the result
)

// Objects keeps the bytes of images, in bounded memory whatever their size. It is
// strongly consistent like [Documents], and safe for concurrent use.
//
// The id of an input is [Job.ObjectID], and that of an output [Job.OutputObject].
//
// Expected failures have these kinds: NotFound, Conflict, Exhausted (too many requests right
// now), Unavailable, Misconfigured, Canceled. An error of the
// reader passed to Stage comes back as it is.
type Objects interface {
	// Stage reads r to its end and makes everything ready so that one last step,
	// Commit, makes the object visible as a whole. Until then nothing can be seen. Of
	// a small object nothing is sent before Commit. The caller ends every Staged by
	// Commit or Discard.
	Stage(ctx context.Context, s Section, id ID, contentType string, r io.Reader) (Staged, error)

	// Open returns the object, or the part of it that opts ask for. NotFound when
	// there is none. The caller closes Body.
	Open(ctx context.Context, s Section, id ID, opts OpenOptions) (*Content, error)

	// Stat returns the object's size, type and tag without its bytes.
	Stat(ctx context.Context, s Section, id ID) (*Content, error)

	// Remove deletes the object. No error when there is none. With a tag it deletes
	// only while the object still has it, else Conflict.
	Remove(ctx context.Context, s Section, id ID, tag string) error
}

// Staged is an object that is one step away from being visible.
type Staged interface {
	// Size is the number of bytes staged.
	Size() int64
	// SHA256 is the lower-case hexadecimal SHA-256 of the bytes staged.
	SHA256() string
	// Commit makes the object visible under the condition, and returns its tag.
	// Conflict when the condition does not hold. It may be called again after an
	// error: the bytes are kept until Discard or success.
	Commit(ctx context.Context, c Condition) (tag string, err error)
	// Discard gives back memory and removes what was sent so far. It does nothing
	// after a successful Commit, and may be called more than once. It does its work
	// even when ctx of Stage has ended.
	Discard()
}

// Condition bounds a Commit. The zero value is unconditional.
type Condition struct {
	// Absent: only if no object exists.
	Absent bool
	// Tag: only if the existing object has this tag.
	Tag string
}

// OpenOptions select what Open returns.
type OpenOptions struct {
	// Range is an HTTP Range header value of one byte range, passed on as it is;
	// empty for the whole. A range outside the object is Invalid.
	Range string
	// IfNoneMatch: when the object still has this tag, Content.NotModified is set and
	// Body is empty.
	IfNoneMatch string
}

// Content is an object, or a part of it, as stored.
type Content struct {
	Body        io.ReadCloser
	ContentType string
	// Size is the length of Body in bytes; TotalSize that of the whole object.
	Size, TotalSize int64
	// Range is the HTTP Content-Range value when Body is a part; else empty.
	Range string
	// Tag is the entity tag, without quotes.
	Tag          string
	LastModified time.Time
	NotModified  bool
}

// Store is the whole of storage: documents and objects.
type Store interface {
	Documents
	Objects
	// Ready reports whether the bucket exists and may be used, with an error that
	// says which it is and what to do.
	Ready(ctx context.Context) error
}
