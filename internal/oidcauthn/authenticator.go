// Package oidcauthn establishes who a request comes from: it turns the bearer token
// of an OpenID Connect provider into a [job.Principal].
//
// A token is judged from cheap to dear: its shape, its header and its claims first,
// the signature last. Whoever sends rubbish costs a few microseconds and never a
// request to the provider. Signatures are go-jose's business; which keys may sign,
// and when they are fetched, is this package's (see keySet).
//
// # Threats
//
// Who controls an allowed provider, or its signing keys, is everybody of that
// provider, and nobody of another: the key set of one issuer judges no other's
// tokens, and a principal is issuer and subject together. Who controls the way to a
// provider controls nothing without its TLS key: https is demanded of every URL but
// those on loopback. A key that a provider has withdrawn is believed for KeyLifetime
// at most while the provider can be reached, for KeyRetention while it cannot.
// A token that leaks is good until it expires; nothing here knows of revocation.
//
// Neither a token nor any part of a signature is ever logged or put into an error.
package oidcauthn

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"claimcheck.example/internal/job"
)

// Options name the trusted issuers, audiences and keys.
type Options struct {
	// Issuers are the providers whose tokens are taken, each exactly as its tokens' iss
	// claim has it, a slash at the end included. At least one.
	Issuers []string
	// Audiences are the values of which a token's aud claim must hold one. At least one.
	Audiences []string
	// AuthorizedParties are the clients of which one must have asked for a token, as its azp
	// claim says, or its client_id where it has no azp (RFC 9068); empty for any client.
	AuthorizedParties []string
	// Header names the request header that carries the token; empty for Authorization.
	// Any other header may carry the token bare as well as after "Bearer ".
	Header string
	// GroupsClaim names the claim with the group names, a string or a list of strings;
	// empty for "groups".
	GroupsClaim string
	// Leeway is how far clocks may differ; zero for one minute.
	Leeway time.Duration
	// JWKSURLs tells where the keys of an issuer are that has no discovery document. It
	// may be on loopback, a sidecar say. Google's IAP needs no entry.
	JWKSURLs map[string]string
	// KeyLifetime is the age at which keys are fetched anew; zero for one hour.
	KeyLifetime time.Duration
	// KeyRetention is how long keys stay good while the provider cannot be reached; zero
	// for one day.
	KeyRetention time.Duration
	// RefetchInterval is the least time between two fetches from one issuer, whatever
	// tokens come in; zero for 15 seconds.
	RefetchInterval time.Duration
	// HTTPClient asks the providers; nil for one of its own. Its redirect policy is
	// replaced.
	HTTPClient *http.Client
	// Clock tells the time; nil for time.Now.
	Clock func() time.Time
	// Logger hears of keys that came or did not come; nil for none.
	Logger *slog.Logger
}

// iapIssuer is Google's Identity-Aware Proxy, which has keys but no discovery.
// https://cloud.google.com/iap/docs/signed-headers-howto
const (
	iapIssuer = "https://cloud.google.com/iap"
	iapKeys   = "https://www.gstatic.com/iap/verify/public_key_jwk"
)

// Authenticator verifies bearer tokens. Safe for concurrent use.
type Authenticator struct {
	keys        map[string]*keySet // by issuer
	audiences   []string
	parties     []string
	header      string
	groupsClaim string
	leeway      time.Duration
	clock       func() time.Time
}

// New checks o and returns an authenticator. It asks no provider: keys are fetched
// when the first token needs them. The error names every mistake in o.
func New(o Options) (*Authenticator, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	a := &Authenticator{
		keys:        make(map[string]*keySet, len(o.Issuers)),
		audiences:   o.Audiences,
		parties:     o.AuthorizedParties,
		header:      http.CanonicalHeaderKey(o.Header),
		groupsClaim: o.GroupsClaim,
		leeway:      o.Leeway,
		clock:       o.Clock,
	}
	for _, issuer := range o.Issuers {
		a.keys[issuer] = &keySet{
			source:    newProvider(issuer, o.JWKSURLs[issuer], o.HTTPClient),
			lifetime:  o.KeyLifetime,
			retention: o.KeyRetention,
			interval:  o.RefetchInterval,
			clock:     o.Clock,
			log:       o.Logger.With("issuer", issuer),
		}
	}
	return a, nil
}

