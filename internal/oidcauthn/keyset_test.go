package oidcauthn_test

import (
	"context"
	"crypto/elliptic"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/oidcauthn"
)

func down(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "out of order", http.StatusServiceUnavailable)
}

// keyTest is an authenticator of one provider, with a clock that the test advances.
type keyTest struct {
	*testing.T
	*idp
	clock clock
	a     *oidcauthn.Authenticator
	log   *syncBuffer
}

func newKeyTest(t *testing.T, ks ...signingKey) *keyTest {
	t.Helper()
	kt := &keyTest{T: t, idp: newIDP(t, ks...)}
	logger, log := debugLog()
	kt.log = log
	kt.a = newAuthenticator(t, oidcauthn.Options{
		Issuers: []string{kt.URL}, Clock: kt.clock.now, Logger: logger,
		KeyLifetime: time.Hour, KeyRetention: 24 * time.Hour, RefetchInterval: 15 * time.Second,
	})
	return kt
}

// send authenticates with a valid token signed by k.
func (kt *keyTest) send(k signingKey) error {
	kt.Helper()
	c := kt.claims(map[string]any{"exp": kt.clock.now().Add(time.Minute).Unix()})
	_, err := kt.a.Authenticate(withToken(kt.T, k.sign(kt.T, c, nil)))
	return err
}

// want checks the kind of an error, with Unknown for none, and the number of fetches so
// far.
func (kt *keyTest) want(err error, kind job.Kind, fetches int64) {
	kt.Helper()
	if job.KindOf(err) != kind {
		kt.Errorf("kind = %v, want %v: %v", job.KindOf(err), kind, err)
	}
	if got := kt.fetches.Load(); got != fetches {
		kt.Errorf("%d fetches, want %d", got, fetches)
	}
}

const none = job.Unknown

func TestKeysAreFetchedOnceAndRenewed(t *testing.T) {
	t.Parallel()
	k := rsaKey(0, "k")
	kt := newKeyTest(t, k)
	for range 5 {
		kt.want(kt.send(k), none, 1)
	}
	kt.clock.advance(time.Hour - time.Second)
	kt.want(kt.send(k), none, 1)
	kt.clock.advance(time.Second)
	kt.want(kt.send(k), none, 2)
	if got := kt.discoveries.Load(); got != 2 {
		t.Errorf("%d discoveries, want 2", got)
	}
}

// Providers show a new key first in a token: it is accepted at once, without a restart,
// and the old one is gone when the provider no longer has it.
func TestRotation(t *testing.T) {
	t.Parallel()
	old, young := rsaKey(0, "old"), rsaKey(1, "young")
	kt := newKeyTest(t, old)
	kt.want(kt.send(old), none, 1)
	kt.clock.advance(time.Minute)

	kt.publish(old, young)
	kt.want(kt.send(young), none, 2)
	kt.want(kt.send(old), none, 2)

	kt.clock.advance(time.Minute)
	kt.publish(young)
	kt.want(kt.send(old), none, 2) // withdrawn, but the withdrawal is not known yet
	kt.clock.advance(time.Hour)
	kt.want(kt.send(old), job.Unauthenticated, 3)
	kt.want(kt.send(young), none, 3)
}

// A provider without key ids can rotate its keys, too.
func TestRotationWithoutNames(t *testing.T) {
	t.Parallel()
	old, young := rsaKey(0, ""), rsaKey(1, "")
	kt := newKeyTest(t, old)
	kt.want(kt.send(old), none, 1)
	kt.clock.advance(time.Minute)
	kt.publish(young)
	kt.want(kt.send(young), none, 2)
}

func TestUnknownKeyNamesAreBounded(t *testing.T) {
	t.Parallel()
	k, evil := rsaKey(0, "k"), ecKey(t, "", jose.ES256, elliptic.P256())
	kt := newKeyTest(t, k)
	kt.want(kt.send(k), none, 1)
	kt.clock.advance(time.Minute)
	for i := range 1000 {
		evil.kid = fmt.Sprintf("made-up-%d", i)
		kt.want(kt.send(evil), job.Unauthenticated, min(2+int64(i), 5)) // the due fetch, and three early ones
		kt.clock.advance(time.Millisecond)
	}
	// Valid tokens are not affected, and a new key is found after at most one interval.
	kt.want(kt.send(k), none, 5)
	young := rsaKey(2, "young")
	kt.publish(k, young)
	kt.want(kt.send(young), job.Unauthenticated, 5)
	kt.clock.advance(15 * time.Second)
	kt.want(kt.send(young), none, 6)
}

