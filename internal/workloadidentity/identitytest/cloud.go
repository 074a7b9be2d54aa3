// Package identitytest runs Google's metadata server and AWS's STS on loopback, for tests
// of package workloadidentity.
package identitytest

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// Cloud is both servers. It accepts only the requests that the package should send, with
// the latest token.
type Cloud struct {
	// MetadataHost is the metadata server, as host:port. STSURL is STS's endpoint.
	MetadataHost, STSURL string

	mu     sync.Mutex // guards all below
	does   Behaviour
	tokens int
	given  int
}

// Behaviour configures the servers.
type Behaviour struct {
	// Role, Audience and Session are the only accepted values.
	Role, Audience, Session string
	// AccessKey and SecretKey are the issued keys, without a session token, which the local
	// S3 refuses; by default "key-1", "key-2", ..., "secret" and "session-1", ...
	AccessKey, SecretKey string
	// Lifetime is the lifetime of credentials; an hour by default.
	Lifetime time.Duration
	// NoToken makes the metadata server fail. Refusal is the error code of an STS that
	// refuses; with InternalFailure it fails. Silent makes STS never answer.
	NoToken bool
	Refusal string
	Silent  bool
}

// Start returns a cloud with that behaviour, until the test ends.
func Start(tb testing.TB, b Behaviour) *Cloud {
	tb.Helper()
	c := &Cloud{does: b}
	metadata := httptest.NewServer(http.HandlerFunc(c.metadata))
	tb.Cleanup(metadata.Close)
	sts := httptest.NewServer(http.HandlerFunc(c.sts))
	tb.Cleanup(sts.Close)
	c.MetadataHost, c.STSURL = metadata.Listener.Addr().String(), sts.URL
	return c
}

// Change changes the behaviour of the servers.
func (c *Cloud) Change(change func(*Behaviour)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.does)
}

// Counts returns the number of issued tokens and credentials.
func (c *Cloud) Counts() (tokens, credentials int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tokens, c.given
}

// Secret is part of every token, and of nothing else.
const Secret = "c2lnbmF0dXJl"

// metadata answers as the metadata server does.
func (c *Cloud) metadata(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w.Header().Set("Metadata-Flavor", "Google")
	switch {
	case r.Header.Get("Metadata-Flavor") != "Google":
		http.Error(w, "Missing required header Metadata-Flavor", http.StatusForbidden)
	case r.URL.Path != "/computeMetadata/v1/instance/service-accounts/default/identity" || r.URL.Query().Get("format") != "full":
		http.NotFound(w, r)
	case c.does.NoToken:
		http.Error(w, "later", http.StatusServiceUnavailable)
	default:
		c.tokens++
		fmt.Fprint(w, c.token(r.URL.Query().Get("audience")))
	}
}

// token is the latest issued token.
func (c *Cloud) token(audience string) string {
	claims := fmt.Sprintf(`{"aud":%q,"n":%d}`, audience, c.tokens)
	return "eyJhbGciOiJSUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + "." + Secret
}

// sts answers AssumeRoleWithWebIdentity, which is not signed, as STS does.
func (c *Cloud) sts(w http.ResponseWriter, r *http.Request) {
	err := r.ParseForm()
	c.mu.Lock()
	does := c.does
	c.mu.Unlock()
	if does.Silent {
		<-r.Context().Done()
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	w.Header().Set("Content-Type", "text/xml")
	code, status := does.Refusal, http.StatusForbidden
	switch {
	case code == "InternalFailure":
		status = http.StatusInternalServerError
	case code != "":
	case err != nil || r.Form.Get("Action") != "AssumeRoleWithWebIdentity" || r.Header.Get("Authorization") != "":
		code, status = "InvalidAction", http.StatusBadRequest
	case r.Form.Get("RoleArn") != does.Role || r.Form.Get("RoleSessionName") != does.Session:
		code = "AccessDenied"
	case r.Form.Get("WebIdentityToken") != c.token(does.Audience):
		code, status = "IDPRejectedClaim", http.StatusForbidden
	}
	if code != "" {
		w.WriteHeader(status)
		fmt.Fprintf(w, "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>no</Message></Error></ErrorResponse>", code)
		return
	}
	c.given++
	session := ""
	if does.AccessKey == "" {
		session = fmt.Sprint("session-", c.given)
	}
	fmt.Fprintf(w, `<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>
		<AccessKeyId>%s</AccessKeyId><SecretAccessKey>%s</SecretAccessKey><SessionToken>%s</SessionToken><Expiration>%s</Expiration>
		</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
		cmp.Or(does.AccessKey, fmt.Sprint("key-", c.given)), cmp.Or(does.SecretKey, "secret"), session,
		time.Now().Add(cmp.Or(does.Lifetime, time.Hour)).UTC().Format(time.RFC3339Nano))
}
