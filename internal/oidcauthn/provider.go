package oidcauthn

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

const (
	// maxDocumentBytes bounds a provider's answer.
	maxDocumentBytes = 1 << 20
	// maxKeys bounds the keys of one issuer, since a token without a key id is tried against
	// each.
	maxKeys = 50
	// minRSABits is the minimum of RFC 7518, section 3.3.
	minRSABits = 2048
	// maxRedirects bounds the redirects on the way to a document.
	maxRedirects = 3
)

// errNoKeys means that no key of a set can sign tokens.
var errNoKeys = errors.New("none of its keys can sign tokens")

// provider fetches an issuer's keys over HTTP.
type provider struct {
	issuer  string
	jwksURL string // empty for an issuer with discovery
	client  *http.Client
}

func newProvider(issuer, jwksURL string, client *http.Client) *provider {
	guarded := *client
	guarded.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects {
			return fmt.Errorf("more than %d redirects", maxRedirects)
		}
		return checkURL(r.URL.String(), issuer)
	}
	return &provider{issuer: issuer, jwksURL: jwksURL, client: &guarded}
}

// fetch returns the issuer's present keys, at least one. It reads the discovery document
// every time, since a provider may move its keys.
func (p *provider) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	u := p.jwksURL
	if u == "" {
		var err error
		if u, err = p.discover(ctx); err != nil {
			return nil, err
		}
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := p.getJSON(ctx, u, &set); err != nil {
		return nil, fmt.Errorf("fetch the keys of %s: %w", p.issuer, err)
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("fetch the keys of %s: it has %d, more than %d", p.issuer, len(set.Keys), maxKeys)
	}
	var list []jose.JSONWebKey
	for _, text := range set.Keys {
		// RFC 7517, section 5: ignore keys of unknown types.
		var k jose.JSONWebKey
		if json.Unmarshal(text, &k) == nil && signs(k) {
			list = append(list, k)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("fetch the keys of %s: %w", p.issuer, errNoKeys)
	}
	return list, nil
}

// discover returns the URL of the issuer's keys (OpenID Connect Discovery 1.0).
func (p *provider) discover(ctx context.Context) (string, error) {
	var document struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	u := strings.TrimSuffix(p.issuer, "/") + "/.well-known/openid-configuration"
	if err := p.getJSON(ctx, u, &document); err != nil {
		return "", fmt.Errorf("discover %s: %w", p.issuer, err)
	}
	if document.Issuer != p.issuer {
		return "", fmt.Errorf("discover %s: the document is that of %.200q; the issuer must be written exactly so", p.issuer, document.Issuer)
	}
	if err := checkURL(document.JWKSURI, p.issuer); err != nil {
		return "", fmt.Errorf("discover %s: jwks_uri %.200q: %w", p.issuer, document.JWKSURI, err)
	}
	return document.JWKSURI, nil
}

func (p *provider) getJSON(ctx context.Context, u string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: status %d", u, resp.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxDocumentBytes+1))
	if err != nil {
		return fmt.Errorf("GET %s: %w", u, err)
	}
	if len(text) > maxDocumentBytes {
		return fmt.Errorf("GET %s: more than %d bytes", u, maxDocumentBytes)
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("GET %s: %w", u, err)
	}
	return nil
}

// signs reports whether k is a public key that may sign tokens.
func signs(k jose.JSONWebKey) bool {
	if !k.Valid() || !k.IsPublic() || k.Use != "" && k.Use != "sig" {
		return false
	}
	if r, ok := k.Key.(*rsa.PublicKey); ok {
		return r.N.BitLen() >= minRSABits
	}
	return true
}

// checkIssuer accepts an issuer that is unambiguous and reachable.
func checkIssuer(issuer string) error {
	if err := checkURL(issuer, issuer); err != nil {
		return err
	}
	// An owner is "issuer|subject", so the first bar must be the separator.
	if strings.ContainsAny(issuer, "|?#") {
		return errors.New("it has one of | ? #")
	}
	return nil
}

// checkURL accepts an absolute https URL, and an http URL on loopback if issuer is one,
// too: a remote provider must not point at local services.
func checkURL(s, issuer string) error {
	u, err := url.Parse(s)
	if err != nil {
		return errors.New("it is not a URL")
	}
	switch {
	case u.Host == "" || u.User != nil:
		return errors.New("it is not an absolute URL of a host")
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && loopback(u):
		if i, err := url.Parse(issuer); err == nil && i.Scheme == "http" && loopback(i) {
			return nil
		}
	}
	return errors.New("it does not begin with https:// (http:// is for providers on loopback alone)")
}

func loopback(u *url.URL) bool {
	if u.Hostname() == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(u.Hostname())
	return err == nil && a.IsLoopback()
}
