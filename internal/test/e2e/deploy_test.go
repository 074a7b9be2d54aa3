package e2e_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"cloud.google.com/go/cloudbuild/apiv1/v2/cloudbuildpb"
	"google.golang.org/protobuf/encoding/protojson"
	"sigs.k8s.io/yaml"

	"claimcheck.example/internal/awslocal/awstest"
)

// deployment is what says how the service is deployed.
type deployment struct {
	cloudbuild string // cloudbuild.yaml
	dockerfile string
	docs       string // docs/deploy.md
	others     string // the pages beside it
}

func readDeployment(t *testing.T) deployment {
	t.Helper()
	read := func(name string) string {
		b, err := os.ReadFile(awstest.Module(name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	return deployment{read("cloudbuild.yaml"), read("Dockerfile"), read("docs/deploy.md"), read("docs/aws.md") + read("docs/lambda.md")}
}

func TestDeployment(t *testing.T) {
	t.Parallel()
	for _, complaint := range readDeployment(t).check() {
		t.Error(complaint)
	}
}

// TestDeploymentChecksBite spoils one thing at a time and wants a complaint about it.
func TestDeploymentChecksBite(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		file     func(*deployment) *string
		old, new string
		want     string
	}{
		"unknown field":               {build, "waitFor: [push]", "waitsFor: [push]", "unknown field"},
		"key twice":                   {build, "  _REGION: ", "  _REGION: x\n  _REGION: ", "already set"},
		"not a duration":              {build, "timeout: 2400s", "timeout: 40m", "Duration"},
		"unknown machine":             {build, "E2_HIGHCPU_8", "E2_HIGHCPU_7", "E2_HIGHCPU_7"},
		"waits for nobody":            {build, "waitFor: [test, build]", "waitFor: [tests, build]", "tests"},
		"step's name twice":           {build, "id: push", "id: build", "twice"},
		"deploys before the tests":    {build, "waitFor: [test, build]", "waitFor: [build]", "test"},
		"undeclared substitution":     {build, "--cpu=${_SERVER_CPU}", "--cpu=${_SERVER_CPUS}", "_SERVER_CPUS"},
		"unused substitution":         {build, "--cpu=${_SERVER_CPU}", "--cpu=1", "_SERVER_CPU is declared"},
		"unknown built-in":            {build, "--project=${PROJECT_ID}", "--project=${PROJECT}", "PROJECT is"},
		"substitution of two levels":  {build, "_VERSION: ${BUILD_ID}", "_VERSION: ${_IMAGE}", "_IMAGE"},
		"static substitutions":        {build, "dynamicSubstitutions: true", "dynamicSubstitutions: false", "dynamicSubstitutions"},
		"no Dockerfile":               {build, "--file=Dockerfile", "--file=Containerfile", "Containerfile"},
		"unknown build argument":      {build, "--build-arg=REVISION=", "--build-arg=COMMIT=", "COMMIT"},
		"another base image":          {build, "_BASE_IMAGE: gcr.io/distroless/static-debian13", "_BASE_IMAGE: gcr.io/distroless/static-debian12", "BASE_IMAGE"},
		"image that nobody built":     {build, "--image=${_IMAGE}:${BUILD_ID}", "--image=${_IMAGE}:latest", "latest"},
		"image that nobody pushed":    {build, "args: [push, \"${_IMAGE}:${BUILD_ID}\"]", "args: [push, \"${_IMAGE}:x\"]", "pushed"},
		"command not in the image":    {build, "--command=/worker", "--command=/work", "/work"},
		"unknown gcloud command":      {build, "- worker-pools", "- workerpools", "workerpools"},
		"unknown flag":                {build, "--use-http2", "--http2", "--http2"},
		"flag of another command":     {build, "--instances=${_WORKER_INSTANCES}", "--max-instances=${_WORKER_INSTANCES}", "--max-instances"},
		"flag twice":                  {build, "  - --cpu-boost\n", "  - --cpu-boost\n  - --cpu-boost\n", "twice"},
		"unknown probe key":           {build, "periodSeconds=30", "period=30", "period"},
		"probe of no route":           {build, "httpGet.path=/ready", "httpGet.path=/readyz", "/readyz"},
		"probe of another port":       {build, "httpGet.path=/health,httpGet.port=8080", "httpGet.path=/health,httpGet.port=8081", "8081"},
		"unknown variable":            {build, "|PROCESSOR=${_PROCESSOR}|CONCURRENCY", "|PROCESSOR=${_PROCESSOR}|CONCURENCY", "CONCURENCY"},
		"missing variable":            {build, "SQS_QUEUE_URL=${_SQS_QUEUE_URL}|", "LOG_LEVEL=${_SQS_QUEUE_URL}|", "SQS_QUEUE_URL is missing"},
		"substitution not told":       {docs, "| `_SERVER_CPU` |", "| `_CPU` |", "_SERVER_CPU"},
		"substitution told only":      {docs, "| `_SERVER_CPU` |", "| `_CPU` |", "_CPU"},
		"another default told":        {docs, "| `512Mi` |", "| `256Mi` |", "256Mi"},
		"unknown flag told":           {docs, "--entry-point=", "--entrypoint=", "--entrypoint"},
		"unknown command told":        {docs, "gcloud services enable", "gcloud service enable", "gcloud service"},
		"unknown substitution told":   {docs, ",_OIDC_ISSUER=https", ",_ISSUER=https", "_ISSUER"},
		"unknown variable told":       {docs, "RATE_LIMIT=60/minute", "RATELIMIT=60/minute", "RATELIMIT"},
		"unknown file variable told":  {docs, "    MAX_INLINE_BYTES: ", "    MAX_INLINE: ", "MAX_INLINE"},
		"unknown function told":       {docs, "--function=Claimcheck", "--function=ClaimCheck", "ClaimCheck"},
		"unknown build argument told": {docs, "| `TAGS` |", "| `GO_TAGS` |", "GO_TAGS"},
		"unknown flag told elsewhere": {others, "--update-env-vars=", "--update-env=", "--update-env"},
		"broken link":                 {docs, "](../cloudbuild.yaml)", "](../cloud-build.yaml)", "cloud-build.yaml"},
		"stage that is not there":     {dockerfile, " AS lambda\n", " AS function\n", "stage lambda"},
		"command of another image":    {build, "--command=/worker", "--command=/lambda", "/lambda"},
		"command not built":           {dockerfile, "./cmd/worker", "./cmd/workers", "cmd/workers"},
	}
	good := readDeployment(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := good
			file := tt.file(&d)
			if !strings.Contains(*file, tt.old) {
				t.Fatalf("there is no %q to be spoiled", tt.old)
			}
			*file = strings.ReplaceAll(*file, tt.old, tt.new)
			if got := strings.Join(d.check(), "\n"); !strings.Contains(got, tt.want) {
				t.Errorf("complaints are %q, want one about %s", got, tt.want)
			}
		})
	}
}

func build(d *deployment) *string      { return &d.cloudbuild }
func docs(d *deployment) *string       { return &d.docs }
func others(d *deployment) *string     { return &d.others }
func dockerfile(d *deployment) *string { return &d.dockerfile }

// complaints is what is wrong, a sentence each.
type complaints []string

func (c *complaints) addf(format string, args ...any) { *c = append(*c, fmt.Sprintf(format, args...)) }

// check returns all that is wrong with the deployment.
func (d deployment) check() []string {
	var c complaints
	asJSON, err := yaml.YAMLToJSONStrict([]byte(d.cloudbuild))
	if err != nil {
		return []string{"cloudbuild.yaml: " + err.Error()}
	}
	var b cloudbuildpb.Build
	if err := protojson.Unmarshal(asJSON, &b); err != nil {
		return []string{"cloudbuild.yaml: " + err.Error()}
	}
	d.checkSteps(&c, &b)
	checkSubstitutions(&c, &b)
	d.checkImage(&c, &b)
	d.checkGcloud(&c, &b)
	d.checkDocs(&c, &b)
	return c
}
