package e2e_test

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"cloud.google.com/go/cloudbuild/apiv1/v2/cloudbuildpb"
	"google.golang.org/protobuf/encoding/protojson"

	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/config"
	"claimcheck.example/internal/httpapi"
)

// checkSteps: steps run in an order in which each finds what it needs.
func (d deployment) checkSteps(c *complaints, b *cloudbuildpb.Build) {
	before := map[string][]string{} // what has ended before a step begins
	for _, s := range b.Steps {
		if _, ok := before[s.Id]; ok || s.Id == "" {
			c.addf("the step name %q is there twice, or empty", s.Id)
		}
		var all []string
		for _, w := range s.WaitFor {
			if _, ok := before[w]; !ok && w != "-" {
				c.addf("step %s waits for %s, which is no step above it", s.Id, w)
			}
			all = append(append(all, w), before[w]...)
		}
		before[s.Id] = all
		if s.Entrypoint == "gcloud" && (!slices.Contains(all, "test") || !slices.Contains(all, "push")) {
			c.addf("step %s deploys before test and push have ended", s.Id)
		}
	}
}

// builtIn are the substitutions that Cloud Build has for every build, and COMMIT_SHA,
// which is empty outside of triggers
// (cloud.google.com/build/docs/configuring-builds/substitute-variable-values).
var builtIn = []string{"PROJECT_ID", "PROJECT_NUMBER", "BUILD_ID", "LOCATION", "COMMIT_SHA"}

var reference = regexp.MustCompile(`\$\{?([A-Z0-9_]+)\}?`)

func references(text string) (names []string) {
	for _, m := range reference.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	return names
}

// checkSubstitutions: Cloud Build refuses a build that uses what it does not declare, or
// declares what it does not use.
func checkSubstitutions(c *complaints, b *cloudbuildpb.Build) {
	steps, err := protojson.Marshal(&cloudbuildpb.Build{Steps: b.Steps, Images: b.Images})
	if err != nil {
		c.addf("%v", err)
	}
	used := map[string]bool{}
	note := func(where, text string) {
		for _, name := range references(text) {
			used[name] = true
			if _, ok := b.Substitutions[name]; !ok && !slices.Contains(builtIn, name) {
				c.addf("%s uses %s; %s is neither declared nor Cloud Build's own", where, name, name)
			}
		}
	}
	note("a step", string(steps))
	for name, value := range b.Substitutions {
		note(name, value)
		for _, inner := range references(value) {
			if outer := references(b.Substitutions[inner]); slices.ContainsFunc(outer, func(s string) bool { return s[0] == '_' }) {
				c.addf("%s is made of %s, which is made of others; one level is enough", name, inner)
			}
			if !b.GetOptions().GetDynamicSubstitutions() {
				c.addf("%s is made of %s, which wants dynamicSubstitutions", name, inner)
			}
		}
	}
	for name := range b.Substitutions {
		if !used[name] {
			c.addf("%s is declared and not used", name)
		}
		if !strings.HasPrefix(name, "_") {
			c.addf("%s does not begin with _", name)
		}
	}
}

// expand puts the substitutions' defaults into text.
func expand(b *cloudbuildpb.Build, text string) string {
	for range 2 {
		text = reference.ReplaceAllStringFunc(text, func(ref string) string {
			name := references(ref)[0]
			if v, ok := b.Substitutions[name]; ok {
				return v
			}
			return strings.ToLower(name) // as good as any value
		})
	}
	return text
}

var (
	dockerArg  = regexp.MustCompile(`(?m)^ARG (.+)$`)
	toldTarget = regexp.MustCompile(`--target=([a-z-]+)`)
	dockerOut  = regexp.MustCompile(`-o (/[a-z-]+/) (.+)`)
)

// dockerArgs returns the Dockerfile's build arguments and their defaults.
func (d deployment) dockerArgs() map[string]string {
	args := map[string]string{}
	for _, m := range dockerArg.FindAllStringSubmatch(d.dockerfile, -1) {
		for field := range strings.FieldsSeq(m[1]) {
			name, value, _ := strings.Cut(field, "=")
			args[name] = value
		}
	}
	return args
}

// commands returns the commands that the Dockerfile builds into a folder.
func (d deployment) commands(folder string) (names []string) {
	for _, m := range dockerOut.FindAllStringSubmatch(d.dockerfile, -1) {
		if m[1] == folder {
			names = append(names, strings.Fields(strings.ReplaceAll(m[2], "./cmd/", ""))...)
		}
	}
	return names
}

