package docs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/gif"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/webhook"
)

// TestAmplification measures what docs/who-may.md says a client can make the service send to
// the receivers of webhooks.
func TestAmplification(t *testing.T) {
	t.Parallel()
	var all time.Duration
	for n := 1; n < webhook.MaxTries; n++ {
		all += leastPause(n)
	}
	_, section, _ := strings.Cut(readPage(t, "docs/who-may.md"), "### What a client can make this service do to others\n")
	section, _, _ = strings.Cut(section, "\n### ")
	for _, want := range []string{fmt.Sprintf("%d tries", webhook.MaxTries), fmt.Sprintf("%.0f hours", all.Hours())} {
		if !strings.Contains(section, want) {
			t.Errorf("docs/who-may.md does not say %q", want)
		}
	}

	s := apptest.Start(t, "WEBHOOK_KEY=whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "OUTBOUND_ALLOW=127.0.0.1", "PROCESSOR=exec:cat")
	s.StartWorker(t)
	tries := make(chan []byte, 4)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if b, err := httputil.DumpRequest(r, true); err == nil {
			tries <- b
		}
	}))
	t.Cleanup(receiver.Close)
	var small bytes.Buffer
	if err := gif.Encode(&small, image.NewGray(image.Rect(0, 0, 1, 1)), &gif.Options{NumColors: 2}); err != nil {
		t.Fatal(err)
	}
	params, err := json.Marshal(map[string]string{"x": strings.Repeat("x", 16<<10-8)}) // as much as a submit may have
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		params string
		most   float64 // bytes of one try for a byte of the submit
	}{"a small submit": {"", 7}, "the largest params": {string(params), 1.2}} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/jobs?webhook="+url.QueryEscape(receiver.URL)+"&params="+url.QueryEscape(tt.params), bytes.NewReader(small.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		in, err := httputil.DumpRequestOut(req, true)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusAccepted {
			t.Fatalf("%s: %s", name, resp.Status)
		}
		out := <-tries
		ratio := float64(len(out)) / float64(len(in))
		t.Logf("%s: %d bytes in, %d bytes out in each try, %.2f", name, len(in), len(out), ratio)
		if ratio > tt.most {
			t.Errorf("%s: a try has %.1f bytes for each of the submit, want at most %.1f", name, ratio, tt.most)
		}
	}
}

// leastPause is the pause after the nth try, without what chance adds.
func leastPause(n int) time.Duration {
	least, _ := webhook.Pause(n, 0)
	for range 200 {
		d, _ := webhook.Pause(n, 0)
		least = min(least, d)
	}
	return least
}
