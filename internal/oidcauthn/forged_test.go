package oidcauthn_test

import (
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/oidcauthn"
)

// forgery is a token or a request that must be refused.
type forgery struct {
	name string
	// token is sent as "Authorization: Bearer <token>" unless header is set.
	token  string
	header []string
	// cause must be in the log.
	cause string
	// crypto: only the signature is wrong, so the token may reach the key set.
	crypto bool
}

// TestForgedTokens checks that every forgery is refused, that the log has the cause, that
// the client gets one of three fixed sentences, that no byte of the token is in an error
// or log, and that only forgeries with perfect claims cause a request to a provider.
func TestForgedTokens(t *testing.T) {
	t.Parallel()
	good, theirs, foreign := rsaKey(0, "good"), rsaKey(1, "theirs"), rsaKey(2, "good")
	p, other := newIDP(t, good), newIDP(t, theirs)
	valid := good.sign(t, p.claims(nil), nil)
	parts := strings.Split(valid, ".")

	for _, f := range forgeries(t, p, other, good, theirs, foreign, valid, parts) {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			log, logged := debugLog()
			mine, others := newIDP(t, good), newIDP(t, theirs)
			// The issuers in the tokens are p and other; this test asks copies of them, to count
			// requests.
			a := newAuthenticator(t, oidcauthn.Options{
				Issuers: []string{p.URL, other.URL}, Logger: log,
				JWKSURLs: map[string]string{p.URL: mine.URL + "/keys", other.URL: others.URL + "/keys"},
			})
			r := withToken(t, f.token)
			if f.header != nil {
				r.Header["Authorization"] = f.header
			}

			who, err := a.Authenticate(r)
			if err == nil {
				t.Fatalf("let in as %+v", who)
			}
			if job.KindOf(err) != job.Unauthenticated {
				t.Errorf("kind = %v, want unauthenticated: %v", job.KindOf(err), err)
			}
			if !strings.Contains(err.Error(), f.cause) {
				t.Errorf("cause = %q, want it to say %q", err, f.cause)
			}
			if got := mine.fetches.Load() + others.fetches.Load(); !f.crypto && got != 0 {
				t.Errorf("the provider was asked %d times", got)
			}
			seen := err.Error() + logged.String() + a.Challenge(err)
			for _, part := range strings.Split(f.token, ".") {
				if len(part) >= 16 && strings.Contains(seen, part[:16]) {
					t.Errorf("a part of the token shows: %s", seen)
				}
			}
			if c := a.Challenge(err); !strings.HasPrefix(c, `Bearer realm="claimcheck", error="invalid_token", error_description="`) && c != `Bearer realm="claimcheck"` {
				t.Errorf("challenge = %s", c)
			}
		})
	}

	// The table proves something only if the token behind its forgeries is valid.
	a := newAuthenticator(t, oidcauthn.Options{Issuers: []string{p.URL, other.URL}})
	if _, err := a.Authenticate(withToken(t, valid)); err != nil {
		t.Errorf("the good token is refused: %v", err)
	}
}

