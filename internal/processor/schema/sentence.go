package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// sentence words the first mistake for a client.
func (s *Schema) sentence(e *jsonschema.ValidationError) string {
	e = first(e)
	at := place(e.InstanceLocation)
	switch k := e.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		slices.Sort(k.Properties)
		return s.unknown(k.Properties[0], at)
	case *kind.FalseSchema:
		return at + " is not allowed here"
	case *kind.Required:
		return fmt.Sprintf("%s must have %s", at, strings.Join(k.Missing, ", "))
	case *kind.Type:
		return fmt.Sprintf("%s must be of type %s", at, strings.Join(k.Want, " or "))
	case *kind.Enum:
		return fmt.Sprintf("%s must be one of %s", at, values(k.Want))
	case *kind.Const:
		return fmt.Sprintf("%s must be %s", at, values([]any{k.Want}))
	case *kind.Minimum:
		return fmt.Sprintf("%s must be at least %s", at, number(k.Want))
	case *kind.Maximum:
		return fmt.Sprintf("%s must be at most %s", at, number(k.Want))
	case *kind.ExclusiveMinimum:
		return fmt.Sprintf("%s must be more than %s", at, number(k.Want))
	case *kind.ExclusiveMaximum:
		return fmt.Sprintf("%s must be less than %s", at, number(k.Want))
	case *kind.MultipleOf:
		return fmt.Sprintf("%s must be a multiple of %s", at, number(k.Want))
	case *kind.MinLength:
		return fmt.Sprintf("%s must have at least %d characters", at, k.Want)
	case *kind.MaxLength:
		return fmt.Sprintf("%s must have at most %d characters", at, k.Want)
	case *kind.MinItems:
		return fmt.Sprintf("%s must have at least %d items", at, k.Want)
	case *kind.MaxItems:
		return fmt.Sprintf("%s must have at most %d items", at, k.Want)
	case *kind.Pattern:
		return fmt.Sprintf("%s must match the pattern %s", at, k.Want)
	case *kind.AnyOf, *kind.OneOf:
		return at + " has none of the allowed forms; GET /params describes them"
	}
	return at + " does not fit the schema of the processor; GET /params describes it"
}

// first descends to the first mistake that says something by itself. Of alternatives none
// is the one that was meant.
func first(e *jsonschema.ValidationError) *jsonschema.ValidationError {
	for len(e.Causes) > 0 {
		switch e.ErrorKind.(type) {
		case *kind.AnyOf, *kind.OneOf:
			return e
		}
		e = e.Causes[0]
	}
	return e
}

// unknown refuses a name, and lists the known names of its object.
func (s *Schema) unknown(name, at string) string {
	if at == "params" && len(s.compiled.Properties) > 0 {
		return fmt.Sprintf("there is no %.40q; known are %s", name, strings.Join(slices.Sorted(maps.Keys(s.compiled.Properties)), ", "))
	}
	return fmt.Sprintf("there is no %.40q in %s", name, at)
}

// place names a value by its path, shortened: its keys are the client's.
func place(path []string) string {
	if len(path) == 0 {
		return "params"
	}
	var b strings.Builder
	for i, part := range path {
		switch {
		case i == 0:
		case strings.Trim(part, "0123456789") == "":
			part = "[" + part + "]"
		default:
			part = "." + part
		}
		b.WriteString(part)
	}
	text := []rune(b.String())
	if len(text) > 80 {
		return string(text[:80]) + "…"
	}
	return string(text)
}

func values(list []any) string {
	words := make([]string, len(list))
	for i, v := range list {
		if s, ok := v.(string); ok {
			words[i] = s
			continue
		}
		text, _ := json.Marshal(v) // it has come from JSON
		words[i] = string(text)
	}
	return strings.Join(words, ", ")
}

func number(r *big.Rat) string {
	if r.IsInt() {
		return r.Num().String()
	}
	f, _ := r.Float64()
	return strconv.FormatFloat(f, 'g', -1, 64)
}
