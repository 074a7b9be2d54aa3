package imaging

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// object is a JSON object whose members have an order: it is that of a form's fields.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(m.name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		b.Write(append(append(name, ':'), value...))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func integer(low, high int) object {
	return object{{"type", "integer"}, {"minimum", low}, {"maximum", high}}
}

func number(low, high float64) object {
	return object{{"type", "number"}, {"minimum", low}, {"maximum", high}}
}

// like adds an example to the description of a value.
func like(example any, o object) object { return append(o, member{"examples", []any{example}}) }

// sides describes a width and a height, of which any or all are needed.
func sides(need string) object {
	return object{
		{"type", "object"},
		{"properties", object{{"width", like(800, integer(1, maxSide))}, {"height", like(600, integer(1, maxSide))}}},
		{need, []object{{{"required", []string{"width"}}}, {{"required", []string{"height"}}}}},
		{"additionalProperties", false},
	}
}

// Schema describes the params that a submit accepts, as a JSON Schema (draft 2020-12). It
// refuses nothing that Parse takes. What depends on the image, on the engine or on several
// values at once may still be refused.
func Schema(can Capabilities) []byte {
	titled := func(title, description string, o object) object {
		return append(object{{"title", title}, {"description", description}}, o...)
	}
	boolean := object{{"type", "boolean"}}
	lossy := formatsOf(can, func(f Format) bool { return f.Lossy && (f.Name != "webp" || can.LossyWebP) })
	properties := object{
		{"width", titled("Width", "The most, in pixels. Proportions stay.", like(800, integer(1, maxSide)))},
		{"height", titled("Height", "The most, in pixels.", like(600, integer(1, maxSide)))},
		{"format", titled("Format", "By itself a JPEG stays a JPEG.", object{{"oneOf", formatChoices(can)}})},
		{"quality", titled("Quality", "Less makes a smaller file.", like(80, integer(1, 100)))},
		{"lossless", titled("Lossless", "The file is larger.", boolean)},
	}
	animated := boolean
	if !can.Animated {
		animated = object{{"const", false}}
	}
	properties = append(properties, member{"animated", titled("Animated", "All frames of an animation are kept.", animated)})
	ops := make([]object, len(operations))
	for i, e := range operations {
		ops[i] = object{
			{"type", "object"}, {"properties", object{{e.name, e.value}}},
			{"required", []string{e.name}}, {"additionalProperties", false},
		}
	}
	properties = append(properties,
		member{"keep", titled("Keep", "The metadata that survive.", object{
			{"type", "array"}, {"maxItems", 2}, {"items", object{{"enum", []string{"icc", "exif"}}}},
		})},
		member{"ops", titled("Operations", "What is done to the image, in order.", object{
			{"type", "array"}, {"maxItems", maxOps}, {"items", object{{"oneOf", ops}}},
		})},
	)
	within := func(names []string) object {
		return object{{"properties", object{{"format", object{{"enum", names}}}}}}
	}
	raw, err := json.Marshal(object{
		{"$schema", "https://json-schema.org/draft/2020-12/schema"},
		{"description", fmt.Sprintf("Without width and height an image fits into %d × %d pixels. None is enlarged.", defaultSide, defaultSide)},
		{"type", "object"},
		{"properties", properties},
		{"additionalProperties", false},
		{"dependentSchemas", object{
			{"quality", within(lossy)},
			{"lossless", object{{"required", []string{"format"}}}},
			{"ops", object{{"properties", object{{"width", false}, {"height", false}}}}},
		}},
	})
	if err != nil {
		panic(err) // the values are ours and always marshal
	}
	return raw
}

// formatChoices are the formats with their names for people.
func formatChoices(can Capabilities) []object {
	names := map[string]string{
		"jpeg": "JPEG", "png": "PNG, lossless", "gif": "GIF, 256 colours", "webp": "WebP", "tiff": "TIFF, lossless", "avif": "AVIF", "jxl": "JPEG XL",
	}
	if !can.LossyWebP {
		names["webp"] = "WebP, lossless"
	}
	var choices []object
	for _, name := range formatsOf(can, func(Format) bool { return true }) {
		choices = append(choices, object{{"const", name}, {"title", names[name]}})
	}
	return choices
}

// formatsOf lists the formats of a kind that can be written.
func formatsOf(can Capabilities, is func(Format) bool) (names []string) {
	for _, f := range formats {
		if is(f) && slices.Contains(can.Writes, f.Name) {
			names = append(names, f.Name)
		}
	}
	return names
}
