package job

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kind classifies an error by what its receiver can do about it. Each adapter translates
// its vendor's errors into kinds in one function; the transport translates kinds into
// statuses in one table.
type Kind uint8

const (
	// Unknown is every error without a kind: an internal fault.
	Unknown Kind = iota
	// NotFound: it does not exist, or the caller may not know of it.
	NotFound
	// Conflict: another writer changed it first; read again and decide again.
	Conflict
	// Invalid: the request or its parameters are wrong; a repetition does not help.
	Invalid
	// TooLarge: more bytes or pixels than this service accepts.
	TooLarge
	// Unsupported: not an image, or not of a kind that the processor accepts.
	Unsupported
	// Mismatch: an idempotency key came back with other content.
	Mismatch
	// Denied: the reference monitor denied access to something that the caller may see.
	Denied
	// Unauthenticated: the caller's identity is unknown.
	Unauthenticated
	// Exhausted: over a rate, a quota or this instance's memory; try again later.
	Exhausted
	// Timeout: the client did not send what it announced in time.
	Timeout
	// Unavailable: a backend does not answer now; trying again later may help.
	Unavailable
	// Misconfigured: bucket, queue or rights are not set up correctly.
	Misconfigured
	// Corrupt: the stored data cannot be what was written.
	Corrupt
	// Canceled: the caller left before the end.
	Canceled
	// Upstream: a server that the client named did not do its part.
	Upstream
)

var kindNames = [...]string{
	"unknown", "not_found", "conflict", "invalid", "too_large", "unsupported", "mismatch", "denied",
	"unauthenticated", "exhausted", "timeout", "unavailable", "misconfigured", "corrupt", "canceled", "upstream",
}

// String returns the kind's name as logs and metrics show it.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// ParseKind returns the kind with this name; Unknown for any other name.
func ParseKind(name string) Kind { return Kind(max(0, slices.Index(kindNames[:], name))) }

// Error is an error with a kind and a sentence for the client.
type Error struct {
	Kind Kind
	// Message is one sentence for the client: what is wrong and what to do about it. It
	// begins in lower case and has no full stop, so that it can be part of another. It never
	// holds a secret, an internal name or the text of a cause.
	Message string
	// RetryAfter is the time after which a repetition makes sense; zero when it is unknown.
	RetryAfter time.Duration
	// Err is the cause, only for the operator's log; may be nil.
	Err error
}

// Error returns the operator's text: kind, sentence and cause.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Message
	}
	if e.Message == "" {
		return e.Err.Error()
	}
	return e.Message + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an error of kind k whose sentence is for the client.
func Errorf(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Message: fmt.Sprintf(format, args...)}
}

// Wrap returns err as an error of kind k with a sentence for the client.
func Wrap(k Kind, err error, message string) *Error {
	return &Error{Kind: k, Message: message, Err: err}
}

// Hint returns err with advice for the operator. The words are our own: unlike err's,
// which may contain anything, everyone may see them.
func Hint(err error, format string, args ...any) error {
	return &hinted{err, fmt.Sprintf(format, args...)}
}

type hinted struct {
	err  error
	hint string
}

func (h *hinted) Error() string { return h.hint + ": " + h.err.Error() }
func (h *hinted) Unwrap() error { return h.err }
func (h *hinted) Hint() string  { return h.hint }

// AdviceOf returns the sentence of err and its outermost hint, which is any error's with
// a method Hint; of errors that were joined those of each.
func AdviceOf(err error) string {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []string
		for _, err := range joined.Unwrap() {
			all = append(all, AdviceOf(err))
		}
		return strings.Join(all, "; ")
	}
	said := MessageOf(err)
	type hinter interface {
		error
		Hint() string
	}
	if h, ok := errors.AsType[hinter](err); ok {
		said += ": " + h.Hint()
	}
	return said
}

// KindOf returns the kind of the outermost Error in err's chain, else Unknown.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Unknown
}

// MessageOf returns the client's sentence of the outermost Error in err's chain that
// has one, else the empty string: an error without a sentence is not shown.
func MessageOf(err error) string {
	for err != nil {
		e, ok := errors.AsType[*Error](err)
		if !ok {
			return ""
		}
		if e.Message != "" {
			return e.Message
		}
		err = e.Err
	}
	return ""
}