func forgeries(t *testing.T, p, other *idp, good, theirs, foreign signingKey, valid string, parts []string) []forgery {
	t.Helper()
	claims := func(name string, v any) string { return good.sign(t, p.claims(map[string]any{name: v}), nil) }
	header := func(name string, v any) string { return good.sign(t, p.claims(nil), map[string]any{name: v}) }
	payload := string(mustJSON(t, p.claims(nil)))
	admin := b64(string(mustJSON(t, p.claims(map[string]any{"groups": []string{"operators"}}))))
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }

	fs := []forgery{
		// Algorithms.
		{name: "HS256 with the public key in PEM as secret", token: hmacToken(t, good, payload, "pem"), cause: `algorithm "HS256" is not allowed`},
		{name: "HS256 with the public key in DER as secret", token: hmacToken(t, good, payload, "der"), cause: `algorithm "HS256" is not allowed`},
		{name: "HS256 with the modulus as secret", token: hmacToken(t, good, payload, "modulus"), cause: `algorithm "HS256" is not allowed`},
		{name: "alg missing", token: header("alg", nil), cause: `algorithm "" is not allowed`},
		{name: "alg empty", token: header("alg", ""), cause: `algorithm "" is not allowed`},
		{name: "alg in lower case", token: header("alg", "rs256"), cause: `algorithm "rs256" is not allowed`},
		{name: "alg not a string", token: header("alg", []string{"RS256"}), cause: "header cannot be parsed"},
		{name: "alg of another key type", token: header("alg", "ES256"), cause: "signature is not that of key", crypto: true},
		{name: "alg of another padding", token: header("alg", "PS256"), cause: "signature is not that of key", crypto: true},
		{name: "two algs, one of them none", token: good.signRaw(t, `{"alg":"RS256","alg":"none","kid":"good"}`, payload), cause: "duplicate key"},
		{name: "alg and ALG", token: good.signRaw(t, `{"ALG":"RS256","kid":"good"}`, payload), cause: `algorithm "" is not allowed`},

		// Issuer, audience, times.
		{name: "wrong issuer", token: claims("iss", "https://evil.example"), cause: `issuer "https://evil.example" is not allowed`},
		{name: "issuer with a slash more", token: claims("iss", p.URL+"/"), cause: "is not allowed"},
		{name: "issuer in upper case", token: claims("iss", strings.ToUpper(p.URL)), cause: "is not allowed"},
		{name: "issuer missing", token: claims("iss", nil), cause: `issuer "" is not allowed`},
		{name: "issuer a list", token: claims("iss", []string{p.URL}), cause: "claims cannot be parsed"},
		{name: "foreign audience", token: claims("aud", "another-service"), cause: `is for ["another-service"], not for this service`},
		{name: "audience that begins like ours", token: claims("aud", audience+"-admin"), cause: "not for this service"},
		{name: "foreign audiences", token: claims("aud", []string{"a", "b"}), cause: `is for ["a" "b"]`},
		{name: "audience missing", token: claims("aud", nil), cause: "not for this service"},
		{name: "audience an empty list", token: claims("aud", []string{}), cause: "not for this service"},
		{name: "audience null", token: good.sign(t, strings.Replace(payload, `"aud":"claimcheck"`, `"aud":null`, 1), nil), cause: "claims cannot be parsed"},
		{name: "audience a number", token: claims("aud", 1), cause: "claims cannot be parsed"},
		{name: "expired", token: claims("exp", at(-2*time.Minute)), cause: "expired"},
		{name: "expired long ago", token: claims("exp", 1), cause: "expired"},
		{name: "expires never", token: claims("exp", nil), cause: "never expires"},
		{name: "expires at a word", token: claims("exp", "tomorrow"), cause: "claims cannot be parsed"},
		{name: "expires beyond all numbers", token: good.sign(t, strings.Replace(payload, `"exp":`, `"exp":1e400,"x":`, 1), nil), cause: "claims cannot be parsed"},
		{name: "not yet valid", token: claims("nbf", at(2*time.Minute)), cause: "not valid yet"},
		{name: "issued in the future", token: claims("iat", at(2*time.Minute)), cause: "issued in the future"},
		{name: "no subject", token: claims("sub", nil), cause: "subject of 0 bytes"},
		{name: "empty subject", token: claims("sub", ""), cause: "subject of 0 bytes"},
		{name: "subject too long", token: claims("sub", strings.Repeat("a", 256)), cause: "subject of 256 bytes"},
		{name: "subject a number", token: claims("sub", 42), cause: "claims cannot be parsed"},
		{name: "subject with a NUL", token: claims("sub", "ann\x00"), cause: "character U+0000"},
		{name: "subject with a line feed", token: claims("sub", "ann\nx"), cause: "character U+000A"},
		{name: "subject turned around", token: claims("sub", "ann\u202e"), cause: "character U+202E"},
		{name: "subject not UTF-8", token: good.sign(t, strings.Replace(payload, `"ann"`, "\"ann\xff\"", 1), nil), cause: "character U+FFFD"},
		{name: "groups an object", token: claims("groups", map[string]bool{"operators": true}), cause: `claim "groups" is neither`},
		{name: "two subjects", token: good.sign(t, strings.Replace(payload, `"sub"`, `"sub":"eve","sub"`, 1), nil), cause: "duplicate key"},

		// Keys.
		{name: "unknown key name", token: header("kid", "unknown"), cause: `of key "unknown"`, crypto: true},
		{name: "key name with a path", token: header("kid", "../../dev/null"), cause: `of key "../../dev/null"`, crypto: true},
		{name: "key name with a query", token: header("kid", "' OR 1=1 --"), cause: "of key", crypto: true},
		{name: "key name not a string", token: header("kid", 7), cause: "header cannot be parsed"},
		{name: "another's key under our key's name", token: foreign.sign(t, p.claims(nil), nil), cause: "signature is not that of key", crypto: true},
		{name: "another's key without a name", token: foreign.sign(t, p.claims(nil), map[string]any{"kid": nil}), cause: "no such key", crypto: true},
		{name: "issuer confusion: their key, our issuer", token: theirs.sign(t, p.claims(nil), nil), cause: `of key "theirs"`, crypto: true},
		{name: "issuer confusion: our key, their issuer", token: good.sign(t, other.claims(nil), nil), cause: `of key "good"`, crypto: true},
		{name: "own key in jwk", token: foreign.sign(t, p.claims(nil), map[string]any{"jwk": foreign.public()}), cause: "brings its own key"},
		{name: "own key at jku", token: foreign.sign(t, p.claims(nil), map[string]any{"kid": nil, "jku": other.URL + "/keys"}), cause: "brings its own key"},
		{name: "own certificate at x5u", token: foreign.sign(t, p.claims(nil), map[string]any{"kid": nil, "x5u": other.URL}), cause: "brings its own key"},
		{name: "own certificate in x5c", token: foreign.sign(t, p.claims(nil), map[string]any{"kid": nil, "x5c": []string{"AAAA"}}), cause: "brings its own key"},
		{name: "own key at jku under our key's name", token: foreign.sign(t, p.claims(nil), map[string]any{"jku": other.URL + "/keys"}), cause: "signature is not that of key", crypto: true},
		{name: "own key at jku under its name", token: theirs.sign(t, p.claims(nil), map[string]any{"jku": other.URL + "/keys"}), cause: `of key "theirs"`, crypto: true},
		{name: "critical extension", token: header("crit", []string{"exp"}), cause: "critical extensions"},
		{name: "critical b64", token: good.sign(t, p.claims(nil), map[string]any{"crit": []string{"b64"}, "b64": false}), cause: "critical extensions"},

		// Type.
		{name: "logout token", token: header("typ", "logout+jwt"), cause: "neither JWT nor at+jwt"},
		{name: "proof of possession", token: header("typ", "dpop+jwt"), cause: "neither JWT nor at+jwt"},

		// Bytes.
		{name: "tampered payload", token: parts[0] + "." + admin + "." + parts[2], cause: "signature is not that of key", crypto: true},
		{name: "tampered signature", token: flip(valid, 2), cause: "signature is not that of key", crypto: true},
		{name: "tampered header", token: b64(`{"alg":"RS256","kid":"good","typ":"at+jwt"}`) + "." + parts[1] + "." + parts[2], cause: "signature is not that of key", crypto: true},
		{name: "truncated", token: valid[:len(valid)-10], cause: "signature is not that of key", crypto: true},
		{name: "truncated in the payload", token: valid[:len(parts[0])+20], cause: "2 parts"},
		{name: "signature removed", token: parts[0] + "." + parts[1] + ".", cause: "no signature"},
		{name: "signature and dot removed", token: parts[0] + "." + parts[1], cause: "2 parts"},
		{name: "signature removed by Google", token: parts[0] + "." + parts[1] + ".SIGNATURE_REMOVED_BY_GOOGLE", cause: "AUTH_HEADER"},
		{name: "empty payload", token: parts[0] + ".." + parts[2], cause: "no payload"},
		{name: "empty header", token: "." + parts[1] + "." + parts[2], cause: "no header"},
		{name: "dots alone", token: "..", cause: "no header"},
		{name: "four parts", token: valid + ".AAAA", cause: "4 parts"},
		{name: "encrypted", token: encrypted(t, good, payload), cause: "encrypted"},
		{name: "JSON serialization", token: `{"payload":"` + parts[1] + `"}`, cause: "neither base64url nor a dot"},
		{name: "padded", token: valid + "==", cause: "neither base64url nor a dot"},
		{name: "embedded NUL", token: valid[:30] + "\x00" + valid[30:], cause: "byte 0x00 at 30"},
		{name: "embedded line feed", token: valid + "\n", cause: "neither base64url nor a dot"},
		{name: "embedded space", token: valid + " x", cause: "neither base64url nor a dot"},
		{name: "oversized", token: valid + strings.Repeat("A", 8<<10), cause: "more than 8192"},
		{name: "payload not JSON", token: good.sign(t, "hello", nil), cause: "claims cannot be parsed"},
		{name: "payload a list", token: good.sign(t, "[]", nil), cause: "claims cannot be parsed"},
		{name: "payload null", token: good.sign(t, "null", nil), cause: `issuer "" is not allowed`},
		{name: "payload deep", token: good.sign(t, strings.Repeat("[", 4000), nil), cause: "claims cannot be parsed"},
		{name: "header not JSON", token: b64("{") + "." + parts[1] + "." + parts[2], cause: "header cannot be parsed"},
		{name: "header a list", token: b64("[]") + "." + parts[1] + "." + parts[2], cause: "header cannot be parsed"},
		{name: "header of one character", token: "A." + parts[1] + "." + parts[2], cause: "header is not base64url"},

		// Requests.
		{name: "two headers", token: valid, header: []string{"Bearer " + valid, "Bearer " + valid}, cause: "2 Authorization headers"},
		{name: "two tokens in one header", token: valid, header: []string{"Bearer " + valid + ", Bearer " + valid}, cause: "neither base64url nor a dot"},
		{name: "no header", header: []string{}, cause: "no bearer token"},
		{name: "empty header value", header: []string{""}, cause: "no bearer token"},
		{name: "scheme alone", header: []string{"Bearer"}, cause: "no bearer token"},
		{name: "scheme and space alone", header: []string{"Bearer "}, cause: "1 parts"},
		{name: "another scheme", header: []string{"Basic YW5uOmFubg=="}, cause: "no bearer token"},
		{name: "another scheme with a good token", token: valid, header: []string{"Token " + valid}, cause: "no bearer token"},
		{name: "no scheme", token: valid, header: []string{valid}, cause: "no bearer token"},
		{name: "a tab after the scheme", token: valid, header: []string{"Bearer\t" + valid}, cause: "no bearer token"},
	}
	for _, none := range []string{"none", "None", "NONE", "nOnE", "none ", "\x00none"} {
		head := string(mustJSON(t, map[string]string{"alg": none, "typ": "JWT"}))
		fs = append(fs,
			forgery{name: "alg " + none + " unsigned", token: b64(head) + "." + b64(payload) + ".", cause: "no signature"},
			forgery{name: "alg " + none + " with a signature", token: good.signRaw(t, head, payload), cause: "is not allowed"})
	}
	return fs
}

