package e2e_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"claimcheck.example/internal/app/apptest"
)

// webhookKey signs webhooks in tests.
const webhookKey = "whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

// received is a request that a receiver of webhooks got.
type received struct {
	header http.Header
	body   []byte
}

// receive starts a receiver that answers with the status that answer gives for the nth
// request, counted from 1.
func receive(t *testing.T, answer func(n int) int) (url string, got <-chan received) {
	t.Helper()
	all, n := make(chan received, 16), atomic.Int64{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		w.WriteHeader(answer(int(n.Add(1))))
		all <- received{r.Header, body}
	}))
	t.Cleanup(s.Close)
	return s.URL, all
}

// next waits for a request.
func next(t *testing.T, got <-chan received) received {
	t.Helper()
	select {
	case r := <-got:
		return r
	case <-time.After(2 * time.Minute):
		t.Fatal("no webhook arrives")
		return received{}
	}
}

// awaitState polls the deliveries of a job until they are in a state.
func awaitState(t *testing.T, location, state string, header ...string) map[string]any {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(2 * time.Minute)
	for {
		a := apptest.Get(t, location+"/deliveries", header...)
		if a.StatusCode != http.StatusOK {
			t.Fatalf("deliveries: %s: %s", a.Status, a.Bytes)
		}
		if m := a.JSON(t); m["state"] == state {
			return m
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("the deliveries are %s", a.Bytes)
		}
	}
}

// TestWebhook submits in each form, with a queue shared and apart, and verifies what arrives
// by the library of Standard Webhooks and by the public key, as the API hands them out.
func TestWebhook(t *testing.T) {
	t.Parallel()
	p := apptest.StartProvider(t)
	for name, apart := range map[string]bool{"the jobs' queue": false, "a queue of its own": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := apptest.Start(t, "OIDC_ISSUER="+p.URL, "OIDC_AUDIENCE=claimcheck", "WEBHOOK_KEY="+webhookKey, "OUTBOUND_ALLOW=127.0.0.1", "LOG_LEVEL=debug")
			if apart {
				s.SeparateWebhooks(t)
			}
			s.StartWorker(t)
			alice := p.Bearer("alice")
			// The first try fails; the second comes 5 s later.
			url, got := receive(t, func(n int) int {
				if n == 1 {
					return http.StatusServiceUnavailable
				}
				return http.StatusNoContent
			})
			hook := url + "/hook?token=s3cret"
			ct, form := apptest.Form(t, picture(t, 1), "webhook", hook)
			a := apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(form), "Content-Type", ct, "Authorization", alice)
			if a.StatusCode != http.StatusAccepted || bytes.Contains(a.Bytes, []byte("s3cret")) {
				t.Fatalf("submit: %s: %s", a.Status, a.Bytes)
			}
			location := a.Header.Get("Location")
			first, second := next(t, got), next(t, got)
			if first.header.Get("Webhook-Id") != second.header.Get("Webhook-Id") || !bytes.Equal(first.body, second.body) {
				t.Errorf("two tries differ: %v %s and %v %s", first.header, first.body, second.header, second.body)
			}
			verify(t, s.URL, alice, second)
			var event struct {
				Type string
				Data map[string]any
			}
			if err := json.Unmarshal(second.body, &event); err != nil {
				t.Fatal(err)
			}
			status := apptest.Get(t, location, "Authorization", alice).JSON(t)
			if event.Type != "job.completed" || fmt.Sprint(event.Data) != fmt.Sprint(status) {
				t.Errorf("the event is %s of %v, want the status %v", event.Type, event.Data, status)
			}
			log := awaitState(t, location, "delivered", "Authorization", alice)
			if tries := log["tries"].([]any); len(tries) != 2 || tries[0].(map[string]any)["status"] != 503.0 || tries[1].(map[string]any)["status"] != 204.0 {
				t.Errorf("the deliveries are %v", log)
			}
			if a := apptest.Do(t, http.MethodPost, location+"/deliveries", nil, "Authorization", alice); a.StatusCode != http.StatusAccepted {
				t.Errorf("replay: %s: %s", a.Status, a.Bytes)
			}
			if again := next(t, got); again.header.Get("Webhook-Id") != second.header.Get("Webhook-Id") {
				t.Errorf("the replay is of another event: %v", again.header)
			}
			for _, path := range []string{"", "/deliveries"} {
				if a := apptest.Get(t, location+path, "Authorization", alice); bytes.Contains(a.Bytes, []byte("s3cret")) || bytes.Contains(a.Bytes, []byte("webhook_due")) {
					t.Errorf("%s shows the webhook: %s", path, a.Bytes)
				}
			}
		})
	}
}

