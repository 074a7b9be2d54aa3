package docs_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/test/service"
)

// varying are the members of answers that differ from job to job. Their values are
// compared by their form only.
var varying = []string{
	"job_id", "location", "created_at", "updated_at", "expires_at", "next", "url", "usd", "processing_seconds", "size_bytes", "bytes_in", "bytes_out",
	"store_writes", "store_reads", "queue", "sha256", "from", "to", "day", "webhook_id", "at", "duration_seconds", "attempts", "keys", "secrets", "prices",
	"jobs", "completed", "failed", "canceled", "deleted", "pixels", "units", "uncounted",
}

// shape returns a value with those of varying members in a form that does not vary.
func shape(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, member := range v {
			out[k] = shape(member)
			if slices.Contains(varying, k) {
				out[k] = form(member)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = shape(v[i])
		}
		return out
	}
	return v
}

// shorten cuts lists that a page ends with "…" after the elements that it shows.
func shorten(answered, shown any) any {
	switch shown := shown.(type) {
	case map[string]any:
		if of, ok := answered.(map[string]any); ok {
			for k := range of {
				of[k] = shorten(of[k], shown[k])
			}
		}
	case []any:
		of, ok := answered.([]any)
		last := len(shown) - 1
		if !ok || last < 0 || shown[last] != "…" {
			break
		}
		short := []any{}
		for i := 0; i < len(shown) && i < len(of); i++ {
			short = append(short, shorten(of[i], shown[i]))
		}
		if len(of) > last {
			short[last] = "…"
		}
		return short
	}
	return answered
}

var (
	digits   = regexp.MustCompile(`[0-9]+`)
	opaque   = regexp.MustCompile(`[0-9a-zA-Z_+/=-]{20,}`) // ids, digests, keys
	fraction = regexp.MustCompile(`(\.[0-9]+)?Z$`)         // of a time
	query    = regexp.MustCompile(`\?.*`)
)

// form returns what a value has in common with those of other jobs.
func form(v any) any {
	switch v := v.(type) {
	case string:
		parts := []string{fraction.ReplaceAllString(v, "Z")}
		if strings.Contains(v, "://") {
			parts = strings.Split(query.ReplaceAllString(v, "?"), "/")
		}
		for i := range parts {
			parts[i] = digits.ReplaceAllString(opaque.ReplaceAllString(parts[i], "…"), "0")
		}
		return strings.Join(parts, "/")
	case float64:
		return "a number"
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = form(v[i])
		}
		return out
	}
	return shape(v)
}

