package job

import (
	"context"
	"time"
)

// Lists keeps the jobs of each owner in the order in which they were submitted. It is
// strongly consistent like [Documents], and safe for concurrent use; the kinds of its errors
// are the same.
type Lists interface {
	// Enlist puts a job into the list of its owner, under its CreatedAt. The job appears
	// there while it has a document with the same CreatedAt. Enlist may run before the
	// document is stored, and more than once.
	Enlist(ctx context.Context, j *Job) error

	// Delist undoes Enlist. No error when there is nothing to undo.
	Delist(ctx context.Context, j *Job) error

	// List returns the part of an owner's list that w selects.
	List(ctx context.Context, owner string, w Window) (*Page, error)
}

// Place is the place of a job in a list: the newest job comes first, jobs of the same time
// come in the order of their identifiers. The zero value is before the newest job.
type Place struct {
	CreatedAt time.Time
	ID        ID
}

// Window selects a part of a list.
type Window struct {
	// After: only jobs after this place.
	After Place
	// Since and Until bound CreatedAt, both included; a zero time does not bound.
	Since, Until time.Time
	// Limit is the largest number of jobs to look at; at least 1.
	Limit int
}

// Page is a part of a list.
type Page struct {
	// Jobs are in the order of the list. They may be fewer than Window.Limit although more
	// follow, because a job whose document is gone is left out.
	Jobs []*Job
	// Damaged are the jobs that are left out because their documents are Corrupt.
	Damaged []ID
	// Looked is the number of jobs that List read.
	Looked int
	// Last is the place of the last one of them; Window.After when there was none.
	Last Place
	// More says that there may be more jobs behind Last.
	More bool
}
