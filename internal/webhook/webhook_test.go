package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/webhook"
)

const (
	keyOne = "whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	keyTwo = "whsk_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="
)

func parse(tb testing.TB, texts ...string) *webhook.Keys {
	tb.Helper()
	k, err := webhook.ParseKeys(texts)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// verified reports whether a receiver that has the public key takes a request.
func verified(public string, h http.Header, body []byte) bool {
	return webhook.Verify([]string{public}, h, body, time.Now()) == nil
}

func ended() *job.Job {
	return &job.Job{
		ID: "01a205c3-98c3-73a4-8dce-5da8191d9b77", Status: job.Completed, Owner: "https://id.example|alice",
		Webhook: "https://receiver.example/hook?token=secret", EndedAt: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC),
	}
}

// posted makes one try and returns what the receiver gets.
func posted(t *testing.T, keys *webhook.Keys, j *job.Job, body []byte) http.Header {
	t.Helper()
	var got http.Header
	r := webhook.Try(t.Context(), func(_ context.Context, address string, header http.Header, sent []byte) (int, time.Duration, error) {
		if address != j.Webhook || string(sent) != string(body) {
			t.Errorf("posted %q to %q", sent, address)
		}
		got = header
		return http.StatusOK, 0, nil
	}, keys, j, body, time.Now)
	if !r.Delivered() || r.Reason != "" {
		t.Errorf("the result is %+v", r)
	}
	return got
}

