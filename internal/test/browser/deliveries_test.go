package browser

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

	"claimcheck.example/internal/app/apptest"
)

// TestDeliveries shows a webhook that its receiver refuses, and repeats it until the receiver
// accepts it; and shows a job without a webhook.
func TestDeliveries(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, "WEBHOOK_KEY=whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "OUTBOUND_ALLOW=127.0.0.1")
	s.StartWorker(t)
	var up atomic.Bool
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !up.Load() {
			w.WriteHeader(http.StatusGone)
		}
	}))
	t.Cleanup(receiver.Close)
	ct, form := apptest.Form(t, picture(t, 1, 60, 40, false), "webhook", receiver.URL+"/?token=s3cret")
	a := apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(form), "Content-Type", ct)
	if a.StatusCode != http.StatusAccepted {
		t.Fatalf("%s: %s", a.Status, a.Bytes)
	}
	hooked := a.JSON(t)["job_id"].(string)
	apptest.Await(t, s.URL+"/jobs/"+hooked)

	b := open(t, s.URL, look{})
	b.until(`document.querySelector(".card")?.dataset.state === "completed"`)
	says := func(selector string) string {
		return eval[string](b, `document.querySelector(".card " + %s).innerText`, selector)
	}
	click := func(selector string) {
		b.until(`document.querySelector(".card " + %s)?.checkVisibility()`, selector)
		eval[chromedp.Void](b, `document.querySelector(".card " + %s).click()`, selector)
	}
	click(".menu summary")
	click(".hook")
	b.until(`document.querySelector(".card .outcome").innerText === "The receiver refused the webhook." && document.activeElement.matches(".replay")`)
	if n := eval[int](b, `document.querySelectorAll(".card .tries li").length`); n != 1 {
		t.Errorf("it lists %d tries", n)
	}
	if line := says(".tries li"); !bytes.Contains([]byte(line), []byte("· 410 ·")) {
		t.Errorf("the try is %q", line)
	}
	b.named()
	b.screenshot("refused")
	up.Store(true)
	click(".replay")
	b.until(`document.querySelector(".card .outcome").innerText === "The webhook is delivered." && document.querySelectorAll(".card .tries li").length === 2`)
	if page := eval[string](b, "document.body.innerText"); bytes.Contains([]byte(page), []byte("s3cret")) {
		t.Error("the page shows the URL of the webhook")
	}
	b.look(look{width: 320, height: 640})
	if wide := eval[int](b, "document.documentElement.scrollWidth"); wide > 320 {
		t.Errorf("on a telephone the page is %d pixels wide", wide)
	}
	b.screenshot("delivered-phone")
	b.look(look{})
	b.expect(http.StatusTooManyRequests)
	click(".replay") // within 10 s of the last one, or after it
	b.until(`document.querySelector(".card .later").innerText !== "" || document.querySelectorAll(".card .tries li").length === 3`)
	click(".dismiss")
	b.until(`!document.querySelector(".card .deliveries").checkVisibility() && document.activeElement.matches("summary")`)

	b.expect(http.StatusNotFound)
	plain := s.Submit(t, picture(t, 2, 60, 40, false)).JSON(t)["job_id"].(string)
	apptest.Await(t, s.URL+"/jobs/"+plain)
	b.do(chromedp.Reload())
	b.until(`document.querySelectorAll(".card").length === 2`)
	of := `[...document.querySelectorAll(".card")].find((c) => c.querySelector("code").textContent === %s)`
	b.until(`(`+of+`)?.querySelector(".menu").checkVisibility()`, plain)
	eval[chromedp.Void](b, `(`+of+`).querySelector(".hook").click()`, plain)
	b.until(`(`+of+`).querySelector(".outcome").innerText.startsWith("This job has no webhook") && !(`+of+`).querySelector(".replay").checkVisibility()`, plain, plain)
}
