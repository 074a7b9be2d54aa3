package kubernetes

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"sigs.k8s.io/yaml"
)

// The release of KEDA that the manifests are checked against, and its checksum. The test
// reads the definitions of its resources and the source of its scalers: to compile its types
// takes two minutes of processor time, and its scalers more.
const (
	kedaModule = "github.com/kedacore/keda/v2@v2.21.0"
	kedaSum    = "h1:R6z2HZvstK4RLUMxroNACzBj74xGxt3kG59b5Xc+Xps="
)

// scalers are the files of the scalers, and the types that hold their metadata.
var scalers = map[string][2]string{
	"aws-sqs-queue": {"aws_sqs_queue_scaler.go", "awsSqsQueueMetadata"},
	"postgresql":    {"postgresql_scaler.go", "postgreSQLMetadata"},
	"metrics-api":   {"metrics_api_scaler.go", "metricsAPIScalerMetadata"},
}

// keda returns the folder of KEDA's module, from the module cache or the proxy.
var keda = sync.OnceValues(func() (string, error) {
	var stderr bytes.Buffer
	cmd := exec.Command("go", "mod", "download", "-json", kedaModule)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var module struct{ Dir, Sum, Error string }
	if jerr := json.Unmarshal(out, &module); err == nil {
		err = jerr
	}
	if err != nil {
		return "", fmt.Errorf("download %s: %w: %s%s", kedaModule, err, module.Error, &stderr)
	}
	if module.Sum != kedaSum {
		return "", fmt.Errorf("%s has the checksum %s, not %s", kedaModule, module.Sum, kedaSum)
	}
	return module.Dir, nil
})

// checkKEDA checks a document against KEDA's definition of its kind, and the triggers of a
// ScaledObject against the metadata that KEDA's scalers read.
func checkKEDA(t *testing.T, where, kind, document string) {
	t.Helper()
	dir, err := keda()
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := yaml.UnmarshalStrict([]byte(document), &object); err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "config/crd/bases", "keda.sh_"+strings.ToLower(kind)+"s.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	type version struct {
		Name   string
		Schema struct{ OpenAPIV3Schema schema }
	}
	var definition struct{ Spec struct{ Versions []version } }
	if err := yaml.Unmarshal(text, &definition); err != nil {
		t.Fatal(err)
	}
	versions := definition.Spec.Versions
	i := slices.IndexFunc(versions, func(v version) bool { return "keda.sh/"+v.Name == object["apiVersion"] })
	if i < 0 {
		t.Fatalf("%s: KEDA has no %v", where, object["apiVersion"])
	}
	for _, mistake := range versions[i].Schema.OpenAPIV3Schema.mistakes("", object) {
		t.Errorf("%s: %s", where, mistake)
	}
	type trigger struct {
		Type     string
		Metadata map[string]string
	}
	var scaled struct{ Spec struct{ Triggers []trigger } }
	if err := yaml.Unmarshal([]byte(document), &scaled); err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	for _, trigger := range scaled.Spec.Triggers {
		for _, mistake := range metadataMistakes(t, filepath.Join(dir, "pkg/scalers"), trigger.Type, trigger.Metadata) {
			t.Errorf("%s: trigger %s: %s", where, trigger.Type, mistake)
		}
	}
}

// schema is the part of a resource's OpenAPI schema that the test checks.
type schema struct {
	Type                 string
	Properties           map[string]schema
	AdditionalProperties *schema
	Items                *schema
	Required             []string
	Enum                 []any
	Preserve             bool `json:"x-kubernetes-preserve-unknown-fields"`
}

// mistakes are those of a value at a path. A field that the schema does not have is one: a
// cluster drops it without a word.
func (s schema) mistakes(path string, value any) (list []string) {
	report := func(format string, args ...any) {
		list = append(list, cmp.Or(path, "the document")+": "+fmt.Sprintf(format, args...))
	}
	if s.Enum != nil && !slices.Contains(s.Enum, value) {
		report("%v is not one of %v", value, s.Enum)
	}
	switch v := value.(type) {
	case map[string]any:
		if s.Type != "object" {
			report("an object, not of type %s", s.Type)
		}
		for _, name := range s.Required {
			if _, ok := v[name]; !ok {
				report("%s is missing", name)
			}
		}
		for name, inner := range v {
			if property, ok := s.Properties[name]; ok {
				list = append(list, property.mistakes(path+"."+name, inner)...)
			} else if s.AdditionalProperties != nil {
				list = append(list, s.AdditionalProperties.mistakes(path+"."+name, inner)...)
			} else if (path != "" || !slices.Contains([]string{"apiVersion", "kind", "metadata"}, name)) && path != ".metadata" && !s.Preserve {
				report("no field %s", name)
			}
		}
	case []any:
		if s.Type != "array" || s.Items == nil {
			report("a list, not of type %s", s.Type)
			return list
		}
		for i, inner := range v {
			list = append(list, s.Items.mistakes(fmt.Sprintf("%s[%d]", path, i), inner)...)
		}
	case string:
		if s.Type != "string" {
			report("%q is not of type %s", v, s.Type)
		}
	case float64:
		if s.Type != "number" && (s.Type != "integer" || v != float64(int64(v))) {
			report("%v is not of type %s", v, s.Type)
		}
	case bool:
		if s.Type != "boolean" {
			report("%v is not of type %s", v, s.Type)
		}
	}
	return list
}

