package e2e_test

import (
	"os"
	"regexp"
	"strings"

	"cloud.google.com/go/cloudbuild/apiv1/v2/cloudbuildpb"
	"github.com/google/shlex"

	"claimcheck.example/internal/awslocal/awstest"
)

var (
	told     = regexp.MustCompile("(?m)^\\| `(_[A-Z0-9_]+)` \\| (?:`([^`]*)`)? ?\\|")
	toldArg  = regexp.MustCompile("(?m)^\\| (`[A-Z][A-Z_]+`(?:, `[A-Z_]+`)*) \\|")
	toldPath = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	toldYAML = regexp.MustCompile(`(?m)^    (?:echo ")?([A-Z][A-Z0-9_]+): `)
)

// checkDocs: the page tells every substitution with its default and none beside, and the
// commands of it and its neighbours are gcloud's.
func (d deployment) checkDocs(c *complaints, b *cloudbuildpb.Build) {
	page := map[string]string{}
	for _, m := range told.FindAllStringSubmatch(d.docs, -1) {
		page[m[1]] = m[2]
	}
	for name, value := range b.Substitutions {
		if got, ok := page[name]; !ok {
			c.addf("docs/deploy.md does not tell of %s", name)
		} else if got != value {
			c.addf("docs/deploy.md says that %s is %q by default; it is %q", name, got, value)
		}
	}
	for name := range page {
		if _, ok := b.Substitutions[name]; !ok {
			c.addf("docs/deploy.md tells of %s, which cloudbuild.yaml does not have", name)
		}
	}
	for _, m := range toldArg.FindAllStringSubmatch(d.docs, -1) {
		for name := range strings.SplitSeq(strings.ReplaceAll(m[1], "`", ""), ", ") {
			if _, ok := d.dockerArgs()[name]; !ok {
				c.addf("docs/deploy.md tells of the argument %s, which the Dockerfile does not have", name)
			}
		}
	}
	for _, m := range toldPath.FindAllStringSubmatch(d.docs, -1) {
		if _, err := os.Stat(awstest.Module("docs/" + m[1])); m[1] != "" && err != nil {
			c.addf("docs/deploy.md points to %s, which does not exist", m[1])
		}
	}
	for _, m := range toldYAML.FindAllStringSubmatch(d.docs, -1) {
		checkVariable(c, "docs/deploy.md", m[1]+"=")
	}
	for _, words := range toldCommands(c, d.docs+d.others) {
		flags := checkCommand(c, words)
		if v, ok := flags["--substitutions"]; ok {
			for _, kv := range environment(v) {
				name, _, _ := strings.Cut(kv, "=")
				if _, ok := b.Substitutions[name]; !ok {
					c.addf("docs/deploy.md sets the substitution %s, which cloudbuild.yaml does not have", name)
				}
			}
		}
		for _, flag := range []string{"--update-env-vars", "--update-secrets"} {
			if v, ok := flags[flag]; ok {
				for _, kv := range environment(v) {
					checkVariable(c, "docs/deploy.md", kv)
				}
			}
		}
		for _, flag := range []string{"--function", "--entry-point"} {
			if v, ok := flags[flag]; ok && v != "Claimcheck" {
				c.addf("docs/deploy.md deploys the function %s; it is called Claimcheck", v)
			}
		}
	}
}

// toldCommands returns a page's gcloud commands, in words.
func toldCommands(c *complaints, page string) (all [][]string) {
	joined := strings.ReplaceAll(page, "\\\n", " ")
	for line := range strings.SplitSeq(joined, "\n") {
		line, ok := strings.CutPrefix(line, "    ")
		at := strings.Index(line, "gcloud ")
		if !ok || at < 0 {
			continue
		}
		words, err := shlex.Split(strings.TrimSuffix(line[at:], ")"))
		if err != nil {
			c.addf("%q: %v", line, err)
		}
		all = append(all, words)
	}
	return all
}
