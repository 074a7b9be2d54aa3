package oidcauthn_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"claimcheck.example/internal/oidcauthn"
)

// now is the time of tests with their own clock.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const audience = "claimcheck"

// signingKey signs under a key id.
type signingKey struct {
	kid     string
	alg     jose.SignatureAlgorithm
	private crypto.Signer
}

var rsaKeys = sync.OnceValue(func() []*rsa.PrivateKey {
	ks := make([]*rsa.PrivateKey, 3)
	for i := range ks {
		ks[i], _ = rsa.GenerateKey(rand.Reader, 2048)
	}
	return ks
})

func rsaKey(i int, kid string) signingKey { return signingKey{kid, jose.RS256, rsaKeys()[i]} }

func ecKey(t testing.TB, kid string, alg jose.SignatureAlgorithm, c elliptic.Curve) signingKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signingKey{kid, alg, k}
}

func edKey(t testing.TB, kid string) signingKey {
	t.Helper()
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signingKey{kid, jose.EdDSA, k}
}

func (k signingKey) public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.private.Public(), KeyID: k.kid, Use: "sig"}
}

// sign returns a token with these claims, signed by k. Header values in extra replace
// alg, kid and typ or are added; nil removes one.
func (k signingKey) sign(t testing.TB, claims any, extra map[string]any) string {
	t.Helper()
	payload, ok := claims.(string)
	if !ok {
		payload = string(mustJSON(t, claims))
	}
	head := map[string]any{"alg": string(k.alg), "kid": k.kid, "typ": "JWT"}
	for name, v := range extra {
		head[name] = v
		if v == nil {
			delete(head, name)
		}
	}
	return k.signRaw(t, string(mustJSON(t, head)), payload)
}

// signRaw signs exactly these texts of header and payload; go-jose's signer would write
// its own header.
func (k signingKey) signRaw(t testing.TB, head, payload string) string {
	t.Helper()
	input := b64(head) + "." + b64(payload)
	return input + "." + base64.RawURLEncoding.EncodeToString(k.signature(t, []byte(input)))
}

func (k signingKey) signature(t testing.TB, input []byte) []byte {
	t.Helper()
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[string(k.alg[2:])]
	digest := input
	if hash != 0 { // EdDSA hashes by itself
		h := hash.New()
		h.Write(input)
		digest = h.Sum(nil)
	}
	var opts crypto.SignerOpts = hash
	if strings.HasPrefix(string(k.alg), "PS") {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
	}
	if e, ok := k.private.(*ecdsa.PrivateKey); ok {
		r, s, err := ecdsa.Sign(rand.Reader, e, digest)
		if err != nil {
			t.Fatal(err)
		}
		size := (e.Curve.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	}
	sig, err := k.private.Sign(rand.Reader, digest, opts)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// idp is a provider that counts requests and can be made to fail.
type idp struct {
	*httptest.Server
	discoveries, fetches atomic.Int64

	mu   sync.Mutex
	keys []jose.JSONWebKey
	// answer, when set, handles every request instead.
	answer http.HandlerFunc
	// hold, when set, blocks every request for the keys until it is closed.
	hold chan struct{}
}

func newIDP(t testing.TB, keys ...signingKey) *idp {
	t.Helper()
	p := &idp{}
	p.publish(keys...)
	p.Server = httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(p.Close)
	return p
}

// publish replaces the provider's keys.
func (p *idp) publish(keys ...signingKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = nil
	for _, k := range keys {
		p.keys = append(p.keys, k.public())
	}
}

func (p *idp) setAnswer(h http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = h
}

func (p *idp) serve(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	answer, hold, set := p.answer, p.hold, jose.JSONWebKeySet{Keys: p.keys}
	p.mu.Unlock()
	discovery := r.URL.Path == "/.well-known/openid-configuration"
	if discovery {
		p.discoveries.Add(1)
	} else {
		p.fetches.Add(1)
	}
	switch {
	case answer != nil:
		answer(w, r)
	case discovery:
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": p.URL, "jwks_uri": p.URL + "/keys"})
	case r.URL.Path == "/keys":
		if hold != nil {
			<-hold
		}
		_ = json.NewEncoder(w).Encode(set)
	default:
		http.NotFound(w, r)
	}
}

// claims returns valid claims of the provider, with changes; nil removes one.
func (p *idp) claims(changes map[string]any) map[string]any {
	c := map[string]any{
		"iss": p.URL, "sub": "ann", "aud": audience,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

// clock is a clock that tests advance.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time          { return now.Add(time.Duration(c.offset.Load())) }
func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }

// syncBuffer is a log for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func newAuthenticator(t testing.TB, o oidcauthn.Options) *oidcauthn.Authenticator {
	t.Helper()
	if o.Audiences == nil {
		o.Audiences = []string{audience}
	}
	if o.Clock == nil {
		o.Clock = func() time.Time { return now }
	}
	a, err := oidcauthn.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// withToken returns a request with the token.
func withToken(t testing.TB, token string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/jobs", nil)
	r.Header["Authorization"] = []string{"Bearer " + token}
	return r
}

// debugLog returns a logger at the lowest level, and its output.
func debugLog() (*slog.Logger, *syncBuffer) {
	b := &syncBuffer{}
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug})), b
}

// flip changes the last but one character of part i (0..2) of a token: the very last one
// can contain unused bits.
func flip(token string, i int) string {
	parts := strings.Split(token, ".")
	b := []byte(parts[i])
	at := len(b) - 2
	if b[at] == 'A' {
		b[at] = 'B'
	} else {
		b[at] = 'A'
	}
	parts[i] = string(b)
	return strings.Join(parts, ".")
}
