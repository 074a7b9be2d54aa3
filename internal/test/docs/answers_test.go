package docs_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/test/service"
)

// varying are the members of answers that differ from job to job. Their values are
// compared by their form only.
var varying = []string{
	"job_id", "location", "created_at", "updated_at", "expires_at", "next", "url", "usd", "processing_seconds", "size_bytes", "bytes_in", "bytes_out",
	"store_writes", "store_reads", "queue", "sha256", "from", "to", "day", "id", "at", "milliseconds", "keys", "secrets", "prices",
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

var (
	digits = regexp.MustCompile(`[0-9]+`)
	opaque = regexp.MustCompile(`[0-9a-zA-Z_+/=-]{20,}`) // ids, digests, keys
	port   = regexp.MustCompile(`localhost:[0-9]+`)
)

// form returns a text with the digits and identifiers of its kind alone.
func form(v any) any {
	switch v := v.(type) {
	case string:
		v = port.ReplaceAllString(v, "localhost:0")
		before, after, isURL := strings.Cut(v, "localhost:0")
		if !isURL {
			before, after = "", v
		}
		parts := strings.Split(after, "/")
		for i := range parts {
			parts[i] = digits.ReplaceAllString(opaque.ReplaceAllString(parts[i], "…"), "0")
		}
		return before + strings.Join(parts, "/")
	case float64:
		return "a number"
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = form(v[i])
		}
		return out
	case map[string]any:
		return shape(v)
	}
	return v
}

// answers makes the calls whose whole answers the pages show, and compares them.
func answers(t *testing.T, l service.Local) {
	t.Parallel()
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
	keep("refused", http.StatusUnsupportedMediaType, l.Submit(t, []byte("module claimcheck.example\n")))

	pages := map[string]string{"README.md": "", "docs/api.md": ""}
	for page := range pages {
		pages[page] = readPage(t, page)
	}
	shown := 0
	mark := regexp.MustCompile(`<!-- answer ([a-z ]+) -->`)
	for _, page := range slices.Sorted(maps.Keys(pages)) {
		for _, m := range mark.FindAllStringSubmatch(pages[page], -1) {
			name := m[1]
			blocks := marked(pages[page], m[0])
			if got[name] == nil || len(blocks) != 1 {
				t.Errorf("%s: the answer %q is not checked here, or is not there once", page, name)
				continue
			}
			shown++
			var want, answered any
			if err := json.Unmarshal([]byte(blocks[0]), &want); err != nil {
				t.Errorf("%s: the answer %q: %v", page, name, err)
				continue
			}
			if err := json.Unmarshal(got[name], &answered); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(shape(answered), shape(want)); diff != "" {
				t.Errorf("%s shows another answer %q (-answered +shown):\n%s", page, name, diff)
			}
		}
	}
	if shown < len(got) {
		t.Errorf("the pages show %d of %d answers", shown, len(got))
	}
}
