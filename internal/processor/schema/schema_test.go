package schema_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/schema"
)

const upscaler = `{
	"type": "object",
	"properties": {
		"scale": {"type": "integer", "minimum": 2, "maximum": 8, "multipleOf": 2},
		"model": {"enum": ["fast", "fine", 3]},
		"prompt": {"type": "string", "minLength": 3, "maxLength": 5, "pattern": "^[a-z]+$"},
		"noise": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1.5},
		"tags": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "object", "properties": {"name": {"type": ["null", "string"]}}, "required": ["name"]}},
		"either": {"anyOf": [{"type": "string"}, {"const": 7}]},
		"sure": {"const": true}
	},
	"required": ["scale"]
}
`

func TestCheck(t *testing.T) {
	t.Parallel()
	s, err := schema.New([]byte(upscaler))
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("k", 300)
	tests := map[string]string{ // params to what is wrong with them
		`{"scale": 4, "model": "fine", "prompt": "abc", "noise": 0.5, "tags": [{"name": null}], "either": 7, "sure": true}`: "",
		``:                                    "params must have scale",
		`{"scale": 2, "scal": 1}`:             `there is no "scal"; known are either, model, noise, prompt, scale, sure, tags`,
		`{"scale": "2"}`:                      "scale must be of type integer",
		`{"scale": 1}`:                        "scale must be at least 2",
		`{"scale": 10}`:                       "scale must be at most 8",
		`{"scale": 3}`:                        "scale must be a multiple of 2",
		`{"scale": 2, "model": "x"}`:          "model must be one of fast, fine, 3",
		`{"scale": 2, "prompt": "x"}`:         "prompt must have at least 3 characters",
		`{"scale": 2, "prompt": "abcdef"}`:    "prompt must have at most 5 characters",
		`{"scale": 2, "prompt": "ABC"}`:       "prompt must match the pattern ^[a-z]+$",
		`{"scale": 2, "noise": 0}`:            "noise must be more than 0",
		`{"scale": 2, "noise": 1.5}`:          "noise must be less than 1.5",
		`{"scale": 2, "tags": []}`:            "tags must have at least 1 items",
		`{"scale": 2, "tags": [{"name": 1}]}`: "tags[0].name must be of type null or string",
		`{"scale": 2, "tags": [{}]}`:          "tags[0] must have name",
		`{"scale": 2, "either": 8}`:           "either has none of the allowed forms; GET /params describes them",
		`{"scale": 2, "sure": false}`:         "sure must be true",
		`{"scale": 2, "` + long + `": 1}`:     `there is no "` + long[:40] + `"; known are either, model, noise, prompt, scale, sure, tags`,
		`{"scale": `:                          "params must be a JSON object",
	}
	for params, want := range tests {
		err := s.Check(json.RawMessage(params))
		if got := job.MessageOf(err); got != want || (err != nil && job.KindOf(err) != job.Invalid) {
			t.Errorf("%s: %v, want %q", params, err, want)
		}
	}
}

// TestNew says which schemas there can be, and how one is served that does not say what
// becomes of other properties.
func TestNew(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		string(schema.Any):                              string(schema.Any),
		`{"properties": {"b": {}, "a": {}}}` + "\n":     `{"properties":{"b":{},"a":{}},"additionalProperties":false}`,
		`{"properties":{},"additionalProperties":true}`: `{"properties":{},"additionalProperties":true}`,
		`{"properties":{},"allOf":[]}`:                  ``,
		`{"properties":{},"anyOf":[{}]}`:                `{"properties":{},"anyOf":[{}]}`,
		`{"type": "string"}`:                            ``,
		`{"type": "nonsense"}`:                          ``,
		`{"$ref": "file:///etc/passwd"}`:                ``,
		`{"$ref": "https://schemas.example/a.json"}`:    ``,
		`{"type": "object"} {}`:                         ``,
		`null`:                                          ``,
		`[]`:                                            ``,
		`{`:                                             ``,
	} {
		s, err := schema.New([]byte(raw))
		if want == "" {
			if err == nil {
				t.Errorf("%s is taken", raw)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		if got := string(s.JSON()); got != want {
			t.Errorf("%s is served as %s, want %s", raw, got, want)
		}
	}
}

// strict is a processor that takes no params but those of one form.
type strict struct{ accepts string }

func (s strict) Accepts(contentType string) bool { return contentType == s.accepts }

func (strict) CheckParams(_ job.Media, params json.RawMessage) error {
	if string(params) != `{"scale":2}` {
		return job.Errorf(job.Invalid, "not this")
	}
	return nil
}

// TestRules asks the schema first and the processor next.
func TestRules(t *testing.T) {
	t.Parallel()
	s, err := schema.New([]byte(upscaler))
	if err != nil {
		t.Fatal(err)
	}
	r := s.Rules(strict{"image/png"})
	for params, want := range map[string]string{`{"scale":2}`: "", `{"scale":1}`: "scale must be at least 2", `{"scale":4}`: "not this"} {
		if got := job.MessageOf(r.CheckParams(job.Media{}, json.RawMessage(params))); got != want {
			t.Errorf("%s: %q, want %q", params, got, want)
		}
	}
	if !r.Accepts("image/png") || r.Accepts("image/gif") {
		t.Error("the processor is not asked for the types that it takes")
	}
}

// FuzzCheck finds no params that stop the check, and no refusal without a sentence.
func FuzzCheck(f *testing.F) {
	s, err := schema.New([]byte(upscaler))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"scale": 2, "tags": [{"name": 1}]}`))
	f.Fuzz(func(t *testing.T, params []byte) {
		err := s.Check(params)
		if e, ok := errors.AsType[*job.Error](err); err != nil && (!ok || e.Message == "") {
			t.Errorf("%q: %v", params, err)
		}
	})
}
