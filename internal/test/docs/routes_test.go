package docs_test

import (
	"regexp"
	"strings"
	"testing"

	"claimcheck.example/internal/httpapi"
)

// TestRoutes looks for a row of docs/api.md's table of calls for every route.
func TestRoutes(t *testing.T) {
	t.Parallel()
	page := readPage(t, "docs/api.md")
	_, patterns := httpapi.New(httpapi.Options{})
	for _, pattern := range patterns {
		if strings.HasPrefix(pattern, "/page/") { // what the page itself loads
			continue
		}
		path := strings.TrimSuffix(pattern, "{$}")
		if !regexp.MustCompile("(?m)^\\| `(?:.* `)?[A-Z]+ " + regexp.QuoteMeta(path) + "[`?]").MatchString(page) {
			t.Errorf("docs/api.md has no row of %s", path)
		}
	}
}
