package browser

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"claimcheck.example/internal/app/apptest"
)

// TestMyJobsOnAnotherDevice shows the jobs of the caller in a browser that submitted none of
// them: more on demand, by state, canceled, as a link, and as usage by day.
func TestMyJobsOnAnotherDevice(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, "LINK_KEY="+strings.Repeat("k", 32))
	const jobs = 54 // three parts of the list
	for i := range jobs {
		if a := s.Submit(t, picture(t, uint64(i), 60, 40, false)); a.StatusCode != http.StatusAccepted {
			t.Fatalf("%s: %s", a.Status, a.Bytes)
		}
	}
	b := open(t, s.URL, look{width: 1280, height: 9000}) // which has room for all, so that nothing scrolls
	b.until(`document.querySelectorAll(".card").length === %s && !document.querySelector("#more").checkVisibility()`, jobs)
	b.look(look{})
	first := `document.querySelector(".card")`
	eval[any](b, first+`.querySelector(".cancel").click()`)
	b.until(first + `.dataset.state === "canceled" && document.activeElement.matches(".delete")`)
	s.StartWorker(t)
	b.until(`[...document.querySelectorAll(".card")].filter((c) => c.dataset.state === "completed").length === %s`, jobs-1)

	choose := func(state string) {
		eval[any](b, `(() => { const f = document.querySelector("#filter"); f.value = %s; f.dispatchEvent(new Event("change")); })()`, state)
	}
	visible := `[...document.querySelectorAll(".card")].filter((c) => c.checkVisibility()).length`
	choose("canceled")
	b.until(visible + ` === 1`)
	choose("failed")
	b.until(visible + ` === 0 && document.querySelector("#none").innerText === "There are no such jobs."`)
	choose("completed")
	b.until(visible+` === %s`, jobs-1)
	choose("")

	other := open(t, s.URL, look{})
	other.until(first + `?.dataset.state === "canceled" && ` + first + `.querySelector(".what").innerText === "Canceled by its owner."`)

	eval[chromedp.Void](b, "navigator.clipboard.writeText = (text) => { window.copied = text }")
	eval[any](b, `[...document.querySelectorAll(".card")].find((c) => c.dataset.state === "completed").querySelector(".link").click()`)
	b.until("window.copied")
	link := eval[string](b, "window.copied")
	if a := apptest.Get(t, link); a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "image/png" {
		t.Errorf("%s answers %s", link, a.Status)
	}

	// A worker records the usage of a job after its end.
	for start := time.Now(); apptest.Get(t, s.URL+"/usage").JSON(t)["total"].(map[string]any)["jobs"] != float64(jobs-1); time.Sleep(10 * time.Millisecond) {
		if time.Since(start) > 2*time.Minute {
			t.Fatal("the usage of all jobs is not recorded")
		}
	}
	eval[any](b, `document.querySelector("#usage").open = true`)
	b.until(`[1, 2].includes(document.querySelectorAll("#usage-table tbody tr").length) && document.querySelectorAll("#chart .bar").length === 30`)
	if got := eval[string](b, `document.querySelector("#usage-total").textContent`); got != fmt.Sprintf("Jobs in 30 days: %d", jobs-1) {
		t.Errorf("the usage is %q", got)
	}
	b.named()
	b.screenshot("mine")
	b.look(look{width: 320, height: 640})
	if bad := eval[[]string](b, cramped); len(bad) > 0 {
		t.Errorf("on a telephone the chart's texts are hard to read: %s", strings.Join(bad, "; "))
	}
	b.screenshot("usage-phone")
}

// cramped lists the texts of the chart that are small, truncated or overlapping.
const cramped = `(() => {
	const chart = document.querySelector("#chart").getBoundingClientRect();
	const texts = [...document.querySelectorAll("#chart text")].map((e) => [e.textContent, e.getBoundingClientRect()]);
	return texts.filter(([, r], i) => r.height < 9 || r.left < chart.left || r.right > chart.right || r.top < chart.top || r.bottom > chart.bottom
		|| texts.some(([, o], k) => k > i && o.left < r.right && r.left < o.right && o.top < r.bottom && r.top < o.bottom)).map(([text]) => text);
})()`