// TestKeysPublishedAfterAFetch rotates the keys within one interval: their tokens are
// accepted at once.
func TestKeysPublishedAfterAFetch(t *testing.T) {
	t.Parallel()
	k := rsaKey(0, "k")
	kt := newKeyTest(t, k)
	kt.want(kt.send(k), none, 1)
	for i := range int64(3) {
		kt.clock.advance(time.Second)
		young := rsaKey(1, fmt.Sprintf("young-%d", i))
		kt.publish(k, young)
		kt.want(kt.send(young), none, 2+i)
	}
	kt.clock.advance(time.Second)
	last := rsaKey(2, "last")
	kt.publish(k, last)
	kt.want(kt.send(last), job.Unauthenticated, 4) // the budget is spent
	kt.clock.advance(15 * time.Second)
	kt.want(kt.send(last), none, 5)
}

func TestBadSignaturesNeverFetch(t *testing.T) {
	t.Parallel()
	k, evil := rsaKey(0, "k"), rsaKey(1, "k")
	kt := newKeyTest(t, k)
	kt.want(kt.send(k), none, 1)
	kt.clock.advance(time.Minute)
	for range 100 {
		kt.want(kt.send(evil), job.Unauthenticated, 1)
	}
}

func TestStampede(t *testing.T) {
	t.Parallel()
	const crowd = 100
	k := rsaKey(0, "k")
	kt := newKeyTest(t, k)
	kt.hold = make(chan struct{})
	token := k.sign(t, kt.claims(nil), nil)

	errs := make(chan error, crowd)
	var ready sync.WaitGroup
	ready.Add(crowd)
	for range crowd {
		go func() {
			ready.Done()
			_, err := kt.a.Authenticate(withToken(t, token))
			errs <- err
		}()
	}
	ready.Wait()
	close(kt.hold)
	for range crowd {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	kt.want(nil, none, 1)
}

// Before the first fetch, tokens of a provider that is down are unavailable, not refused;
// not each of them causes a request.
func TestProviderDownAtTheStart(t *testing.T) {
	t.Parallel()
	k := rsaKey(0, "k")
	kt := newKeyTest(t, k)
	kt.setAnswer(down)
	for range 10 {
		err := kt.send(k)
		kt.want(err, job.Unavailable, 0)
		if e, ok := err.(*job.Error); !ok || e.RetryAfter <= 0 || e.RetryAfter > 15*time.Second || e.Message == "" {
			t.Errorf("error = %#v, want a sentence and when to try again", err)
		}
	}
	if got := kt.discoveries.Load(); got != 1 {
		t.Errorf("%d discoveries, want 1", got)
	}
	if !strings.Contains(kt.log.String(), "status 503") {
		t.Errorf("the log does not say why: %s", kt.log)
	}
	kt.setAnswer(nil)
	kt.clock.advance(15 * time.Second)
	kt.want(kt.send(k), none, 1)
}

// When a provider is down, tokens of known keys stay valid, and other providers are not
// affected.
func TestProviderDownLater(t *testing.T) {
	t.Parallel()
	k, young := rsaKey(0, "k"), rsaKey(1, "young")
	kt := newKeyTest(t, k)
	kt.want(kt.send(k), none, 1)
	kt.setAnswer(down)
	for range 23 {
		kt.clock.advance(time.Hour)
		kt.want(kt.send(k), none, 1)
	}
	if !strings.Contains(kt.log.String(), "the old ones stay") {
		t.Errorf("the log does not say so: %s", kt.log)
	}
	// An unknown key may be a new one: later, not never. Many of them ask the provider no more.
	asked := kt.discoveries.Load()
	for range 10 {
		kt.want(kt.send(young), job.Unavailable, 1)
	}
	if got := kt.discoveries.Load(); got != asked {
		t.Errorf("%d requests for unknown keys, want none", got-asked)
	}
	// Old keys do not stay valid forever.
	kt.clock.advance(time.Hour)
	kt.want(kt.send(k), job.Unavailable, 1)
	kt.setAnswer(nil)
	kt.clock.advance(time.Minute)
	kt.want(kt.send(k), none, 2)
}

func TestOneProviderDownOfTwo(t *testing.T) {
	t.Parallel()
	k := rsaKey(0, "k")
	sick, well := newIDP(t, k), newIDP(t, k)
	sick.setAnswer(down)
	a := newAuthenticator(t, oidcauthn.Options{Issuers: []string{sick.URL, well.URL}})
	if _, err := a.Authenticate(withToken(t, k.sign(t, sick.claims(nil), nil))); job.KindOf(err) != job.Unavailable {
		t.Errorf("error = %v, want unavailable", err)
	}
	if _, err := a.Authenticate(withToken(t, k.sign(t, well.claims(nil), nil))); err != nil {
		t.Error(err)
	}
}

// The renewal of old keys delays only the request that does it.
func TestRenewalDelaysOneRequestAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := rsaKey(0, "k")
		release := make(chan struct{})
		var requests int
		client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			if requests++; requests > 1 {
				<-release
			}
			return answer(string(mustJSON(t, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{k.public()}}))), nil
		})}
		const issuer = "https://idp.example"
		a := newAuthenticator(t, oidcauthn.Options{
			Issuers: []string{issuer}, JWKSURLs: map[string]string{issuer: issuer}, HTTPClient: client, Clock: time.Now,
		})
		authenticate := func(ctx context.Context, k signingKey) error {
			c := map[string]any{"iss": issuer, "sub": "ann", "aud": audience, "exp": time.Now().Add(time.Minute).Unix()}
			_, err := a.Authenticate(withToken(t, k.sign(t, c, nil)).WithContext(ctx))
			return err
		}
		if err := authenticate(t.Context(), k); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)

		renewed := make(chan error, 1)
		go func() { renewed <- authenticate(t.Context(), k) }()
		synctest.Wait()
		if err := authenticate(t.Context(), k); err != nil {
			t.Errorf("during the renewal: %v", err)
		}
		// A waiting caller may leave.
		left, leave := context.WithCancel(t.Context())
		unknown := make(chan error, 1)
		go func() { unknown <- authenticate(left, rsaKey(1, "unknown")) }()
		synctest.Wait()
		leave()
		if err := <-unknown; job.KindOf(err) != job.Canceled {
			t.Errorf("who left: %v, want canceled", err)
		}
		close(release)
		if err := <-renewed; err != nil {
			t.Errorf("the renewal: %v", err)
		}
		if requests != 2 {
			t.Errorf("%d requests, want 2", requests)
		}
	})
}

