// Package oidcauthn authenticates requests: it turns the bearer token of an OpenID Connect
// provider into a [job.Principal].
//
// It checks a token in order of cost: its shape, its header and its claims first, the
// signature last. Garbage costs a few microseconds and never a request to the provider.
// go-jose verifies signatures; this package decides which keys may sign, and when to fetch
// them (see keySet).
//
// # Threats
//
// An attacker who controls an allowed provider, or its signing keys, can be any user of
// that provider, and no user of another: the keys of one issuer verify no other's tokens,
// and a principal is issuer and subject together. An attacker who controls the network to
// a provider gains nothing without its TLS key: every URL must be https, except on
// loopback. A key that a provider has withdrawn stays valid for at most KeyLifetime while
// the provider can be reached, and for KeyRetention while it cannot. A leaked token is
// valid until it expires; there is no revocation.
//
// No log and no error ever contains a token or any part of a signature.
package oidcauthn

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"claimcheck.example/internal/job"
)

// Options name the trusted issuers, audiences and keys.
type Options struct {
	// Issuers are the accepted providers, each exactly as in the iss claim of its tokens,
	// including a slash at the end. At least one.
	Issuers []string
	// Audiences are the accepted audiences: a token's aud claim must contain one. At least
	// one.
	Audiences []string
	// AudienceClaim is Audience, or ClientID for providers whose access tokens have no aud:
	// then client_id must be one of Audiences, and token_use must be "access". Empty for
	// Audience.
	AudienceClaim string
	// AuthorizedParties are the clients whose tokens are accepted, by the azp claim, or by
	// client_id where there is no azp (RFC 9068); empty accepts any client.
	AuthorizedParties []string
	// Header names the request header with the token; empty for Authorization. Any other
	// header may have the token alone or after "Bearer ".
	Header string
	// GroupsClaim names the claim with the group names, a string or a list of strings, or is
	// a path to it such as "realm_access.roles"; empty for "groups".
	GroupsClaim string
	// Leeway is the accepted difference between clocks; zero for one minute.
	Leeway time.Duration
	// JWKSURLs maps an issuer without a discovery document to the URL of its keys, which may
	// be on loopback, for example a sidecar. Google's IAP needs no entry.
	JWKSURLs map[string]string
	// KeyLifetime is the age at which keys are fetched again; zero for one hour.
	KeyLifetime time.Duration
	// KeyRetention is the time that keys stay valid while the provider cannot be reached;
	// zero for one day.
	KeyRetention time.Duration
	// RefetchInterval is the time between two fetches from one issuer, whatever tokens
	// arrive; zero for 15 seconds. Tokens of unknown keys may cause a few fetches earlier:
	// three at once, and then one in each interval.
	RefetchInterval time.Duration
	// HTTPClient requests keys from providers; nil for a client of its own. Its redirect
	// policy is replaced.
	HTTPClient *http.Client
	// Clock returns the time; nil for time.Now.
	Clock func() time.Time
	// Logger records fetches of keys and their failures; nil for none.
	Logger *slog.Logger
}

// Values of Options.AudienceClaim.
const (
	Audience = "aud"
	ClientID = "client_id" // Amazon Cognito
)

// iapIssuer is Google's Identity-Aware Proxy, which has keys but no discovery.
// https://cloud.google.com/iap/docs/signed-headers-howto
const (
	iapIssuer = "https://cloud.google.com/iap"
	iapKeys   = "https://www.gstatic.com/iap/verify/public_key_jwk"
)

// Authenticator verifies bearer tokens. Safe for concurrent use.
type Authenticator struct {
	keys          map[string]*keySet // by issuer
	audiences     []string
	audienceClaim string
	parties       []string
	header        string
	groupsClaim   string
	leeway        time.Duration
	clock         func() time.Time
}

// New checks o and returns an authenticator. It makes no request: keys are fetched when
// the first token needs them. The error names every mistake in o.
func New(o Options) (*Authenticator, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	a := &Authenticator{
		keys:          make(map[string]*keySet, len(o.Issuers)),
		audiences:     o.Audiences,
		audienceClaim: o.AudienceClaim,
		parties:       o.AuthorizedParties,
		header:        http.CanonicalHeaderKey(o.Header),
		groupsClaim:   o.GroupsClaim,
		leeway:        o.Leeway,
		clock:         o.Clock,
	}
	for _, issuer := range o.Issuers {
		a.keys[issuer] = &keySet{
			source:    newProvider(issuer, o.JWKSURLs[issuer], o.HTTPClient),
			lifetime:  o.KeyLifetime,
			retention: o.KeyRetention,
			interval:  o.RefetchInterval,
			early:     rate.NewLimiter(rate.Every(o.RefetchInterval), earlyFetches),
			clock:     o.Clock,
			log:       o.Logger.With("issuer", issuer),
		}
	}
	return a, nil
}

func (o Options) withDefaults() Options {
	orDefault(&o.Header, "Authorization")
	orDefault(&o.AudienceClaim, Audience)
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
	if o.AudienceClaim != Audience && o.AudienceClaim != ClientID {
		mistake("the audience is in aud or client_id, not in %q", o.AudienceClaim)
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
		mistake("%q is not a header name", o.Header)
	}
	if o.Leeway < 0 || o.Leeway > 10*time.Minute {
		mistake("a leeway of %v is not between 0 and 10 minutes", o.Leeway)
	}
	if o.KeyLifetime < 0 || o.KeyRetention < o.KeyLifetime || o.RefetchInterval < 0 {
		mistake("keys cannot live for %v, be kept for %v and be fetched every %v", o.KeyLifetime, o.KeyRetention, o.RefetchInterval)
	}
	return errors.Join(mistakes...)
}

// errNoToken is the cause when a request has no token.
var errNoToken = errors.New("the request has no bearer token")

// The sentences for clients. A sentence reveals which check failed only as far as the
// owner of a valid token can act on it; the cause in Err, for the log, is exact.
const (
	sentenceNone    = "this service requires authentication: send a bearer token of its identity provider"
	sentenceExpired = "the bearer token has expired: get a new one from the identity provider"
	sentenceBad     = "the bearer token is not valid here: get one for this service from its identity provider"
	sentenceLater   = "the service cannot check the bearer token now: try again shortly"
)

// refuse returns the error for an invalid token, with a cause for the log.
func refuse(format string, args ...any) error {
	return job.Wrap(job.Unauthenticated, fmt.Errorf(format, args...), sentenceBad)
}

// Authenticate returns the principal that sent r.
//
// Its errors are of kind Unauthenticated (there is no token, or it is not valid),
// Unavailable (the token may be valid, but the keys of its provider cannot be fetched) and
// Canceled (the caller left during the fetch). The cause says exactly what was wrong. It
// contains nothing of the token but its alg, kid, iss, aud and azp, cut short.
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

// quotable replaces characters that RFC 6750 does not allow in an error_description.
func quotable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return '\''
		}
		return r
	}, s)
}
