package httpapi

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// paramNames are the names in the schema of params, in lower case, with an example of each: the
// members of params, and those of the objects that a list in params holds, such as the
// operations of the image processor.
type paramNames map[string]paramExample

// paramExample is params with one member: before + value + after.
type paramExample struct {
	before, value, after string
	fixed                bool // no other value is valid
}

// submitNames are the names of a submit itself, in a form, a query or a JSON body.
var submitNames = []string{"image", "params", "webhook", "source", "content_type", "size_bytes", "sha256", "cancel_after"}

// bracketed matches nested names of params: params[width], params.width.
var bracketed = regexp.MustCompile(`^params(?:\[|\.)"?'?([A-Za-z0-9_]+)`)

// number and word are the values of a client that an example contains unchanged.
var (
	number = regexp.MustCompile(`^[0-9]{1,5}(?:\.[0-9]{1,3})?$`)
	word   = regexp.MustCompile(`^[a-z]{1,10}$`)
)

// described is the part of a JSON Schema that an example is made of.
type described struct {
	Type       any                        `json:"type"`
	Examples   []json.RawMessage          `json:"examples"`
	Const      json.RawMessage            `json:"const"`
	Enum       []json.RawMessage          `json:"enum"`
	OneOf      []json.RawMessage          `json:"oneOf"`
	AnyOf      []json.RawMessage          `json:"anyOf"`
	AllOf      []json.RawMessage          `json:"allOf"`
	Items      json.RawMessage            `json:"items"`
	Properties map[string]json.RawMessage `json:"properties"`
	Required   []string                   `json:"required"`
	Minimum    *float64                   `json:"minimum"`
	Maximum    *float64                   `json:"maximum"`
}

// describe reads a schema. A schema that is no object, or is malformed, describes nothing.
func describe(schema json.RawMessage) (d described) {
	if json.Unmarshal(schema, &d) != nil {
		return described{}
	}
	return d
}

// namesIn returns the names in a schema of params.
func namesIn(schema []byte) paramNames {
	names := paramNames{}
	add := func(before, name string, about json.RawMessage, after string) {
		if key := strings.ToLower(name); names[key] == (paramExample{}) {
			d := describe(about)
			names[key] = paramExample{before + quoted(name) + ": ", d.example(), after, d.Const != nil}
		}
	}
	properties := describe(schema).Properties
	for name, about := range properties {
		add("{", name, about, "}")
	}
	for list, about := range properties {
		for _, choice := range describe(describe(about).Items).OneOf {
			for name, about := range describe(choice).Properties {
				add("{"+quoted(list)+": [{", name, about, "}]}")
			}
		}
	}
	return names
}

// with returns the params with the client's value, if that is a value of the example's kind.
func (e paramExample) with(value string) string {
	switch {
	case e.fixed:
		value = e.value
	case e.value[0] == '"' && word.MatchString(value):
		value = quoted(value)
	case e.value == "true" && (value == "true" || value == "false"):
	case e.value[0] >= '0' && e.value[0] <= '9' && number.MatchString(value):
	default:
		value = e.value
	}
	return e.before + value + e.after
}

// params returns the params that a client means by a name outside of params, or "" if the
// name is not one of the params.
func (names paramNames) params(name, value string) string {
	inside := bracketed.FindStringSubmatch(name)
	switch {
	case inside != nil:
		name = inside[1]
	case slices.Contains(submitNames, name):
		return ""
	}
	if e, ok := names[strings.ToLower(strings.TrimSuffix(name, "[]"))]; ok {
		return e.with(value)
	}
	switch {
	case inside == nil:
		return ""
	case word.MatchString(value):
		value = quoted(value)
	case !number.MatchString(value):
		value = `"..."`
	}
	return "{" + quoted(name) + ": " + value + "}"
}

// example returns a value that the schema allows, or "..." for what only the processor knows.
func (d described) example() string {
	for _, v := range slices.Concat(d.Examples, []json.RawMessage{d.Const}, d.Enum) {
		if v != nil {
			return string(v)
		}
	}
	switch {
	case d.Type == "boolean":
		return "true"
	case d.Type == "integer", d.Type == "number":
		n := 1.0
		if d.Minimum != nil {
			n = max(n, *d.Minimum)
		}
		if d.Maximum != nil {
			n = min(n, *d.Maximum)
		}
		return strconv.FormatFloat(n, 'f', -1, 64)
	case d.Type == "array":
		return "[" + describe(d.Items).example() + "]"
	case d.Type == "object":
		var members []string
		for _, name := range d.needed() {
			members = append(members, quoted(name)+": "+describe(d.Properties[name]).example())
		}
		return "{" + strings.Join(members, ", ") + "}"
	case len(d.OneOf) > 0:
		return describe(d.OneOf[0]).example()
	}
	return `"..."`
}

// needed lists the members that make an object valid.
func (d described) needed() []string {
	names := d.Required
	for _, s := range slices.Concat(d.AllOf, d.AnyOf[:min(1, len(d.AnyOf))], d.OneOf[:min(1, len(d.OneOf))]) {
		names = append(names, describe(s).Required...)
	}
	return names
}

func quoted(s string) string {
	b, _ := json.Marshal(s) // a string always marshals
	return string(b)
}
