package oidcauthn_test

import (
	"strings"
	"testing"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/oidcauthn"
)

// TestAuthorizedParties checks that a token of another client is refused when clients are
// named, and accepted when none is.
func TestAuthorizedParties(t *testing.T) {
	t.Parallel()
	key := rsaKey(0, "rs")
	p := newIDP(t, key)
	tests := []struct {
		name   string
		claims map[string]any
		good   bool
	}{
		{"the client", map[string]any{"azp": "web"}, true},
		{"the other client", map[string]any{"azp": "cli"}, true},
		{"the client of an access token", map[string]any{"client_id": "web"}, true},
		{"azp before client_id", map[string]any{"azp": "web", "client_id": "evil"}, true},
		{"another client", map[string]any{"azp": "evil"}, false},
		{"another client beside ours", map[string]any{"azp": "evil", "client_id": "web"}, false},
		{"another client of an access token", map[string]any{"client_id": "evil"}, false},
		{"a longer name", map[string]any{"azp": "web2"}, false},
		{"another case", map[string]any{"azp": "Web"}, false},
		{"no client", nil, false},
		{"a list", map[string]any{"azp": []string{"web"}}, false},
		{"a number", map[string]any{"client_id": 7}, false},
	}
	named := newAuthenticator(t, oidcauthn.Options{Issuers: []string{p.URL}, AuthorizedParties: []string{"web", "cli"}})
	open := newAuthenticator(t, oidcauthn.Options{Issuers: []string{p.URL}})
	for _, tt := range tests {
		token := key.sign(t, p.claims(tt.claims), nil)
		_, err := named.Authenticate(withToken(t, token))
		if (err == nil) != tt.good || err != nil && (job.KindOf(err) != job.Unauthenticated || !strings.Contains(err.Error(), "authorized parties")) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if _, err := open.Authenticate(withToken(t, token)); err != nil {
			t.Errorf("%s, where no client is named: %v", tt.name, err)
		}
	}
	if _, err := oidcauthn.New(oidcauthn.Options{Issuers: []string{p.URL}, Audiences: []string{"a"}, AuthorizedParties: []string{""}}); err == nil {
		t.Error("an empty party is taken")
	}
}
