package authz

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"time"

	"github.com/google/uuid"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/signature"
)

// Link is the right of a token's holder: to fetch one output until a time. It is the
// monitor's decision about a share, signed and carried away.
type Link struct {
	Job job.ID
	// Life is the job's ObjectID, so that a link ends with the job, although its
	// idempotency key may name another one later.
	Life      job.ID
	ExpiresAt time.Time // in whole seconds
	Download  bool      // as a file, and not to be shown
}

// Share returns a job whose output who may share, and the token of a link to that output.
func (a *Authorizer) Share(ctx context.Context, who job.Caller, id job.ID, expiresAt time.Time, download bool) (*job.Job, string, error) {
	j, err := a.find(ctx, who, job.ActionShare, id)
	if err != nil {
		return nil, "", err
	}
	if len(a.c.LinkKeys) == 0 {
		return nil, "", errNoLinks
	}
	l := Link{Job: j.ID, Life: j.ObjectID(), ExpiresAt: expiresAt, Download: download}
	return j, l.token(a.c.LinkKeys), nil
}

// Linked returns the job of a token with its link, and what opens its output. It reads
// nothing for a token that is forged or has expired.
func (a *Authorizer) Linked(ctx context.Context, token string) (*job.Job, Link, Opener, error) {
	if len(a.c.LinkKeys) == 0 {
		return nil, Link{}, nil, errNoLinks
	}
	l, ok := parseLink(token, a.c.LinkKeys)
	if !ok || !a.c.Now().Before(l.ExpiresAt) {
		return nil, Link{}, nil, errNoLink
	}
	j, err := a.c.Store.Load(ctx, l.Job)
	if job.KindOf(err) == job.NotFound || err == nil && (j.Deleted || j.ObjectID() != l.Life) {
		return nil, Link{}, nil, errNoLink
	}
	if err != nil {
		return nil, Link{}, nil, err
	}
	return j, l, a.opener(j), nil
}

var (
	errNoLinks = job.Errorf(job.NotFound, "this service makes no links to outputs: its operator has not set LINK_KEY")
	errNoLink  = job.Errorf(job.NotFound, "this link is not valid, has expired, or its job is gone; ask its sender for a new one")
)

// A token is, in base64, the job and its life, the expiry in seconds and the flag, and the
// signature of these.
const (
	payloadSize = 16 + 16 + 8 + 1
	tokenSize   = payloadSize + signature.Size
)

var tokenCoding = base64.RawURLEncoding

func (l Link) token(keys signature.Keys) string {
	b := make([]byte, 0, tokenSize)
	for _, id := range []job.ID{l.Job, l.Life} {
		u := uuid.MustParse(string(id)) // a job of the store has a canonical one
		b = append(b, u[:]...)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(l.ExpiresAt.Unix()))
	flag := byte(0)
	if l.Download {
		flag = 1
	}
	return tokenCoding.EncodeToString(append(append(b, flag), keys.Sign(l.signed()...)...))
}

// signed are the lines of the link's signature.
func (l Link) signed() []string {
	return []string{"claimcheck link 1", string(l.Job), string(l.Life), strconv.FormatInt(l.ExpiresAt.Unix(), 10), strconv.FormatBool(l.Download)}
}

// parseLink returns the link of a token that one of the keys has signed.
func parseLink(token string, keys signature.Keys) (Link, bool) {
	b, err := tokenCoding.DecodeString(token)
	if err != nil || len(b) != tokenSize || b[payloadSize-1] > 1 || tokenCoding.EncodeToString(b) != token { // a token has one spelling
		return Link{}, false
	}
	l := Link{
		Job: job.ID(uuid.UUID(b[:16]).String()), Life: job.ID(uuid.UUID(b[16:32]).String()),
		ExpiresAt: time.Unix(int64(binary.BigEndian.Uint64(b[32:40])), 0), Download: b[payloadSize-1] == 1,
	}
	return l, keys.Verify(b[payloadSize:], l.signed()...)
}