// only returns an answer with the first member of a list for which ok holds, without the
// rest and without the link to more.
func only(t *testing.T, a apptest.Answer, list string, ok func(map[string]any) bool) []byte {
	t.Helper()
	body := a.JSON(t)
	members, _ := body[list].([]any)
	i := slices.IndexFunc(members, func(m any) bool { return ok(m.(map[string]any)) })
	if a.StatusCode != http.StatusOK || i < 0 {
		t.Fatalf("%s: nothing in %s: %s", a.Status, list, a.Bytes)
	}
	body[list] = members[i : i+1]
	delete(body, "next")
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// eventually repeats a request until its answer has ok.
func eventually(t *testing.T, url string, ok func(map[string]any) bool) apptest.Answer {
	t.Helper()
	deadline, tick := time.After(service.Limit), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for {
		a := apptest.Get(t, url)
		if a.StatusCode == http.StatusOK && ok(a.JSON(t)) {
			return a
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: %s: %s", url, a.Status, a.Bytes)
		}
	}
}

// answers makes the calls whose whole answers the pages show, and compares them. It does
// not run beside others, since a caller may ask for its usage once at a time.
func answers(t *testing.T, l service.Local) {
	got := map[string][]byte{}
	keep := func(name string, status int, a apptest.Answer) apptest.Answer {
		t.Helper()
		if a.StatusCode != status {
			t.Fatalf("%s: %s: %s", name, a.Status, a.Bytes)
		}
		got[name] = a.Bytes
		return a
	}
	post := func(fields []string, header ...string) apptest.Answer {
		ct, body := apptest.Form(t, apptest.Photograph(t), fields...)
		return apptest.Do(t, http.MethodPost, l.URL+"/jobs", bytes.NewReader(body), append(header, "Content-Type", ct)...)
	}
	params := []string{"params", `{"width": 320}`}
	location := keep("submitted", http.StatusAccepted, post(params)).JSON(t)["location"].(string)
	apptest.Await(t, location)
	keep("completed", http.StatusCreated, apptest.Get(t, location))
	got["list"] = only(t, apptest.Get(t, l.URL+"/jobs?limit=100&status=completed"), "jobs", func(j map[string]any) bool {
		return strings.HasSuffix(location, "/"+j["job_id"].(string))
	})
	keep("link", http.StatusCreated, apptest.Do(t, http.MethodPost, location+"/links", nil))
	got["usage"] = only(t, eventually(t, l.URL+"/usage", func(u map[string]any) bool { return len(u["days"].([]any)) > 0 }), "days", func(map[string]any) bool { return true })
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	t.Cleanup(receiver.Close)
	hooked := post([]string{"webhook", receiver.URL}).Header.Get("Location")
	apptest.Await(t, hooked)
	deliveries := eventually(t, hooked+"/deliveries", func(d map[string]any) bool { return d["state"] == "delivered" })
	got["deliveries"] = only(t, deliveries, "tries", func(map[string]any) bool { return true })
	keep("replayed", http.StatusAccepted, apptest.Do(t, http.MethodPost, hooked+"/deliveries", nil))
	keep("params", http.StatusOK, apptest.Get(t, l.URL+"/params"))
	announced := apptest.Do(t, http.MethodPost, l.URL+"/jobs", strings.NewReader(`{"content_type": "image/jpeg", "size_bytes": 226149}`), "Content-Type", "application/json")
	keep("announced", http.StatusAccepted, announced)
	keep("canceled", http.StatusAccepted, apptest.Do(t, http.MethodPost, announced.JSON(t)["location"].(string)+"/cancel", nil))
	photograph := apptest.Photograph(t)
	uploading := apptest.Do(t, http.MethodPost, l.URL+"/jobs", strings.NewReader(`{"content_type": "image/jpeg", "size_bytes": 226149}`), "Content-Type", "application/json").JSON(t)
	upload := uploading["upload"].(map[string]any)
	if a := apptest.Do(t, http.MethodPut, upload["url"].(string), bytes.NewReader(photograph), "Content-Type", "image/jpeg", "If-None-Match", "*"); a.StatusCode != http.StatusOK {
		t.Fatalf("the upload: %s: %s", a.Status, a.Bytes)
	}
	keep("committed", http.StatusAccepted, apptest.Do(t, http.MethodPost, uploading["location"].(string)+"/commit", nil))
	broken := l.Submit(t, photograph[:len(photograph)/2]).Header.Get("Location")
	apptest.Await(t, broken)
	keep("failed", http.StatusOK, apptest.Get(t, broken))
	// The commands of the pages list the jobs of this service, and none of theirs may fail.
	if a := apptest.Do(t, http.MethodDelete, broken, nil); a.StatusCode != http.StatusNoContent {
		t.Fatalf("the deletion of the failed job: %s: %s", a.Status, a.Bytes)
	}
	health := keep("health", http.StatusOK, apptest.Get(t, l.URL+"/health"))
	version, _ := health.JSON(t)["version"].(string) // of the build, which a test has no name for
	got["health"] = bytes.ReplaceAll(health.Bytes, []byte(strconv.Quote(version)), []byte(`"v1.2.3"`))
	keep("keys", http.StatusOK, apptest.Get(t, l.URL+"/webhook-key"))
	keep("secrets", http.StatusOK, apptest.Get(t, l.URL+"/webhook-secret"))
	keep("ready", http.StatusOK, apptest.Get(t, l.URL+"/ready"))
	keep("refused", http.StatusUnsupportedMediaType, l.Submit(t, []byte("module claimcheck.example\n")))

	pages := map[string]string{"README.md": "", "docs/api.md": ""}
	for page := range pages {
		pages[page] = readPage(t, page)
	}
	shown := map[string]bool{}
	mark := regexp.MustCompile(`<!-- answer ([a-z ]+) -->`)
	for _, page := range slices.Sorted(maps.Keys(pages)) {
		for _, m := range mark.FindAllStringSubmatch(pages[page], -1) {
			name := m[1]
			blocks := marked(pages[page], m[0])
			if got[name] == nil || len(blocks) != 1 {
				t.Errorf("%s: the answer %q is not checked here, or is not there once", page, name)
				continue
			}
			shown[name] = true
			var want, answered any
			if err := json.Unmarshal([]byte(blocks[0]), &want); err != nil {
				t.Errorf("%s: the answer %q: %v", page, name, err)
				continue
			}
			if err := json.Unmarshal(got[name], &answered); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(shorten(shape(answered), shape(want)), shape(want)); diff != "" {
				t.Errorf("%s shows another answer %q (-answered +shown):\n%s", page, name, diff)
			}
		}
	}
	for name := range got {
		if !shown[name] {
			t.Errorf("no page shows the answer %q", name)
		}
	}
}