// metadataMistakes compares a trigger's metadata with the fields that the scaler reads: their
// names, those that are required, and the types of the values.
func metadataMistakes(t *testing.T, dir, kind string, metadata map[string]string) (list []string) {
	t.Helper()
	scaler, ok := scalers[kind]
	if !ok {
		return []string{"the test does not know this scaler"}
	}
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, scaler[0]), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != scaler[1] {
			return true
		}
		ast.Inspect(spec.Type, func(n ast.Node) bool {
			field, ok := n.(*ast.Field)
			if !ok || field.Tag == nil {
				return true
			}
			name, tag := readTag(field.Tag.Value)
			if name == "" {
				return true
			}
			known[name] = true
			value, given := metadata[name]
			if strings.Contains(tag, "resolvedEnv") {
				known[name+"FromEnv"] = true
				_, fromEnv := metadata[name+"FromEnv"]
				given = given || fromEnv
			}
			if !given && !strings.Contains(tag, "optional") && !strings.Contains(tag, "default=") {
				list = append(list, name+" is missing")
			}
			if _, values, ok := strings.Cut(tag, "enum="); ok && value != "" {
				values, _, _ = strings.Cut(strings.Trim(values, `"`), ",")
				if !slices.Contains(strings.Split(values, ";"), value) {
					list = append(list, fmt.Sprintf("%s: %s is not one of %s", name, value, values))
				}
			}
			if ident, ok := field.Type.(*ast.Ident); ok && value != "" {
				var err error
				switch ident.Name {
				case "int64":
					_, err = strconv.ParseInt(value, 10, 64)
				case "float64":
					_, err = strconv.ParseFloat(value, 64)
				case "bool":
					_, err = strconv.ParseBool(value)
				}
				if err != nil {
					list = append(list, fmt.Sprintf("%s: %v", name, err))
				}
			}
			return true
		})
		return false
	})
	if len(known) < 4 {
		t.Fatalf("%s has %d fields in %s: the test reads it wrongly", scaler[1], len(known), scaler[0])
	}
	for name := range metadata {
		if !known[name] {
			list = append(list, "the scaler reads no "+name)
		}
	}
	return list
}

// readTag returns the name in a struct tag of KEDA, and the whole of the tag.
func readTag(literal string) (name, tag string) {
	_, tag, _ = strings.Cut(strings.Trim(literal, "`"), `keda:"`)
	for part := range strings.SplitSeq(strings.TrimSuffix(tag, `"`), ",") {
		if n, ok := strings.CutPrefix(strings.TrimSpace(part), "name="); ok {
			name = strings.TrimSpace(n)
		}
	}
	return name, tag
}

// TestKEDAMistakesAreFound has mistakes that a cluster accepts or that keep a scaler from
// starting.
func TestKEDAMistakesAreFound(t *testing.T) {
	dir, err := keda()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		kind     string
		metadata map[string]string
		want     string
	}{
		{"aws-sqs-queue", map[string]string{"queueURL": "https://x", "awsRegion": "r", "queueLenght": "10"}, "the scaler reads no queueLenght"},
		{"aws-sqs-queue", map[string]string{"queueURL": "https://x", "awsRegion": "r", "queueLength": "ten"}, "queueLength: "},
		{"aws-sqs-queue", map[string]string{"queueURL": "https://x"}, "awsRegion is missing"},
		{"postgresql", map[string]string{"connectionFromEnv": "DATABASE_URL", "targetQueryValue": "10"}, "query is missing"},
		{"metrics-api", map[string]string{"url": "http://x", "valueLocation": "x", "format": "text"}, "format: text is not one of prometheus;json;xml;yaml"},
	} {
		got := metadataMistakes(t, filepath.Join(dir, "pkg/scalers"), tt.kind, tt.metadata)
		if len(got) != 1 || !strings.HasPrefix(got[0], tt.want) {
			t.Errorf("%s with %v: %q, want %q", tt.kind, tt.metadata, got, tt.want)
		}
	}
	spec := schema{Type: "object", Required: []string{"triggers"}, Properties: map[string]schema{
		"triggers":        {Type: "array", Items: &schema{Type: "string", Enum: []any{"cron"}}},
		"minReplicaCount": {Type: "integer"},
	}}
	for _, tt := range []struct {
		value map[string]any
		want  string
	}{
		{map[string]any{}, ".spec: triggers is missing"},
		{map[string]any{"triggers": []any{}, "minReplicas": 0.0}, ".spec: no field minReplicas"},
		{map[string]any{"triggers": []any{}, "minReplicaCount": "0"}, `.spec.minReplicaCount: "0" is not of type integer`},
		{map[string]any{"triggers": []any{"corn"}}, ".spec.triggers[0]: corn is not one of [cron]"},
	} {
		if got := spec.mistakes(".spec", tt.value); len(got) != 1 || got[0] != tt.want {
			t.Errorf("%v: %q, want %q", tt.value, got, tt.want)
		}
	}
}
