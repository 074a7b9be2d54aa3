package docs_test

import (
	"regexp"
	"strings"
	"testing"

	"claimcheck.example/internal/config"
)

// TestSettingsOfProviders loads a configuration from the lines for each provider of identities.
func TestSettingsOfProviders(t *testing.T) {
	t.Parallel()
	known := readPage(t, "docs/configuration.md")
	line := regexp.MustCompile(`(?m)^    ([A-Z_]+)=(.*)$`)
	sections := strings.Split(readPage(t, "docs/login.md"), "\n## ")[1:]
	if len(sections) != 6 {
		t.Fatalf("docs/login.md has %d providers, want 6", len(sections))
	}
	for _, section := range sections {
		name, _, _ := strings.Cut(section, "\n")
		vars := []string{"S3_BUCKET=b", "SQS_QUEUE_URL=https://sqs.eu-central-1.amazonaws.com/1/q"}
		for _, m := range line.FindAllStringSubmatch(section, -1) {
			if !strings.Contains(known, "`"+m[1]+"`") {
				t.Errorf("%s: docs/configuration.md has no %s", name, m[1])
			}
			vars = append(vars, m[1]+"="+strings.Trim(m[2], `"`))
		}
		if _, err := config.Load(config.Server, vars); err != nil { // without an issuer or an audience too
			t.Errorf("%s: %v", name, err)
		}
	}
}