// verify verifies a webhook by what the API tells receivers.
func verify(t *testing.T, server, who string, r received) {
	t.Helper()
	secrets := apptest.Get(t, server+"/webhook-secret", "Authorization", who)
	var s struct{ Secrets []string }
	if err := json.Unmarshal(secrets.Bytes, &s); err != nil || len(s.Secrets) != 1 || secrets.Header.Get("Cache-Control") != "private, no-store" {
		t.Fatalf("secrets: %s %v: %s", secrets.Status, secrets.Header, secrets.Bytes)
	}
	wh, err := standardwebhooks.NewWebhook(s.Secrets[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := wh.Verify(r.body, r.header); err != nil {
		t.Errorf("the library of Standard Webhooks: %v", err)
	}
	keys := apptest.Get(t, server+"/webhook-key")
	var k struct{ Keys []string }
	if err := json.Unmarshal(keys.Bytes, &k); err != nil || len(k.Keys) != 1 {
		t.Fatalf("keys: %s: %s", keys.Status, keys.Bytes)
	}
	public, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(k.Keys[0], "whpk_"))
	if err != nil {
		t.Fatal(err)
	}
	_, raw, _ := strings.Cut(strings.Fields(r.header.Get("Webhook-Signature"))[0], "v1a,")
	signature, err := base64.StdEncoding.DecodeString(raw)
	if err != nil || !ed25519.Verify(public, fmt.Appendf(nil, "%s.%s.%s", r.header.Get("Webhook-Id"), r.header.Get("Webhook-Timestamp"), r.body), signature) {
		t.Errorf("the public key does not verify %v, %v", r.header, err)
	}
}

// TestWebhookOfEverySubmit submits by each form, and with URLs that are not taken.
func TestWebhookOfEverySubmit(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, "WEBHOOK_KEY="+webhookKey)
	none := s.StartBeside(t)
	const hook = "https://receiver.example/hook"
	image := picture(t, 1)
	form := func(url string, fields ...string) apptest.Answer {
		t.Helper()
		ct, body := apptest.Form(t, image, fields...)
		return apptest.Do(t, http.MethodPost, url, bytes.NewReader(body), "Content-Type", ct)
	}
	bare := func(query string) apptest.Answer {
		t.Helper()
		return apptest.Do(t, http.MethodPost, s.URL+"/jobs?"+query, bytes.NewReader(image), "Content-Type", "image/png")
	}
	announced := func(webhook string) apptest.Answer {
		t.Helper()
		return apptest.Do(t, http.MethodPost, s.URL+"/jobs", strings.NewReader(`{"content_type":"image/png","size_bytes":99,"webhook":`+webhook+`}`), "Content-Type", "application/json")
	}
	for name, tt := range map[string]struct {
		answer apptest.Answer
		want   int
		words  string
	}{
		"form":                       {form(s.URL+"/jobs", "webhook", hook), 202, ""},
		"form, empty":                {form(s.URL+"/jobs", "webhook", ""), 202, ""},
		"form, twice":                {form(s.URL+"/jobs", "webhook", hook, "webhook", hook), 400, "two fields named webhook"},
		"form, in the query":         {form(s.URL+"/jobs?webhook="+hook, "a", "b"), 400, "-F webhook="},
		"bare":                       {bare("webhook=" + hook), 202, ""},
		"bare, twice":                {bare("webhook=" + hook + "&webhook=" + hook), 400, "the query has webhook twice"},
		"announced":                  {announced(`"` + hook + `"`), 202, ""},
		"announced, no string":       {announced(`7`), 400, "webhook"},
		"plain http":                 {form(s.URL+"/jobs", "webhook", "http://receiver.example/"), 400, "https://"},
		"private address":            {form(s.URL+"/jobs", "webhook", "https://10.1.2.3/"), 400, "this address is not allowed"},
		"with a password":            {form(s.URL+"/jobs", "webhook", "https://u:p4ss@receiver.example/"), 400, "password"},
		"too long":                   {form(s.URL+"/jobs", "webhook", hook+"?"+strings.Repeat("x", 3000)), 400, "2048 bytes"},
		"no URL":                     {form(s.URL+"/jobs", "webhook", "receiver"), 400, "webhook"},
		"where there are no keys":    {form(none+"/jobs", "webhook", hook), 400, "WEBHOOK_KEY"},
		"without one, for no reason": {form(none + "/jobs"), 202, ""},
	} {
		if tt.answer.StatusCode != tt.want || tt.words != "" && !strings.Contains(tt.answer.JSON(t)["detail"].(string), tt.words) || bytes.Contains(tt.answer.Bytes, []byte("p4ss")) {
			t.Errorf("%s: %s: %s, want %d with %q", name, tt.answer.Status, tt.answer.Bytes, tt.want, tt.words)
		}
	}
	for _, path := range []string{"/webhook-key", "/webhook-secret"} {
		if a := apptest.Get(t, none+path); a.StatusCode != http.StatusNotFound || !strings.Contains(a.JSON(t)["detail"].(string), "WEBHOOK_KEY") {
			t.Errorf("%s without keys: %s: %s", path, a.Status, a.Bytes)
		}
	}
}