// TestReceiversVerify verifies what is posted as receivers do: by the library of Standard
// Webhooks with the owner's secret, and by the public key. Whichever of two keys a receiver
// knows while keys rotate, it verifies.
func TestReceiversVerify(t *testing.T) {
	t.Parallel()
	j := ended()
	body, err := webhook.Body(j, []byte(`{"job_id":"x","status":"completed"}`+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	before, both, after := parse(t, keyOne), parse(t, keyTwo, keyOne), parse(t, keyTwo)
	tests := []struct {
		name         string
		sender, know *webhook.Keys
		want         bool
	}{
		{"one key", before, before, true},
		{"rotating, the receiver knows the old key", both, before, true},
		{"rotating, the receiver knows the new key", both, after, true},
		{"rotated, the receiver knows the old key", after, before, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			body := slices.Clone(body) // it has room for one byte more, which the appends below would share
			header := posted(t, tt.sender, j, body)
			wh, err := standardwebhooks.NewWebhook(tt.know.Secrets(j.Owner)[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := wh.Verify(body, header); (err == nil) != tt.want {
				t.Errorf("the library says %v", err)
			}
			if err := wh.Verify(append(body, ' '), header); err == nil {
				t.Error("the library takes another body")
			}
			if got := verified(tt.know.Public()[0], header, body); got != tt.want {
				t.Errorf("the public key verifies: %t", got)
			}
			if verified(tt.know.Public()[0], header, append(body, ' ')) {
				t.Error("the public key verifies another body")
			}
			other, err := standardwebhooks.NewWebhook(tt.know.Secrets("https://id.example|bob")[0])
			if err != nil {
				t.Fatal(err)
			}
			if other.Verify(body, header) == nil {
				t.Error("another owner's secret verifies")
			}
		})
	}
}

// TestSignature compares with a signature that the library of Standard Webhooks makes, and
// with a known one of Ed25519 (RFC 8032 is deterministic).
func TestSignature(t *testing.T) {
	t.Parallel()
	k := parse(t, keyOne)
	at, body := time.Unix(1674087231, 0), []byte(`{"type":"job.completed"}`)
	wh, err := standardwebhooks.NewWebhook(k.Secrets("o")[0])
	if err != nil {
		t.Fatal(err)
	}
	want, err := wh.Sign("msg_1", at, body)
	if err != nil {
		t.Fatal(err)
	}
	asymmetric, symmetric, _ := strings.Cut(k.Sign("o", "msg_1", at, body), " ")
	if symmetric != want {
		t.Errorf("got %s, want %s", symmetric, want)
	}
	const known = "v1a,9cwmW3/ERKXAwV+RxYqojlNvIV/C2Hk1FlQF2jgUxDgNbELbDteHf2OkExSYksjgvlpkWQGWYnVo5Obx8Xj6Bg=="
	if asymmetric != known {
		t.Errorf("got %s, want %s", asymmetric, known)
	}
	if got, want := k.Public()[0], "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="; got != want {
		t.Errorf("the public key is %s, want %s", got, want)
	}
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	k, j := parse(t, keyOne), ended()
	body := []byte("{}")
	for name, change := range map[string]func(http.Header){
		"no id":             func(h http.Header) { h.Del("Webhook-Id") },
		"another id":        func(h http.Header) { h.Set("Webhook-Id", "other") },
		"no time":           func(h http.Header) { h.Del("Webhook-Timestamp") },
		"an old time":       func(h http.Header) { h.Set("Webhook-Timestamp", "1674087231") },
		"no signature":      func(h http.Header) { h.Del("Webhook-Signature") },
		"half a signature":  func(h http.Header) { h.Set("Webhook-Signature", h.Get("Webhook-Signature")[:40]) },
		"only the HMAC one": func(h http.Header) { h.Set("Webhook-Signature", strings.Fields(h.Get("Webhook-Signature"))[1]) },
	} {
		h := posted(t, k, j, body).Clone()
		change(h)
		if verified(k.Public()[0], h, body) {
			t.Errorf("%s: it is taken", name)
		}
	}
	if webhook.Verify([]string{"whpk_AAAA"}, posted(t, k, j, body), body, time.Now()) == nil {
		t.Error("a malformed key verifies")
	}
}

func TestParseKeys(t *testing.T) {
	t.Parallel()
	for name, texts := range map[string][]string{
		"none": nil, "three": {keyOne, keyTwo, keyOne}, "empty": {""}, "no prefix": {keyOne[5:]}, "public": {"whpk_" + keyOne[5:]},
		"short": {"whsk_AAECAwQ="}, "no base64": {"whsk_" + strings.Repeat("*", 44)}, "one of two": {keyOne, "whsk_secretsecret"},
	} {
		if _, err := webhook.ParseKeys(texts); err == nil || strings.Contains(err.Error(), "secretsecret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestID(t *testing.T) {
	t.Parallel()
	j := ended()
	ids := map[string]string{}
	add := func(what string, change func(*job.Job)) {
		c := *j
		change(&c)
		id := webhook.ID(&c)
		if other, ok := ids[id]; ok || strings.Contains(id, ".") || id != webhook.ID(&c) {
			t.Errorf("%s has the name %s, like %q", what, id, other)
		}
		ids[id] = what
	}
	add("the first end", func(*job.Job) {})
	add("another end", func(j *job.Job) { j.Status = job.Failed })
	add("another life", func(j *job.Job) { j.UID = job.NewID() })
	add("after a redrive", func(j *job.Job) { j.RedrivenAt = time.Now() })
	add("after another redrive", func(j *job.Job) { j.RedrivenAt = time.Now().Add(time.Second) })
}

func TestPause(t *testing.T) {
	t.Parallel()
	total := time.Duration(0)
	for n := 1; n < webhook.MaxTries; n++ {
		least := map[int]time.Duration{1: 5 * time.Second, 9: 24 * time.Hour}[n]
		d, more := webhook.Pause(n, 0)
		if !more || d < least || least > 0 && d > least+least/10 {
			t.Errorf("after try %d: %s, %t", n, d, more)
		}
		total += d
	}
	if total < 75*time.Hour || total > 84*time.Hour {
		t.Errorf("all tries take %s", total)
	}
	if _, more := webhook.Pause(webhook.MaxTries, 0); more {
		t.Error("there is no last try")
	}
	if d, _ := webhook.Pause(1, 48*time.Hour); d < 24*time.Hour || d > 27*time.Hour {
		t.Errorf("a receiver that asks for two days gets %s", d)
	}
}

func TestTryWordsWhatFails(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status int
		err    error
		want   string
	}{
		"redirect":       {302, nil, "the receiver answers with status 302, and a webhook follows no redirect"},
		"error":          {500, nil, "the receiver answers with status 500"},
		"no answer":      {0, job.Errorf(job.Unavailable, "the server refuses the connection"), "the server refuses the connection"},
		"without a word": {0, fmt.Errorf("dial https://receiver.example/hook?token=secret"), "the receiver does not answer"},
	} {
		r := webhook.Try(t.Context(), func(context.Context, string, http.Header, []byte) (int, time.Duration, error) {
			return tt.status, 0, tt.err
		},
			parse(t, keyOne), ended(), []byte("{}"), time.Now)
		if r.Reason != tt.want || r.Delivered() {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