// A key that is published while a fetch is under way is found by one more, for the token that
// waited for the first.
func TestKeysPublishedDuringAFetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k, young := rsaKey(0, "k"), rsaKey(1, "young")
		var mu sync.Mutex // guards published and requests
		published, requests := []jose.JSONWebKey{k.public()}, 0
		release := make(chan struct{})
		client := &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			mu.Lock()
			set := jose.JSONWebKeySet{Keys: published}
			requests++
			mu.Unlock()
			<-release
			return answer(string(mustJSON(t, set))), nil
		})}
		const issuer = "https://idp.example"
		a := newAuthenticator(t, oidcauthn.Options{
			Issuers: []string{issuer}, JWKSURLs: map[string]string{issuer: issuer}, HTTPClient: client, Clock: time.Now,
		})
		answers := make(chan error, 2)
		send := func(k signingKey) {
			c := map[string]any{"iss": issuer, "sub": "ann", "aud": audience, "exp": time.Now().Add(time.Minute).Unix()}
			_, err := a.Authenticate(withToken(t, k.sign(t, c, nil)))
			answers <- err
		}
		go send(k)
		synctest.Wait()
		mu.Lock()
		published = append(published, young.public())
		mu.Unlock()
		time.Sleep(time.Second)
		go send(young)
		synctest.Wait()
		time.Sleep(time.Second)
		close(release)
		for range 2 {
			if err := <-answers; err != nil {
				t.Error(err)
			}
		}
		if requests != 2 {
			t.Errorf("%d requests, want 2", requests)
		}
	})
}

// The caller whose request fetches may leave; the others that wait get the keys.
func TestFetchOutlivesItsCaller(t *testing.T) {
	t.Parallel()
	k := rsaKey(0, "k")
	kt := newKeyTest(t, k)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := withToken(t, k.sign(t, kt.claims(nil), nil)).WithContext(ctx)
	_, err := kt.a.Authenticate(r)
	kt.want(err, none, 1)
}
