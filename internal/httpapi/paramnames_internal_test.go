package httpapi

import "testing"

// TestExamplesOfParams takes names from the schema of another processor.
func TestExamplesOfParams(t *testing.T) {
	t.Parallel()
	names := namesIn([]byte(`{"type": "object", "properties": {
		"Prompt": {"type": "string"}, "steps": {"type": "integer", "minimum": 4, "maximum": 9}, "strength": {"type": "number", "maximum": 0.5},
		"model": {"enum": ["small", "large"]}, "tile": {"type": "boolean"}, "seed": {"examples": [42]}, "depth": {"const": 8}, "open": true,
		"box": {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}}, "required": ["x"], "anyOf": [{"required": ["y"]}]},
		"tags": {"type": "array", "items": {"enum": ["a"]}}, "sha256": {"type": "string"},
		"layers": {"type": "array", "items": {"oneOf": [{"properties": {"tint": {"enum": ["red"]}}}, {"properties": {"steps": {"const": 1}}}]}}}}`))
	tests := []struct{ name, value, want string }{
		{"prompt", "cat", `{"Prompt": "cat"}`},
		{"Prompt", `a cat's "house"`, `{"Prompt": "..."}`},
		{"steps", "7", `{"steps": 7}`},
		{"steps", "many", `{"steps": 4}`},
		{"strength", "", `{"strength": 0.5}`},
		{"model", "large", `{"model": "large"}`},
		{"model", "9", `{"model": "small"}`},
		{"tile", "false", `{"tile": false}`},
		{"seed", "none", `{"seed": 42}`},
		{"depth", "7", `{"depth": 8}`},
		{"open", "x", `{"open": "x"}`},
		{"box", "x", `{"box": {"x": 1, "y": 1}}`},
		{"tags[]", "x", `{"tags": ["a"]}`},
		{"layers", "", `{"layers": ["..."]}`},
		{"tint", "blue", `{"layers": [{"tint": "blue"}]}`},
		{"params[tint]", "blue", `{"layers": [{"tint": "blue"}]}`},
		{"params.sha256", "", `{"sha256": "..."}`},
		{"sha256", "", ""}, // of the submit itself
		{"width", "3", ""},
		{"params[width]", "3", `{"width": 3}`},
	}
	for _, tt := range tests {
		if got := names.params(tt.name, tt.value); got != tt.want {
			t.Errorf("%s=%s: %s, want %s", tt.name, tt.value, got, tt.want)
		}
	}
	for _, schema := range []string{`true`, `{"properties": {"width": 3, "height": {"items": []}}}`, `{`} {
		if got := namesIn([]byte(schema)).params("width", "3"); schema[0] != '{' && got != "" {
			t.Errorf("%s: %s", schema, got)
		}
	}
}
