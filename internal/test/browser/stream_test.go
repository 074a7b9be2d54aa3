package browser

import (
	"bytes"
	"net/http"
	"slices"
	"testing"

	"claimcheck.example/internal/app/apptest"
)

// TestEventSource follows a job by the EventSource of a browser, which reconnects after the end
// of the stream: it gets no event twice, and closes at the end.
func TestEventSource(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	ct, body := apptest.Form(t, apptest.Photograph(t))
	a := apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(body), "Content-Type", ct)
	b := open(t, s.URL, look{})
	eval[bool](b, `(() => {
		window.seen = [];
		window.ids = [];
		window.source = new EventSource(%s);
		source.addEventListener("status", (e) => { seen.push(JSON.parse(e.data).status); ids.push(e.lastEventId); });
		return true;
	})()`, a.JSON(t)["location"].(string))
	b.until(`seen.length === 1 && source.readyState === EventSource.OPEN`)
	s.StartWorker(t)
	b.until(`seen.at(-1) === "completed"`)
	b.until(`source.readyState === EventSource.CLOSED`)
	// A slow job changes more than once during its processing: each change has a separate id.
	seen, ids := eval[[]string](b, "seen"), eval[[]string](b, "ids")
	slices.Sort(ids)
	if n := len(seen); n != len(slices.Compact(ids)) || seen[0] != "pending" || seen[n-1] != "completed" {
		t.Errorf("the events are %q", seen)
	}
}
