package oidcauthn_test

import (
	"crypto/elliptic"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"claimcheck.example/internal/oidcauthn"
)

func BenchmarkAuthenticate(b *testing.B) {
	rs, es := rsaKey(0, "rs"), ecKey(b, "es", jose.ES256, elliptic.P256())
	p := newIDP(b, rs, es)
	a := newAuthenticator(b, oidcauthn.Options{Issuers: []string{p.URL}})
	tests := []struct {
		name, token string
		ok          bool
	}{
		{"RS256", rs.sign(b, p.claims(nil), nil), true},
		{"ES256", es.sign(b, p.claims(nil), nil), true},
		{"bad signature", flip(rs.sign(b, p.claims(nil), nil), 2), false},
		{"foreign audience", rs.sign(b, p.claims(map[string]any{"aud": "x"}), nil), false},
		{"rubbish", "x.y.z", false},
	}
	for _, tt := range tests {
		r := withToken(b, tt.token)
		b.Run(tt.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Authenticate(r); tt.ok != (err == nil) {
					b.Fatal(err)
				}
			}
		})
	}
}
