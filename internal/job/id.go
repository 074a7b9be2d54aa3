package job

import (
	"fmt"

	"github.com/google/uuid"
)

// ID names a job: a UUID in its canonical form, 36 lower-case characters.
// Version 7 by default, version 5 of (owner, key) under an idempotency key.
type ID string

// idempotencySpace is the name space (RFC 9562, section 5.5) of identifiers under a key.
var idempotencySpace = uuid.MustParse("6f0d6c1c-3c1b-5a50-9d0e-5b8f4c1f6a11")

// NewID returns a fresh identifier: time-ordered, unguessable in its random bits.
func NewID() ID {
	return ID(uuid.Must(uuid.NewV7()).String())
}

// IdempotencyID returns the identifier that owner's idempotency key always names.
// Both are length-prefixed, so that no two different pairs share an identifier.
func IdempotencyID(owner, key string) ID {
	return ID(uuid.NewSHA1(idempotencySpace, fmt.Appendf(nil, "%d:%s%d:%s", len(owner), owner, len(key), key)).String())
}

// ParseID accepts only the canonical form, without upper case, braces or URN prefix, so
// that one job has one URL. Anything else is NotFound: it names no job.
func ParseID(s string) (ID, error) {
	if !ID(s).canonical() {
		return "", Errorf(NotFound, "there is no job %.40q; the Location of its submit holds the UUID of a job", s)
	}
	return ID(s), nil
}

func (id ID) String() string { return string(id) }

// canonical reports whether id is a UUID in its canonical form.
func (id ID) canonical() bool {
	u, err := uuid.Parse(string(id))
	return err == nil && u.String() == string(id)
}
