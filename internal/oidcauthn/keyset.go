package oidcauthn

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/time/rate"

	"claimcheck.example/internal/job"
)

// earlyFetches is how many fetches may come before their interval is over, all at once.
const earlyFetches = 3

// fetchTimeout bounds one fetch of keys, discovery included.
const fetchTimeout = 5 * time.Second

// keySource fetches the keys of one issuer.
type keySource interface {
	fetch(ctx context.Context) ([]jose.JSONWebKey, error)
}

// keySet caches the keys of one issuer.
//
// It fetches them when the first token needs them, when they are older than lifetime, and
// when a token names an unknown key: providers rotate their keys, and a new key shows
// first in a token. However many tokens arrive, there is one fetch at a time and one in an
// interval. A provider can publish a key just after a fetch, so that a few fetches, by the
// budget early, need not wait for the interval. This also bounds a flood of invented key
// ids, without remembering them.
//
// While a provider cannot be reached its keys stay valid for retention. An invalid
// signature of a known key never causes a fetch.
type keySet struct {
	source    keySource
	lifetime  time.Duration
	retention time.Duration
	interval  time.Duration
	early     *rate.Limiter // of fetches before the interval is over
	clock     func() time.Time
	log       *slog.Logger

	mu sync.Mutex // guards the fields below
	// cached is replaced as a whole, never modified; nil before the first success.
	cached *keys
	// tried is the end of the last fetch, failure its error; zero before the first.
	tried   time.Time
	failure error
	// running is closed when the running fetch ends; nil when there is none.
	running chan struct{}
}

// keys are the keys of one fetch.
type keys struct {
	list    []jose.JSONWebKey
	fetched time.Time
}

// verify reports whether a key of the issuer made t's signature. Its errors are those of
// [Authenticator.Authenticate].
func (s *keySet) verify(ctx context.Context, t *token) error {
	arrived := s.clock()
	var last *keys
	for {
		ks, err := s.get(ctx, last)
		switch {
		case err != nil:
			return err
		case ks.signed(t):
			return nil
		case ks.knows(t.header.Kid):
			return refuse("the signature is not that of key %.80q of %s", t.header.Kid, t.claims.Issuer)
		case ks == last, !ks.fetched.Before(arrived): // there are no newer keys to be had
			return refuse("the signature is of key %.80q, and %s has no such key that made it", t.header.Kid, t.claims.Issuer)
		}
		last = ks
	}
}

// get returns valid keys, other than not if there are any. It returns Unavailable when a
// failed fetch leaves open whether there are others.
func (s *keySet) get(ctx context.Context, not *keys) (*keys, error) {
	for {
		s.mu.Lock()
		now := s.clock()
		cached := s.cached
		usable := cached != nil && now.Before(cached.fetched.Add(s.retention))
		fresh := usable && now.Before(cached.fetched.Add(s.lifetime))
		due := s.tried.IsZero() || !now.Before(s.tried.Add(s.interval))
		running := s.running

		switch {
		case fresh && cached != not:
			s.mu.Unlock()
			return cached, nil
		case running != nil && usable && cached != not:
			// Old keys are better than a wait for a provider that may be down.
			s.mu.Unlock()
			return cached, nil
		case running != nil:
			s.mu.Unlock()
			select {
			case <-running:
			case <-ctx.Done():
				return nil, job.Wrap(job.Canceled, context.Cause(ctx), "")
			}
		case due, usable && cached == not && s.failure == nil && s.early.AllowN(now, 1):
			s.running = make(chan struct{})
			s.mu.Unlock()
			s.refresh(ctx)
		case usable && (cached != not || s.failure == nil):
			s.mu.Unlock()
			return cached, nil
		default:
			failure, wait := s.failure, s.tried.Add(s.interval).Sub(now)
			s.mu.Unlock()
			return nil, &job.Error{Kind: job.Unavailable, Message: sentenceLater, RetryAfter: wait, Err: failure}
		}
	}
}

// refresh fetches the keys once, for all that wait. A caller that leaves does not cancel
// the fetch for the others.
func (s *keySet) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	begin := s.clock()
	list, err := s.source.fetch(ctx)
	now := s.clock()

	s.mu.Lock()
	defer s.mu.Unlock()
	s.tried, s.failure = now, err
	if err == nil {
		s.cached = &keys{list: list, fetched: begin}
	}
	close(s.running)
	s.running = nil

	switch {
	case err == nil:
		s.log.InfoContext(ctx, "signing keys fetched", "keys", len(list), "duration_ms", now.Sub(begin).Milliseconds())
	case s.cached != nil:
		s.log.WarnContext(ctx, "cannot fetch signing keys; the old ones stay in use", "error", err, "fetched", s.cached.fetched, "until", s.cached.fetched.Add(s.retention))
	default:
		s.log.ErrorContext(ctx, "cannot fetch signing keys, and there are no old ones", "error", err)
	}
}

// knows reports whether there is a key with that id. A token without a key id is never
// known: any key may have signed it.
func (ks *keys) knows(kid string) bool {
	return kid != "" && slices.ContainsFunc(ks.list, func(k jose.JSONWebKey) bool { return k.KeyID == kid })
}

// signed reports whether one of the keys that t names, all if it names none, made its
// signature. A key with a stated use is used for nothing else.
func (ks *keys) signed(t *token) bool {
	for _, k := range ks.list {
		if t.header.Kid != "" && k.KeyID != t.header.Kid {
			continue
		}
		if k.Algorithm != "" && k.Algorithm != string(t.header.Alg) {
			continue
		}
		if t.signed.Claims(k.Key) == nil {
			return true
		}
	}
	return false
}
