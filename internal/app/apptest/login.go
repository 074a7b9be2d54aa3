package apptest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"sync"

	"github.com/google/uuid"
)

// PublicClient is a client of the provider without a secret. Its users sign in by the
// authorization code flow with PKCE, all of them as alice.
const PublicClient = "page"

// logins are the authorization codes and refresh tokens of a provider that are good once.
type logins struct {
	mu    sync.Mutex           // guards good
	good  map[string]challenge // by code or refresh token
	token func(subject string) string
}

type challenge struct{ s256, redirectURI string }

func (l *logins) issue(c challenge) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	code := uuid.NewString()
	l.good[code] = c
	return code
}

func (l *logins) take(code string) (c challenge, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c, ok = l.good[code]
	delete(l.good, code)
	return c, ok
}

// authorize answers where the provider's discovery document says, as one does with which a
// user has a session already.
func (l *logins) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || q.Get("client_id") != PublicClient || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" {
		http.Error(w, "wrong request", http.StatusBadRequest)
		return
	}
	answer := url.Values{"state": {q.Get("state")}}
	if q.Get("scope") == "refused" {
		answer.Set("error", "access_denied")
		answer.Set("error_description", "the account is locked")
	} else {
		answer.Set("code", l.issue(challenge{q.Get("code_challenge"), back.String()}))
	}
	back.RawQuery = answer.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

// redeem answers a public client's request to the token endpoint.
func (l *logins) redeem(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	refuse := func(why string) {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": why})
	}
	switch grant := r.FormValue("grant_type"); grant {
	case "authorization_code":
		c, ok := l.take(r.FormValue("code"))
		sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
		if !ok || c.redirectURI != r.FormValue("redirect_uri") || c.s256 != base64.RawURLEncoding.EncodeToString(sum[:]) {
			refuse("invalid_grant")
			return
		}
	case "refresh_token":
		if _, ok := l.take(r.FormValue("refresh_token")); !ok {
			refuse("invalid_grant")
			return
		}
	default:
		refuse("unsupported_grant_type")
		return
	}
	// The access token is opaque, as some providers' are; the ID token is for the service.
	_ = json.NewEncoder(w).Encode(map[string]any{
		"token_type": "Bearer", "access_token": "opaque", "id_token": l.token("alice"), "refresh_token": l.issue(challenge{}),
	})
}

// allowPages lets the pages of every origin read the answers, as providers do for the
// public clients that they know.
func allowPages(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		next.ServeHTTP(w, r)
	})
}
