package oidcauthn_test

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/oidcauthn"
)

// TestKeyHeadersAreIgnored sends tokens with the headers that Cloud Foundry's UAA adds to
// each: the issuer's published keys alone decide, and no URL of a token is requested.
func TestKeyHeadersAreIgnored(t *testing.T) {
	t.Parallel()
	good, foreign := rsaKey(0, "good"), rsaKey(1, "good")
	p := newIDP(t, good)
	a := newAuthenticator(t, oidcauthn.Options{Issuers: []string{p.URL}})
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s of the token's header is requested", r.URL)
	}))
	defer elsewhere.Close()
	certificate, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{SerialNumber: big.NewInt(1)}, foreign.private.Public(), foreign.private)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]any{
		"jku": elsewhere.URL + "/token_keys",
		"x5u": elsewhere.URL + "/certificate",
		"x5c": []string{base64.StdEncoding.EncodeToString(certificate)},
	} {
		header := map[string]any{name: value}
		if _, err := a.Authenticate(withToken(t, good.sign(t, p.claims(nil), header))); err != nil {
			t.Errorf("%s: the issuer's token is refused: %v", name, err)
		}
		if _, err := a.Authenticate(withToken(t, foreign.sign(t, p.claims(nil), header))); job.KindOf(err) != job.Unauthenticated {
			t.Errorf("%s: the token of another key: %v", name, err)
		}
	}
}
