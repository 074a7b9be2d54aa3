// Package workloadidentity gives a process on Google Cloud the credentials of an AWS role
// without any key: it exchanges the identity token of its service account, which comes
// from the metadata server, at AWS's Security Token Service.
package workloadidentity

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// Options configure New. Timeout is optional.
type Options struct {
	// RoleARN is the role to assume.
	RoleARN string
	// Audience is the audience of the token; the role's trust policy should require the same
	// (accounts.google.com:oaud).
	Audience string
	// Session names the process in AWS's logs.
	Session string
	// MetadataHost is the metadata server, as host or host:port.
	MetadataHost string
	// Config is the configuration of the STS client; its credentials are not used.
	Config aws.Config
	// Logger records that credentials cannot be renewed while the old ones are still valid.
	// All other failures are errors for the caller.
	Logger *slog.Logger
	// Timeout bounds one renewal, for which all calls wait; 4 s by default, less than the
	// timeout of a readiness probe, so that the probe can report the reason.
	Timeout time.Duration
}

const (
	// DefaultAudience is the default audience of tokens.
	DefaultAudience = "sts.amazonaws.com"
	// DefaultMetadataHost is Google's metadata server.
	DefaultMetadataHost = "metadata.google.internal"
	// window is the time before their end when credentials are renewed: half of their hour.
	// A signature lasts at least as long, and so may an outage of STS.
	window = 30 * time.Minute
	// again is the time until the next try after a failed renewal.
	again = 30 * time.Second
	// defaultTimeout is the default of Options.Timeout.
	defaultTimeout = 4 * time.Second
)

// New returns the credentials of the role. They are fetched on first use, cached, and
// renewed half an hour before they end; while a renewal fails the old ones stay in use
// until they end. New itself makes no request.
func New(o Options) aws.CredentialsProvider {
	o.Config.Credentials = aws.AnonymousCredentials{}
	o.Timeout = cmp.Or(o.Timeout, defaultTimeout)
	p := &provider{o: o, sts: sts.NewFromConfig(o.Config)}
	return &kept{p, aws.NewCredentialsCache(p, func(c *aws.CredentialsCacheOptions) { c.ExpiryWindow = window })}
}

// kept are the cache's credentials with their real end; the cache itself shows the time
// of their renewal.
type kept struct {
	p     *provider
	cache *aws.CredentialsCache
}

// Retrieve implements aws.CredentialsProvider.
func (k *kept) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if _, err := k.cache.Retrieve(ctx); err != nil {
		return aws.Credentials{}, err
	}
	return *k.p.last.Load(), nil
}

// provider exchanges tokens for credentials; its errors say what to do. The cache calls
// it from one goroutine at a time.
type provider struct {
	o    Options
	sts  *sts.Client
	last atomic.Pointer[aws.Credentials] // nil before the first
}

// Retrieve implements aws.CredentialsProvider. The cache removes the deadline of ctx and
// makes all calls wait.
func (p *provider) Retrieve(ctx context.Context) (aws.Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, p.o.Timeout)
	defer cancel()
	token, err := p.o.identity(ctx)
	if err != nil {
		return aws.Credentials{}, err
	}
	c, err := stscreds.NewWebIdentityRoleProvider(p.sts, p.o.RoleARN, fetched(token), func(w *stscreds.WebIdentityRoleOptions) {
		w.RoleSessionName = p.o.Session
	}).Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, p.explain(err)
	}
	p.last.Store(&c)
	return c, nil
}

// fetched implements stscreds.IdentityTokenRetriever with a fetched token.
type fetched []byte

// GetIdentityToken implements stscreds.IdentityTokenRetriever.
func (f fetched) GetIdentityToken() ([]byte, error) { return f, nil }

// hint is an error that says what the operator can do about it.
type hint string

func (h hint) Error() string { return string(h) }

// Hint returns the part that is safe for every reader of /ready.
func (h hint) Hint() string { return string(h) }

// explain says what to do about an error of STS. It does not wrap the error: the caller
// uses another service, and would mistake the code and status for that service's.
func (p *provider) explain(err error) error {
	code := ""
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		code = e.ErrorCode()
	}
	advice := fmt.Sprintf("STS gives no credentials of the role %s", p.o.RoleARN)
	switch {
	case code == "AccessDenied":
		advice = fmt.Sprintf("STS refuses the role %s (AWS_ROLE_ARN) to this service account; its trust policy must allow sts:AssumeRoleWithWebIdentity to accounts.google.com with this account's number and audience", p.o.RoleARN)
	case code == "InvalidIdentityToken", code == "IDPRejectedClaim":
		advice = fmt.Sprintf("STS does not take the identity token; is AWS_WEB_IDENTITY_AUDIENCE (%s) what the trust policy of %s wants?", p.o.Audience, p.o.RoleARN)
	case errors.Is(err, context.DeadlineExceeded):
		advice = fmt.Sprintf("STS does not answer within %s", p.o.Timeout)
	}
	return fmt.Errorf("%w: %v", hint(advice), err)
}

// HandleFailToRefresh implements aws.HandleFailRefreshCredentialsCacheStrategy: valid
// credentials stay in use until they really end.
func (p *provider) HandleFailToRefresh(ctx context.Context, before aws.Credentials, err error) (aws.Credentials, error) {
	now, last := time.Now(), p.last.Load()
	if last == nil || !now.Before(last.Expires) {
		return aws.Credentials{}, err
	}
	p.o.Logger.WarnContext(ctx, "cannot renew AWS credentials; the present ones stay valid until their expiry", "until", last.Expires, "error", err)
	next := now.Add(again)
	if next.After(last.Expires) {
		next = last.Expires
	}
	before.Expires = next.Add(window) // the cache subtracts the window
	return before, nil
}
