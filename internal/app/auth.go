package app

import (
	"fmt"
	"log/slog"

	"claimcheck.example/internal/cedarauthz"
	"claimcheck.example/internal/config"
	"claimcheck.example/internal/httpapi"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/oidcauthn"
	"claimcheck.example/internal/telemetry"
)

// newAuthenticator returns who finds out who calls.
func newAuthenticator(c *config.Config, log *slog.Logger) (httpapi.Authenticator, error) {
	if c.AllowAnonymous {
		telemetry.Audit(log).Warn("ALLOW_ANONYMOUS is set: everyone who can reach this server may use it, and all jobs belong to one owner")
		return httpapi.Anonymous{}, nil
	}
	return oidcauthn.New(oidcauthn.Options{
		Issuers: c.Issuers, Audiences: c.Audiences, AudienceClaim: c.AudienceClaim, AuthorizedParties: c.AuthorizedParties, Header: c.AuthHeader, GroupsClaim: c.GroupsClaim, Logger: log,
	})
}

// login returns how people get a token for the page.
func login(c *config.Config) httpapi.Login {
	if c.AllowAnonymous {
		return httpapi.Login{}
	}
	return httpapi.Login{Issuers: c.Issuers, Audiences: c.Audiences, AudienceClaim: c.AudienceClaim, ClientID: c.ClientID, Scopes: c.Scopes}
}

// newMonitor returns the reference monitor. It logs its decisions, at every log level,
// where callers are authenticated.
func newMonitor(c *config.Config, log *slog.Logger) (job.Monitor, error) {
	m, err := cedarauthz.New(cedarauthz.Options{PolicyFile: c.PolicyFile, AdminGroup: c.AdminGroup})
	if err != nil {
		return nil, fmt.Errorf("POLICY_FILE: %w", err)
	}
	if !c.AllowAnonymous {
		log = telemetry.Audit(log)
	}
	log.Info("policies in force", "origin", m.Origin(), "sha256", m.Digest())
	return cedarauthz.Logged(m, log, c.LogDecisions == "all"), nil
}
