package browser

import (
	"strings"
	"testing"

	"claimcheck.example/internal/app/apptest"
)

const value = `document.querySelector("#param-" + %s).value`

// TestFieldsAndJSONFollowEachOther edits the fields and the JSON of the built-in processor's
// params.
func TestFieldsAndJSONFollowEachOther(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, "IMAGING=embedded")
	s.StartWorker(t)
	b := open(t, s.URL, look{})
	b.field("width", "40")
	b.field("format", "JPEG")
	b.field("quality", "70")
	json := func() string { return eval[string](b, `document.querySelector("#params").value`) }
	if got := json(); got != `{ "width": 40, "format": "jpeg", "quality": 70 }` {
		t.Errorf("the fields are %s as JSON", got)
	}
	b.field("format", "PNG, lossless") // which has no quality
	if got := json(); got != `{ "width": 40, "format": "png" }` {
		t.Errorf("the fields are %s as JSON", got)
	}
	if !eval[bool](b, `document.querySelector("#param-quality").disabled`) || eval[string](b, value, "quality") != "" {
		t.Error("a PNG can be given a quality")
	}
	b.json(`{"height": 30, "format": "gif", "keep": []}`)
	if w, h := eval[string](b, value, "width"), eval[string](b, value, "height"); w != "" || h != "30" {
		t.Errorf("the fields say %q and %q", w, h)
	}
	b.field("width", "20") // what there is no field for stays
	if got := json(); got != `{ "height": 30, "format": "gif", "keep": [], "width": 20 }` {
		t.Errorf("the fields are %s as JSON", got)
	}
	b.json(`{"ops": []}`)
	if !eval[bool](b, `document.querySelector("#param-width").disabled`) {
		t.Error("a width can be given beside operations")
	}
	b.json(`{"width": 20}`)
	b.choose(file(t, "a.png", picture(t, 1, 80, 40, false)))
	b.state("a.png", "completed")
	if got := b.shown("a.png", ".after"); got != "20×10" {
		t.Errorf("it came back as %s", got)
	}
	// The name of a control is its label.
	for _, want := range []string{"spinbutton Width", "combobox Format", "spinbutton Quality", "textbox Parameters as JSON"} {
		eval[any](b, `document.querySelector("#raw").open = true`)
		if names := strings.Join(b.named(), "\n"); !strings.Contains(names, want) {
			t.Errorf("there is no %s in %s", want, names)
		}
	}
}

// TestFieldsOfAProcessor shows the fields of an operator's schema, and a box for JSON without a
// schema.
func TestFieldsOfAProcessor(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, "PROCESSOR=exec:cat", `PROCESSOR_SCHEMA={"description": "Makes images larger </script><b>.", "properties": {
		"scale": {"title": "Scale", "type": "integer", "minimum": 2, "maximum": 8, "description": "How much larger"}, "model": {"enum": ["fast", "fine"]}, "face": {"type": "boolean"},
		"prompt": {"type": "string", "minLength": 3}, "tags": {"type": "array"}}, "required": ["scale"]}`)
	s.StartWorker(t)
	b := open(t, s.URL, look{})
	got := eval[string](b, `[...document.querySelectorAll("#fields :is(label, p)")].map((n) => n.textContent).join()`)
	if got != "Scale,How much larger,model,face,prompt" {
		t.Errorf("the fields are %s", got)
	}
	if got := eval[string](b, `document.querySelector("#fields-note").textContent`); got != "Makes images larger </script><b>." {
		t.Errorf("the description is %q", got)
	}
	b.expect(400)
	b.choose(file(t, "a.png", picture(t, 1, 80, 40, false)))
	b.state("a.png", "refused")
	if got := b.text("a.png", ".what"); got != "Params must have scale." {
		t.Errorf("it says %q", got)
	}
	b.field("scale", "4")
	b.field("model", "fine")
	b.field("face", "Yes")
	b.press("a.png", ".again")
	b.state("a.png", "completed")
	if got := apptest.Get(t, s.URL+"/jobs/"+b.id("a.png")).JSON(t)["params"]; got.(map[string]any)["model"] != "fine" || got.(map[string]any)["face"] != true {
		t.Errorf("the job has the params %v", got)
	}
	b.screenshot("described")

	beside := s.StartBeside(t, "PROCESSOR=exec:cat")
	b = open(t, beside, look{})
	b.until(`document.querySelector("#params").checkVisibility() && !document.querySelector("#fields").checkVisibility()`)
}