func (o Options) withDefaults() Options {
	orDefault(&o.Header, "Authorization")
	orDefault(&o.GroupsClaim, "groups")
	orDefault(&o.Leeway, time.Minute)
	orDefault(&o.KeyLifetime, time.Hour)
	orDefault(&o.KeyRetention, 24*time.Hour)
	orDefault(&o.RefetchInterval, 15*time.Second)
	orDefault(&o.HTTPClient, &http.Client{})
	orDefault(&o.Logger, slog.New(slog.DiscardHandler))
	if o.Clock == nil {
		o.Clock = time.Now
	}
	urls := map[string]string{iapIssuer: iapKeys}
	for issuer, u := range o.JWKSURLs {
		urls[issuer] = u
	}
	o.JWKSURLs = urls
	return o
}

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// check returns every mistake in o together.
func (o Options) check() error {
	var mistakes []error
	mistake := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf(format, args...)) }

	if len(o.Issuers) == 0 {
		mistake("the issuer of accepted tokens is missing")
	}
	allowed := map[string]bool{iapIssuer: true}
	for _, issuer := range o.Issuers {
		allowed[issuer] = true
		if err := checkIssuer(issuer); err != nil {
			mistake("issuer %q: %w", issuer, err)
		}
	}
	if len(o.Audiences) == 0 {
		mistake("the audience of accepted tokens is missing")
	}
	for _, audience := range o.Audiences {
		if audience == "" {
			mistake("an audience is empty")
		}
	}
	for _, party := range o.AuthorizedParties {
		if party == "" {
			mistake("an authorized party is empty")
		}
	}
	for issuer, u := range o.JWKSURLs {
		if !allowed[issuer] {
			mistake("keys are given for %q, which is not among the issuers", issuer)
		}
		if err := checkURL(u, u); err != nil {
			mistake("keys of issuer %q: %w", issuer, err)
		}
	}
	if strings.Trim(strings.ToLower(o.Header), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		mistake("%q is no name of a header", o.Header)
	}
	if o.Leeway < 0 || o.Leeway > 10*time.Minute {
		mistake("a leeway of %v is not between 0 and 10 minutes", o.Leeway)
	}
	if o.KeyLifetime < 0 || o.KeyRetention < o.KeyLifetime || o.RefetchInterval < 0 {
		mistake("keys cannot live for %v, be kept for %v and be fetched every %v", o.KeyLifetime, o.KeyRetention, o.RefetchInterval)
	}
	return errors.Join(mistakes...)
}

// errNoToken is the cause of a refusal for want of a token.
var errNoToken = errors.New("the request has no bearer token")

// What clients are told. A sentence never says which check failed beyond what the
// owner of a good token can act upon; the cause in Err does, for the log.
const (
	sentenceNone    = "this service requires authentication: send a bearer token of its identity provider"
	sentenceExpired = "the bearer token has expired: get a new one from the identity provider"
	sentenceBad     = "the bearer token is not valid here: get one for this service from its identity provider"
	sentenceLater   = "the service cannot check the bearer token now: try again shortly"
)

// refuse returns the error for a token that is not good, with a cause for the log.
func refuse(format string, args ...any) error {
	return job.Wrap(job.Unauthenticated, fmt.Errorf(format, args...), sentenceBad)
}

// Authenticate returns who sent r.
//
// Its errors are of kind Unauthenticated (no token, or none that is good),
// Unavailable (the token may be good, but its provider's keys cannot be had) and
// Canceled (the caller left while they were fetched). The cause inside says exactly
// what was wrong and holds nothing of the token but its alg, kid, iss, aud and azp, cut short.
func (a *Authenticator) Authenticate(r *http.Request) (job.Principal, error) {
	raw, err := a.bearer(r.Header)
	if err != nil {
		return job.Principal{}, err
	}
	t, err := a.inspect(raw)
	if err != nil {
		return job.Principal{}, err
	}
	if err := a.keys[t.claims.Issuer].verify(r.Context(), t); err != nil {
		return job.Principal{}, err
	}
	return t.principal(), nil
}

// Challenge returns the value of the WWW-Authenticate header (RFC 6750, section 3)
// for an error of [Authenticator.Authenticate]; empty when it calls for none.
func (a *Authenticator) Challenge(err error) string {
	switch {
	case job.KindOf(err) != job.Unauthenticated:
		return ""
	case errors.Is(err, errNoToken):
		return `Bearer realm="claimcheck"`
	default:
		return `Bearer realm="claimcheck", error="invalid_token", error_description="` + quotable(job.MessageOf(err)) + `"`
	}
}

// quotable replaces what RFC 6750 does not allow in an error_description.
func quotable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return '\''
		}
		return r
	}, s)
}
