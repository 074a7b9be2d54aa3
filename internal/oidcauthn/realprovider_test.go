package oidcauthn_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/oidcauthn"
)

// realStorage makes zitadel's provider issue signed tokens for client credentials, with
// groups, and rotate its key.
type realStorage struct {
	*storage.Storage

	mu  sync.Mutex
	key signingKey
}

// realKey is a signingKey in the form that the provider's storage needs, private or
// public.
type realKey struct {
	signingKey
	half any
}

func (k realKey) ID() string                                  { return k.kid }
func (k realKey) Key() any                                    { return k.half }
func (k realKey) Use() string                                 { return "sig" }
func (k realKey) Algorithm() jose.SignatureAlgorithm          { return k.alg }
func (k realKey) SignatureAlgorithm() jose.SignatureAlgorithm { return k.alg }

func (s *realStorage) rotate(k signingKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key = k
}

func (s *realStorage) current() signingKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.key
}

func (s *realStorage) SigningKey(context.Context) (op.SigningKey, error) {
	k := s.current()
	return realKey{k, k.private}, nil
}

func (s *realStorage) KeySet(context.Context) ([]op.Key, error) {
	k := s.current()
	return []op.Key{realKey{k, k.private.Public()}}, nil
}

// jwtClient requests access tokens that are JWTs; by default the provider's are opaque.
type jwtClient struct{ op.Client }

func (jwtClient) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }

func (s *realStorage) ClientCredentials(ctx context.Context, id, secret string) (op.Client, error) {
	c, err := s.Storage.ClientCredentials(ctx, id, secret)
	return jwtClient{c}, err
}

func (s *realStorage) ClientCredentialsTokenRequest(_ context.Context, id string, scopes []string) (op.TokenRequest, error) {
	return &clientRequest{subject: id, scopes: scopes}, nil
}

func (s *realStorage) GetPrivateClaimsFromScopes(context.Context, string, string, []string) (map[string]any, error) {
	return map[string]any{"groups": []string{"operators"}}, nil
}

type clientRequest struct {
	subject string
	scopes  []string
}

func (r *clientRequest) GetSubject() string    { return r.subject }
func (r *clientRequest) GetAudience() []string { return []string{audience, "else"} }
func (r *clientRequest) GetScopes() []string   { return r.scopes }

// newRealProvider serves zitadel's OpenID provider on loopback.
func newRealProvider(t *testing.T, k signingKey) (issuer string, s *realStorage, stop func()) {
	t.Helper()
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)

	s = &realStorage{Storage: storage.NewStorage(storage.NewUserStore(server.URL)), key: k}
	config := &op.Config{CryptoKey: sha256.Sum256([]byte("test")), AuthMethodPost: true}
	provider, err := op.NewProvider(config, s, op.StaticIssuer(server.URL), op.WithAllowInsecure())
	if err != nil {
		t.Fatal(err)
	}
	handler = provider
	return server.URL, s, server.Close
}

// clientToken requests a token by client credentials.
func clientToken(t *testing.T, issuer string) string {
	t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"openid"}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, issuer+"/oauth/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth("sid1", "verysecret")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.AccessToken == "" {
		t.Fatalf("no token: %v in %s", err, body)
	}
	return answer.AccessToken
}

// The token of a real provider is accepted; when the provider rotates its key, a new
// token is accepted without a restart; when the provider goes away, tokens are still
// accepted.
func TestRealProvider(t *testing.T) {
	t.Parallel()
	issuer, s, stop := newRealProvider(t, rsaKey(0, "first"))
	a := newAuthenticator(t, oidcauthn.Options{Issuers: []string{issuer}, Clock: time.Now, RefetchInterval: time.Nanosecond})
	want := job.Principal{Issuer: issuer, Subject: "sid1", Groups: []string{"operators"}}
	check := func(token string) {
		t.Helper()
		got, err := a.Authenticate(withToken(t, token))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("principal (-want +got):\n%s", diff)
		}
	}

	first := clientToken(t, issuer)
	check(first)

	s.rotate(rsaKey(1, "second"))
	second := clientToken(t, issuer)
	check(second)
	if _, err := a.Authenticate(withToken(t, first)); job.KindOf(err) != job.Unauthenticated {
		t.Errorf("a token of the withdrawn key: %v", err)
	}

	stop()
	check(second)

	// Another service's audience at the same provider.
	elsewhere := newAuthenticator(t, oidcauthn.Options{Issuers: []string{issuer}, Audiences: []string{"billing"}, Clock: time.Now})
	if _, err := elsewhere.Authenticate(withToken(t, second)); job.KindOf(err) != job.Unauthenticated {
		t.Errorf("at another service: %v", err)
	}
}
