// Package deploy compares the files that deploy the service with the code:
// cloudbuild.yaml, the IAM documents of docs/iam, and Google's buildpack for functions.
package deploy_test

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/cloudbuild/apiv1/v2/cloudbuildpb"
	"google.golang.org/protobuf/encoding/protojson"
	"sigs.k8s.io/yaml"

	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/config"
	"claimcheck.example/internal/httpapi"
)

func TestCloudBuild(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(awstest.Module("cloudbuild.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := checkCloudBuild(string(text)); err != nil {
		t.Fatal(err)
	}
	for spoilt, want := range map[[2]string]string{
		{"waitFor: [push-worker]", "waitsFor: [push-worker]"}:                "unknown field",
		{"  _REGION: ", "  _REGION: x\n  _REGION: "}:                         "already set",
		{"timeout: 2400s", "timeout: 40m"}:                                   "Duration",
		{"E2_HIGHCPU_8", "E2_HIGHCPU_7"}:                                     "E2_HIGHCPU_7",
		{"waitFor: [test, build-server]", "waitFor: [tests, build-server]"}:  "waits for tests",
		{"--cpu=${_SERVER_CPU}", "--cpu=${_SERVER_CPUS}"}:                    "_SERVER_CPUS",
		{"--cpu=${_SERVER_CPU}", "--cpu=1"}:                                  "_SERVER_CPU is declared",
		{"|CONCURRENCY=", "|CONCURENCY="}:                                    "CONCURENCY",
		{"SQS_QUEUE_URL=${_SQS_QUEUE_URL}|", "LOG_LEVEL=${_SQS_QUEUE_URL}|"}: "SQS_QUEUE_URL is missing",
		{"httpGet.path=/ready,", "httpGet.path=/readyz,"}:                    "/readyz",
	} {
		if !strings.Contains(string(text), spoilt[0]) {
			t.Errorf("cloudbuild.yaml has no %q to spoil", spoilt[0])
		}
		err := checkCloudBuild(strings.ReplaceAll(string(text), spoilt[0], spoilt[1]))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("with %q: %v; want %q", spoilt[1], err, want)
		}
	}
}

var (
	reference = regexp.MustCompile(`\$\{?(_[A-Z0-9_]+)\}?`)
	probed    = regexp.MustCompile(`httpGet\.path=([^,]+)`)
	// foreign are variables that the AWS SDK and OpenTelemetry read.
	foreign = regexp.MustCompile(`^(AWS_(REGION|ROLE_ARN|ROLE_SESSION_NAME|WEB_IDENTITY_AUDIENCE)|OTEL_[A-Z_]+)$`)
)

// checkCloudBuild reads a build as Cloud Build does, and returns its mistakes: steps that
// wait for unknown ones, substitutions that are only used or only declared, probes of
// unknown routes, and environments with which a process does not start.
func checkCloudBuild(text string) error {
	asJSON, err := yaml.YAMLToJSONStrict([]byte(text))
	if err != nil {
		return err
	}
	var b cloudbuildpb.Build
	if err := protojson.Unmarshal(asJSON, &b); err != nil {
		return err
	}
	var wrong []error
	addf := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	used := map[string]bool{}
	for _, m := range reference.FindAllStringSubmatch(string(asJSON), -1) {
		used[m[1]] = true
		if _, ok := b.Substitutions[m[1]]; !ok {
			addf("%s is used and not declared", m[1])
		}
	}
	for name, value := range b.Substitutions {
		if !used[name] {
			addf("%s is declared and not used", name)
		}
		for _, m := range probed.FindAllStringSubmatch(value, -1) {
			if !strings.Contains(string(httpapi.OpenAPI()), "\n  "+m[1]+":\n") {
				addf("%s asks for %s, which the API does not have", name, m[1])
			}
		}
	}
	var ids []string
	for _, s := range b.Steps {
		for _, w := range s.WaitFor {
			if w != "-" && !slices.Contains(ids, w) {
				addf("step %s waits for %s, which is not a step above it", s.Id, w)
			}
		}
		ids = append(ids, s.Id)
		if s.Entrypoint == "gcloud" {
			wrong = append(wrong, checkEnvironment(&b, s))
		}
	}
	return errors.Join(wrong...)
}

// checkEnvironment loads the environment that a step sets for a process, with the
// defaults of the substitutions.
func checkEnvironment(b *cloudbuildpb.Build, s *cloudbuildpb.BuildStep) error {
	role, vars := config.Server, []string{"ALLOW_ANONYMOUS=true"}
	known := variables(reflect.TypeFor[config.Config]())
	for _, arg := range s.Args {
		if strings.HasPrefix(arg, "--command=") {
			role = config.Worker
		}
		list, ok := strings.CutPrefix(arg, "--update-env-vars=")
		if !ok {
			continue
		}
		separator := ","
		if strings.HasPrefix(list, "^") { // ^|^KEY=VALUE|...
			separator, list, _ = strings.Cut(list[1:], "^")
		}
		for kv := range strings.SplitSeq(list, separator) {
			if name, _, _ := strings.Cut(kv, "="); !foreign.MatchString(name) && !slices.Contains(known, name) {
				return fmt.Errorf("step %s sets %s, which nothing reads", s.Id, name)
			}
			for range 3 { // a substitution may contain others
				kv = reference.ReplaceAllStringFunc(kv, func(ref string) string { return b.Substitutions[strings.Trim(ref, "${}")] })
			}
			vars = append(vars, kv)
		}
	}
	if _, err := config.Load(role, vars); err != nil {
		return fmt.Errorf("step %s: %w", s.Id, err)
	}
	return nil
}

// variables returns the variables of a configuration.
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
