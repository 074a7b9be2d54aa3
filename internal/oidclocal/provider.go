// Package oidclocal is an OpenID Connect provider on loopback for trials: two users and an
// administrator, who sign in without a password. It keeps nothing, and each start has
// another key.
package oidclocal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/rs/cors"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"

	"claimcheck.example/internal/loopback"
)

const (
	// Client is the public client of the page, and the audience of every token.
	Client = "claimcheck"
	// Scopes are those that the page asks for. The second one brings a refresh token.
	Scopes = "openid offline_access"
	// Admins is the group of the administrator, in the claim groups.
	Admins = "admins"
	// TokenLife is how long a token of Token is valid.
	TokenLife = 12 * time.Hour
)

// User is one who can sign in.
type User struct {
	Name   string // also the subject
	Groups []string
}

// Users are all of them.
var Users = []User{{Name: "ada"}, {Name: "ben"}, {Name: "admin", Groups: []string{Admins}}}

// Provider is a provider that is not served yet.
type Provider struct {
	// URL is the issuer's.
	URL      string
	listener net.Listener
	store    *store
	handler  http.Handler
}

// Listen returns a provider at a loopback address. Pages are the origins whose users sign
// in, and read the tokens; each has the page at its root.
func Listen(ctx context.Context, addr string, pages []string) (*Provider, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	p := &Provider{URL: "http://" + l.Addr().String(), listener: l, store: newStore(pages)}
	if err := p.build(pages); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return p, nil
}

func (p *Provider) build(pages []string) error {
	config := &op.Config{CodeMethodS256: true, GrantTypeRefreshToken: true}
	if _, err := rand.Read(config.CryptoKey[:]); err != nil {
		return err
	}
	provider, err := op.NewProvider(config, p.store, op.StaticIssuer(p.URL), op.WithAllowInsecure(), op.WithCORSOptions(&cors.Options{
		AllowedOrigins: pages, AllowedMethods: []string{http.MethodGet, http.MethodPost}, AllowedHeaders: []string{"Accept", "Content-Type"},
	}))
	if err != nil {
		return fmt.Errorf("make the OpenID provider: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", provider)
	mux.Handle("/login", op.NewIssuerInterceptor(provider.IssuerFromRequest).Handler(login{p.store, op.AuthCallbackURL(provider)}))
	guarded := http.NewCrossOriginProtection() // no page signs its visitor in
	guarded.AddInsecureBypassPattern(provider.TokenEndpoint().Relative())
	inner := guarded.Handler(mux)
	p.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !loopback.Host(r.Host) {
			http.Error(w, "this provider answers to names of this machine alone", http.StatusMisdirectedRequest)
			return
		}
		inner.ServeHTTP(w, r)
	})
	return nil
}

// Serve answers until ctx ends.
func (p *Provider) Serve(ctx context.Context) error {
	server := &http.Server{Handler: p.handler, ReadTimeout: 15 * time.Second, WriteTimeout: 15 * time.Second}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(p.listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Close closes a provider that is not served.
func (p *Provider) Close() { p.listener.Close() }

// Token returns a token of a user.
func (p *Provider) Token(ctx context.Context, u User) (string, error) {
	key, err := p.store.SigningKey(ctx)
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: key.SignatureAlgorithm(), Key: jose.JSONWebKey{Key: key.Key(), KeyID: key.ID()}}, new(jose.SignerOptions).WithType("JWT"))
	if err != nil {
		return "", err
	}
	now := time.Now()
	return jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: p.URL, Subject: u.Name, Audience: jwt.Audience{Client}, IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(TokenLife)),
	}).Claims(groupsOf(u)).Serialize()
}

func groupsOf(u User) map[string]any {
	return map[string]any{"groups": append([]string{}, u.Groups...)}
}

// store is the provider's memory, with our users and our one client.
type store struct {
	*storage.Storage
	pages []string
}

func newStore(pages []string) *store {
	return &store{storage.NewStorageWithClients(users{}, nil), pages}
}

// users are Users as the storage asks for them.
type users struct{}

func (users) ExampleClientID() string { return "" }

func (users) GetUserByUsername(name string) *storage.User { return users{}.GetUserByID(name) }

func (users) GetUserByID(id string) *storage.User {
	for _, u := range Users {
		if u.Name == id {
			return &storage.User{ID: id, Username: id, FirstName: id}
		}
	}
	return nil
}

// client is the page's: public, with PKCE, for tokens that are JWTs.
type client struct{ *storage.Client }

// A native client may be sent back to any port of loopback (RFC 8252, 7.3), a client of this
// type to the redirects alone; DevMode lets those be http.
func (client) ApplicationType() op.ApplicationType { return op.ApplicationTypeUserAgent }
func (client) DevMode() bool                       { return true }

func (client) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }
func (client) LoginURL(id string) string           { return "/login?id=" + id }

// GetClientByClientID implements op.Storage.
func (s *store) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	if id != Client {
		return nil, errors.New("client not found")
	}
	redirects := make([]string, len(s.pages))
	for i, page := range s.pages {
		redirects[i] = page + "/"
	}
	return client{storage.NativeClient(id, redirects...)}, nil
}

// AuthorizeClientIDSecret implements op.Storage: no client has a secret.
func (s *store) AuthorizeClientIDSecret(context.Context, string, string) error {
	return errors.New("this client has no secret")
}

// GetPrivateClaimsFromScopes implements op.Storage.
func (s *store) GetPrivateClaimsFromScopes(_ context.Context, id, _ string, _ []string) (map[string]any, error) {
	for _, u := range Users {
		if u.Name == id {
			return groupsOf(u), nil
		}
	}
	return nil, errors.New("user not found")
}
