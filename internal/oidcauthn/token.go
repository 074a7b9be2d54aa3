package oidcauthn

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
	"github.com/go-jose/go-jose/v4/jwt"

	"claimcheck.example/internal/job"
)

// maxTokenBytes bounds the header with the token. Real tokens have one or two thousand
// bytes.
const maxTokenBytes = 8 << 10

// algorithms are the accepted signature algorithms, all asymmetric. Neither a provider
// nor a token can add to them.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512,
	jose.PS256, jose.PS384, jose.PS512,
	jose.ES256, jose.ES384, jose.ES512,
	jose.EdDSA,
}

// removedSignature replaces the signature of a token that Cloud Run has verified itself.
// https://cloud.google.com/run/docs/troubleshooting#signature-removed
const removedSignature = "SIGNATURE_REMOVED_BY_GOOGLE"

// token is a token that is valid apart from its signature, which is not yet verified.
type token struct {
	signed *jwt.JSONWebToken
	header header
	claims claims
	groups []string
}

// principal returns the subject of the token.
func (t *token) principal() job.Principal {
	return job.Principal{
		Issuer:        t.claims.Issuer,
		Subject:       t.claims.Subject,
		Groups:        t.groups,
		Email:         t.claims.Email,
		EmailVerified: bool(t.claims.EmailVerified),
	}
}

// bearer returns the token in h.
func (a *Authenticator) bearer(h http.Header) (string, error) {
	values := h[a.header]
	if len(values) == 0 || len(values) == 1 && values[0] == "" {
		return "", a.noToken()
	}
	if len(values) > 1 {
		return "", refuse("the request has %d %s headers", len(values), a.header)
	}
	if len(values[0]) > maxTokenBytes {
		return "", refuse("the %s header has %d bytes, more than %d", a.header, len(values[0]), maxTokenBytes)
	}
	scheme, rest, spaced := strings.Cut(values[0], " ")
	switch {
	case spaced && strings.EqualFold(scheme, "Bearer"):
		return strings.TrimLeft(rest, " "), nil
	case !spaced && a.header != "Authorization":
		return values[0], nil
	default:
		return "", a.noToken()
	}
}

// noToken is the refusal of a request without a token. It names a header other than the
// usual one.
func (a *Authenticator) noToken() error {
	sentence := sentenceNone
	if a.header != "Authorization" {
		sentence += ", in the header " + a.header
	}
	return job.Wrap(job.Unauthenticated, errNoToken, sentence)
}

// inspect checks everything about a token but its signature. It does no input or output
// and no cryptography.
func (a *Authenticator) inspect(raw string) (*token, error) {
	if err := checkShape(raw); err != nil {
		return nil, err
	}
	h, err := parseHeader(raw)
	if err != nil {
		return nil, err
	}
	signed, err := jwt.ParseSigned(raw, algorithms)
	if err != nil {
		return nil, refuse("the token cannot be parsed: %.100s", err)
	}
	t := &token{signed: signed, header: h}
	var byName map[string]json.RawMessage
	if err := signed.UnsafeClaimsWithoutVerification(&t.claims, &byName); err != nil {
		return nil, refuse("the token's claims cannot be parsed: %.100s", err)
	}
	if err := a.checkClaims(&t.claims); err != nil {
		return nil, err
	}
	if t.groups, err = groupsAt(byName, a.groupsClaim); err != nil {
		return nil, refuse("the token's claim %q is neither a string nor a list of strings", a.groupsClaim)
	}
	return t, nil
}

// checkShape accepts exactly three parts of base64url, without white space.
func checkShape(raw string) error {
	for i := range len(raw) {
		c := raw[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.') {
			return refuse("the token has a byte %#02x at %d, which is neither base64url nor a dot", c, i)
		}
	}
	parts := strings.Split(raw, ".")
	if len(parts) == 5 {
		return refuse("the token is encrypted (five parts), not signed (three)")
	}
	if len(parts) != 3 {
		return refuse("the token has %d parts, not three", len(parts))
	}
	for i, name := range []string{"header", "payload", "signature"} {
		if parts[i] == "" {
			return refuse("the token has no %s", name)
		}
	}
	if parts[2] == removedSignature {
		return refuse("Cloud Run has verified the token itself and removed its signature: send the token in another header that Cloud Run leaves unchanged, and set AUTH_HEADER to that header")
	}
	return nil
}

// header has the checked fields of a token's header.
type header struct {
	Alg  jose.SignatureAlgorithm `json:"alg"`
	Kid  string                  `json:"kid"`
	Type string                  `json:"typ"`
	// The presence of one of these refuses the token.
	Crit json.RawMessage `json:"crit"`
	JWK  json.RawMessage `json:"jwk"`
	// Some providers send these with every token. They are never used, and refuse a token
	// that does not name its key.
	JKU json.RawMessage `json:"jku"`
	X5C json.RawMessage `json:"x5c"`
	X5U json.RawMessage `json:"x5u"`
}

// parseHeader decodes and checks the header of a token that has three parts. The decoder,
// go-jose's own, is case-sensitive and refuses duplicate names, so that two readers of
// one token cannot see two headers.
func parseHeader(raw string) (header, error) {
	encoded, _, _ := strings.Cut(raw, ".")
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return header{}, refuse("the token's header is not base64url: %w", err)
	}
	var h header
	if err := json.Unmarshal(text, &h); err != nil {
		return header{}, refuse("the token's header cannot be parsed: %.100s", err)
	}
	switch strings.TrimPrefix(strings.ToLower(h.Type), "application/") {
	case "", "jwt", "at+jwt":
	default:
		return header{}, refuse("the token's type %.40q is neither JWT nor at+jwt", h.Type)
	}
	switch {
	case !slices.Contains(algorithms, h.Alg):
		return header{}, refuse("the token's algorithm %.40q is not allowed", h.Alg)
	case h.Crit != nil:
		return header{}, refuse("the token's header has critical extensions (crit), and none is understood")
	case h.JWK != nil, h.Kid == "" && (h.JKU != nil || h.X5C != nil || h.X5U != nil):
		// An attacker hopes for a verifier that trusts them.
		return header{}, refuse("the token brings its own key (jwk, or jku, x5c or x5u without kid)")
	}
	return h, nil
}
