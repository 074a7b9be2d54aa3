package browser

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/job"
)

// quick runs all but the longest pause of the page at once, and records their seconds.
const quick = `{
	const real = setTimeout;
	window.pauses = [];
	window.setTimeout = (f, ms, ...rest) => {
		const pause = [2, 4, 8, 16, 30].includes(ms / 1000);
		if (pause) pauses.push(ms / 1000);
		return real(f, pause && ms < 30_000 ? 20 : ms, ...rest);
	};
}`

// TestTwoHundredJobs shows 200 jobs: more of them on scrolling, and by state. While nothing
// changes the page asks for them less and less often, and soon after a change.
func TestTwoHundredJobs(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	counts := map[string]int{}
	jobs := make([]*job.Job, 200)
	for i := range jobs {
		j := aged(time.Duration(i) * 20 * time.Minute)
		switch {
		case i%10 < 5:
			j = ended(j, job.Completed, "")
		case i%10 < 7:
			j = ended(j, job.Failed, "the image is truncated")
		case i%10 < 8:
			j = ended(j, job.StatusCanceled, "canceled by its owner")
		}
		counts[string(j.Status)]++
		jobs[i] = j
	}
	stock(t, s, picture(t, 1, 60, 40, false), jobs...)
	b := open(t, s.URL, look{}, quick)
	var lists, parts atomic.Int32
	if err := chromedp.Listen(b.ctx, func(e any) {
		if e, ok := e.(*network.EventRequestWillBeSent); ok && strings.Contains(e.Request.URL, "limit=100") {
			lists.Add(1) // to follow them
		} else if ok && strings.Contains(e.Request.URL, "limit=24") {
			parts.Add(1) // to show them
		}
	}); err != nil {
		t.Fatal(err)
	}
	cards := `document.querySelectorAll(".card").length`
	if n := eval[int](b, cards); n > 100 {
		t.Errorf("before any scrolling the page has %d cards", n)
	}
	b.screenshot("200-top")
	// The page grows below the window while its cards get their pictures.
	b.until(`(scrollTo(0, document.documentElement.scrollHeight), `+cards+` === %s)`, len(jobs))
	b.until(`document.querySelector("#count").textContent === %s`, fmt.Sprintf("200 shown, %d in progress", counts["pending"]))
	want := make([]string, len(jobs))
	for i, j := range jobs {
		want[i] = string(j.ID)
	}
	if got := eval[[]string](b, `[...document.querySelectorAll(".card .stub code")].map((c) => c.textContent)`); !slices.Equal(got, want) {
		t.Errorf("the page shows %q, want the newest first: %q", got, want)
	}
	b.screenshot("200")

	b.until(`pauses.at(-1) === 30`)
	calm := `[...new Set(pauses.slice(pauses.lastIndexOf(2)))]`
	if got := eval[[]int](b, calm); !slices.Equal(got, []int{2, 4, 8, 16, 30}) {
		t.Errorf("while nothing changes the page pauses for %v seconds", got)
	}
	if rounds := eval[int](b, `pauses.length`); int(lists.Load()) > 2*rounds {
		t.Errorf("in %d rounds the page asks for %d parts of the list", rounds, lists.Load())
	}
	last := eval[int](b, `pauses.lastIndexOf(2)`)
	if a := apptest.Do(t, http.MethodPost, s.URL+"/jobs/"+string(jobs[8].ID)+"/cancel", nil); a.StatusCode != http.StatusAccepted {
		t.Fatalf("%s: %s", a.Status, a.Bytes)
	}
	b.until(`pauses.lastIndexOf(2) > %s`, last) // by the stream of the newest that is not over

	before := parts.Load()
	visible := `[...document.querySelectorAll(".card")].filter((c) => c.checkVisibility()).length`
	for _, filter := range []struct {
		key string // a letter chooses the next option that begins with it
		n   int
	}{{"I", counts["pending"] - 1}, {"C", counts["completed"]}, {"F", counts["failed"]}, {"C", counts["canceled"] + 1}, {"A", len(jobs)}} {
		eval[any](b, `document.querySelector("#filter").focus()`)
		b.do(chromedp.KeyEvent(filter.key))
		b.until(visible+` === %s && !document.querySelector("#count").textContent.includes("+")`, filter.n) // all of them are there already
		eval[any](b, `document.activeElement.blur()`)
	}
	if n := parts.Load() - before; n > 5 {
		t.Errorf("five filters of jobs that are on the page ask for %d parts of the list", n)
	}
	for name, l := range map[string]look{"200-dark": {dark: true}, "200-phone": {width: 390, height: 844}, "200-small": {width: 385, height: 740}, "200-narrow": {width: 320, height: 640}} {
		b.look(l)
		if got := eval[[]string](b, wrapped); len(got) > 0 {
			t.Errorf("%s: the buttons of these cards need two lines: %q", name, got)
		}
		if wide := eval[int](b, "document.documentElement.scrollWidth - innerWidth"); wide > 0 {
			t.Errorf("%s: the page is %d pixels wider than its window", name, wide)
		}
		b.screenshot(name)
	}
}

// wrapped lists the states of cards whose buttons are not all on one line.
const wrapped = `[...new Set([...document.querySelectorAll(".card")].filter((c) => {
	const tops = [...c.querySelectorAll(".actions > *")].filter((e) => e.checkVisibility()).map((e) => e.getBoundingClientRect().top);
	return Math.max(...tops) - Math.min(...tops) > 1;
}).map((c) => c.dataset.state))]`