// hmacToken is signed with HS256, with some form of the provider's public key as the
// secret.
func hmacToken(t *testing.T, k signingKey, payload, form string) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(k.private.Public())
	if err != nil {
		t.Fatal(err)
	}
	secret := der
	switch form {
	case "pem":
		secret = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	case "modulus":
		secret = rsaKeys()[0].N.Bytes()
	}
	input := b64(`{"alg":"HS256","kid":"`+k.kid+`"}`) + "." + b64(payload)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + b64(string(mac.Sum(nil)))
}

// encrypted is a token that anyone with the provider's public key can make.
func encrypted(t *testing.T, k signingKey, payload string) string {
	t.Helper()
	e, err := jose.NewEncrypter(jose.A128GCM, jose.Recipient{Algorithm: jose.RSA_OAEP, Key: k.private.Public()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	o, err := e.Encrypt([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	token, err := o.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// A JWK Set of keys that must not verify tokens: secrets, short keys, keys for
// encryption, private keys, and keys of unknown types.
func TestUnfitKeysAreIgnored(t *testing.T) {
	t.Parallel()
	good := rsaKey(0, "good")
	encryption := rsaKey(1, "enc").public()
	encryption.Use = "enc"
	otherAlg := ecKey(t, "es", jose.ES256, elliptic.P256())
	es := otherAlg.public()
	es.Algorithm = "ES384"
	set := []any{
		jose.JSONWebKey{Key: []byte("a shared secret, thirty-two bytes"), KeyID: "secret"},
		jose.JSONWebKey{Key: rsaKeys()[2], KeyID: "private"},
		encryption, es,
		map[string]string{"kty": "AKP", "kid": "future", "alg": "ML-DSA-44"},
		map[string]string{"kty": "EC", "crv": "secp256k1", "kid": "coin"},
		"nonsense",
		good.public(),
	}
	p := newIDP(t)
	p.setAnswer(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(mustJSON(t, map[string]any{"keys": set}))
	})
	a := newAuthenticator(t, oidcauthn.Options{Issuers: []string{p.URL}, JWKSURLs: map[string]string{p.URL: p.URL}})

	for _, k := range []signingKey{rsaKey(2, "private"), rsaKey(1, "enc"), otherAlg} {
		if _, err := a.Authenticate(withToken(t, k.sign(t, p.claims(nil), nil))); job.KindOf(err) != job.Unauthenticated {
			t.Errorf("%s: error = %v, want unauthenticated", k.kid, err)
		}
	}
	if _, err := a.Authenticate(withToken(t, good.sign(t, p.claims(nil), nil))); err != nil {
		t.Errorf("the good key among them: %v", err)
	}
}

func FuzzAuthenticate(f *testing.F) {
	good := rsaKey(0, "good")
	p := newIDP(f, good)
	valid := good.sign(f, p.claims(nil), nil)
	f.Add("Bearer " + valid)
	f.Add("Bearer " + flip(valid, 2))
	f.Add("Bearer " + good.sign(f, p.claims(map[string]any{"aud": []string{"x", audience}}), nil))
	f.Add("Bearer " + b64(`{"alg":"none"}`) + "." + b64(`{}`) + ".AA")
	f.Add("bearer ..")
	f.Add("")
	a := newAuthenticator(f, oidcauthn.Options{Issuers: []string{p.URL}})

	f.Fuzz(func(t *testing.T, value string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header["Authorization"] = []string{value}
		who, err := a.Authenticate(r)
		if err == nil {
			if who.Issuer != p.URL || who.Subject == "" {
				t.Fatalf("let in as %+v", who)
			}
			return
		}
		if k := job.KindOf(err); k != job.Unauthenticated || job.MessageOf(err) == "" {
			t.Fatalf("kind %v, sentence %q: %v", k, job.MessageOf(err), err)
		}
		if len(err.Error()) > 1000 {
			t.Fatalf("an error of %d bytes", len(err.Error()))
		}
	})
}