// checkImage: what is built is what is pushed, listed and deployed, by arguments that the
// Dockerfile takes.
func (d deployment) checkImage(c *complaints, b *cloudbuildpb.Build) {
	args := d.dockerArgs()
	var tags, pushed []string
	for _, s := range b.Steps {
		if s.Name != "gcr.io/cloud-builders/docker" {
			continue
		}
		if s.Args[0] == "push" {
			pushed = append(pushed, s.Args[1:]...)
			continue
		}
		for _, arg := range s.Args[1:] {
			flag, value, _ := strings.Cut(arg, "=")
			switch flag {
			case "--file":
				if _, err := os.Stat(awstest.Module(value)); err != nil {
					c.addf("%s does not exist", value)
				}
			case "--build-arg":
				name, value, _ := strings.Cut(value, "=")
				want, ok := args[name]
				if !ok {
					c.addf("the Dockerfile has no argument %s", name)
				}
				if strings.HasSuffix(name, "_IMAGE") && expand(b, value) != want {
					c.addf("%s is %s by default, and %s in the Dockerfile", name, expand(b, value), want)
				}
			case "--tag":
				tags = append(tags, value)
			case ".":
			default:
				c.addf("docker build has a flag %s that is not known here", flag)
			}
		}
	}
	if !slices.Equal(tags, pushed) || !slices.Equal(tags, b.Images) || len(tags) != 1 {
		c.addf("%v is built, %v is pushed, %v is listed", tags, pushed, b.Images)
	}
	for _, s := range b.Steps {
		for _, arg := range s.Args {
			if image, ok := strings.CutPrefix(arg, "--image="); ok && !slices.Contains(tags, image) {
				c.addf("step %s deploys %s, which is not built", s.Id, image)
			}
			if command, ok := strings.CutPrefix(arg, "--command="); ok && !slices.Contains(d.commands("/out/"), strings.TrimPrefix(command, "/")) {
				c.addf("step %s runs %s, which is not in the image", s.Id, command)
			}
		}
	}
	for _, m := range toldTarget.FindAllStringSubmatch(d.docs+d.others+d.dockerfile, -1) {
		if !strings.Contains(d.dockerfile, " AS "+m[1]+"\n") {
			c.addf("the Dockerfile has no stage %s", m[1])
		}
	}
	for _, name := range slices.Concat(d.commands("/out/"), d.commands("/out-lambda/")) {
		if _, err := os.Stat(awstest.Module("cmd/" + name + "/main.go")); err != nil {
			c.addf("the Dockerfile builds cmd/%s, which does not exist", name)
		}
	}
}

// checkGcloud: the deployed processes get flags that gcloud has and an environment with
// which they start.
func (d deployment) checkGcloud(c *complaints, b *cloudbuildpb.Build) {
	for _, s := range b.Steps {
		if s.Entrypoint != "gcloud" {
			continue
		}
		flags := checkCommand(c, slices.Concat([]string{"gcloud"}, s.Args))
		for _, probe := range []string{"--startup-probe", "--liveness-probe"} {
			if value, ok := flags[probe]; ok {
				checkProbe(c, expand(b, value), flags["--port"])
			}
		}
		role, environ := config.Server, environment(expand(b, flags["--update-env-vars"]))
		if _, ok := flags["--command"]; ok {
			role = config.Worker
		}
		for _, kv := range environ {
			checkVariable(c, "step "+s.Id, kv)
		}
		// What has no default is the operator's to give; docs/configuration.md says which.
		_, err := config.Load(role, slices.Concat([]string{"ALLOW_ANONYMOUS=true"}, environ))
		if err != nil {
			c.addf("step %s: %v", s.Id, err)
		}
	}
}

func checkProbe(c *complaints, probe, port string) {
	for kv := range strings.SplitSeq(probe, ",") {
		k, v, _ := strings.Cut(kv, "=")
		switch k {
		case "initialDelaySeconds", "timeoutSeconds", "periodSeconds", "failureThreshold":
		case "httpGet.port", "tcpSocket.port":
			if v != port {
				c.addf("a probe asks port %s, the service has %s", v, port)
			}
		case "httpGet.path":
			if !strings.Contains(string(httpapi.OpenAPI()), "\n  "+v+":\n") {
				c.addf("a probe asks for %s, which the API does not have", v)
			}
		default:
			c.addf("a probe has no key %s", k)
		}
	}
}

// environment splits what gcloud takes as KEY=VALUE,... or as ^|^KEY=VALUE|...
func environment(flag string) []string {
	separator := ","
	if strings.HasPrefix(flag, "^") {
		separator, flag, _ = strings.Cut(flag[1:], "^")
	}
	return strings.Split(flag, separator)
}

// foreign are variables that AWS's SDK, Google's framework and our image read, and not
// internal/config.
var foreign = regexp.MustCompile(`^(AWS_(REGION|ROLE_ARN|ROLE_SESSION_NAME|WEB_IDENTITY_AUDIENCE|ACCESS_KEY_ID|SECRET_ACCESS_KEY)|OTEL_[A-Z_]+)$`)

// variables returns what a configuration is read from.
func variables(t reflect.Type) (names []string) {
	for f := range t.Fields() {
		if name := f.Tag.Get("env"); name != "" {
			names = append(names, name)
		} else if f.Type.Kind() == reflect.Struct {
			names = append(names, variables(f.Type)...)
		}
	}
	return names
}

func checkVariable(c *complaints, where, kv string) {
	name, _, ok := strings.Cut(kv, "=")
	if !ok || !foreign.MatchString(name) && !slices.Contains(variables(reflect.TypeFor[config.Config]()), name) {
		c.addf("%s sets %q, a variable that nobody reads", where, name)
	}
}
