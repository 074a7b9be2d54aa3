// Package schema holds the params of jobs to a JSON Schema (draft 2020-12), by which a
// command or a server describes what it takes. A schema is read once, at the start, and
// refers to nothing outside of itself.
package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"claimcheck.example/internal/job"
)

// Any is the schema of params that nothing is known of: any object.
var Any = []byte(`{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object"}`)

// Schema is a description of params.
type Schema struct {
	raw      []byte
	compiled *jsonschema.Schema
}

// opening are the keywords by which a schema says itself what becomes of params that its
// properties do not name.
var opening = []string{"additionalProperties", "unevaluatedProperties", "patternProperties", "$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if"}

// New reads a schema of objects. One that lists properties, and does not say what becomes
// of others, allows no others.
func New(raw []byte) (*Schema, error) {
	var top map[string]json.RawMessage
	if err := json.Unmarshal(raw, &top); err != nil || top == nil {
		return nil, errors.New("the schema is not a JSON object")
	}
	_, lists := top["properties"]
	if lists && !slices.ContainsFunc(opening, func(k string) bool { _, ok := top[k]; return ok }) {
		raw = closed(raw)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return nil, fmt.Errorf("the schema is not JSON: %w", err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("the schema is not JSON: %w", err)
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(nowhere{})
	if err := c.AddResource(location, doc); err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	compiled, err := c.Compile(location)
	if err != nil {
		return nil, fmt.Errorf("the schema is not a JSON Schema: %w", err)
	}
	if compiled.Types != nil && !slices.Contains(compiled.Types.ToStrings(), "object") {
		return nil, errors.New("the schema is not one of objects: params are a JSON object")
	}
	return &Schema{compact.Bytes(), compiled}, nil
}

// location is the schema's own name.
const location = "urn:claimcheck:params"

// closed adds that there are no other properties, before the last brace: the order of the
// properties is that in which forms show them, and stays.
func closed(raw []byte) []byte {
	end := bytes.LastIndexByte(raw, '}')
	return slices.Concat(raw[:end], []byte(`,"additionalProperties":false}`))
}

// nowhere finds no schema: none is fetched from a file or the network.
type nowhere struct{}

func (nowhere) Load(url string) (any, error) {
	return nil, fmt.Errorf("it refers to %s, which is outside of it", url)
}

// JSON returns the schema as it holds. The caller must not change it.
func (s *Schema) JSON() []byte { return s.raw }

// Check refuses params that do not fit, with a sentence that names the first mistake.
func (s *Schema) Check(params json.RawMessage) error {
	if len(params) == 0 {
		params = json.RawMessage("{}")
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(params))
	if err != nil {
		return job.Errorf(job.Invalid, "params must be a JSON object")
	}
	err = s.compiled.Validate(v)
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		return job.Errorf(job.Invalid, "%s", s.sentence(e))
	}
	return job.Errorf(job.Invalid, "params do not fit the schema of the processor")
}

// Rules returns the rules of a processor to which the schema's are added.
func (s *Schema) Rules(of job.Rules) job.Rules { return rules{of, s} }

type rules struct {
	job.Rules
	schema *Schema
}

// CheckParams implements job.Rules.
func (r rules) CheckParams(input job.Media, params json.RawMessage) error {
	if err := r.schema.Check(params); err != nil {
		return err
	}
	return r.Rules.CheckParams(input, params)
}
