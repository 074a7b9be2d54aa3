package apptest

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc/oidctest"
)

// Provider is an OpenID Connect provider that gives everybody a token for the audience
// claimcheck.
type Provider struct {
	URL string // the issuer's
	key *rsa.PrivateKey
}

// The client that the provider's token endpoint knows.
const ClientID, ClientSecret = "me", "s3cret"

// StartProvider starts a provider that runs until the test ends.
func StartProvider(t *testing.T) Provider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := Provider{key: key}
	s := &oidctest.Server{PublicKeys: []oidctest.PublicKey{{PublicKey: key.Public(), KeyID: "k1", Algorithm: "RS256"}}}
	l := &logins{good: map[string]challenge{}, token: func(subject string) string { return p.Token(subject) }}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /auth", l.authorize) // where its discovery document says, as the next
	mux.Handle("/", s)
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("client_id") == PublicClient {
			l.redeem(w, r)
			return
		}
		id, secret, _ := r.BasicAuth()
		if id != ClientID || secret != ClientSecret || r.FormValue("grant_type") != "client_credentials" || r.FormValue("audience") != "claimcheck" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprintf(w, `{"access_token": %q}`, p.Token(id))
	})
	server := httptest.NewServer(allowPages(mux))
	t.Cleanup(server.Close)
	p.URL = server.URL
	s.SetIssuer(p.URL)
	return p
}

// Token returns a token of a subject in some groups, good for an hour.
func (p Provider) Token(subject string, groups ...string) string {
	claims, err := json.Marshal(map[string]any{
		"iss": p.URL, "aud": "claimcheck", "sub": subject, "groups": groups,
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	})
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return oidctest.SignIDToken(p.key, "k1", "RS256", string(claims))
}

// Bearer is Token as an Authorization header has it.
func (p Provider) Bearer(subject string, groups ...string) string {
	return "Bearer " + p.Token(subject, groups...)
}
