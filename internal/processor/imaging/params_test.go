package imaging_test

import (
	"strings"
	"testing"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging"
	"claimcheck.example/internal/processor/imaging/embedded"
)

// builtin is the built-in processor with the engine in Go.
func builtin(limits imaging.Limits) *imaging.Processor {
	return imaging.New(embedded.New(limits), embedded.Capabilities(), limits)
}

func TestCheckParams(t *testing.T) {
	t.Parallel()
	p := builtin(imaging.Limits{})
	for _, params := range []string{
		"", "{}", `{"width": 1}`, `{"height": 16384}`, `{"width": 800, "height": 600, "format": "jpeg", "quality": 100, "keep": ["icc", "exif"]}`,
		`{"ops": []}`, `{"quality": 1}`, `{"keep": []}`, `{"format": "webp", "keep": ["icc"]}`,
		`{"ops": [{"fit": {"width": 1}}, {"fill": {"width": 1, "height": 1}}, {"resize": {"height": 5}}, {"crop": {"width": 1, "height": 1}},
			{"rotate": 270}, {"flip": "horizontal"}, {"grayscale": true}, {"blur": 0.1}, {"sharpen": {}}]}`,
	} {
		if err := p.CheckParams(job.Media{}, []byte(params)); err != nil {
			t.Errorf("CheckParams(%s): %v", params, err)
		}
	}
	tests := []struct{ params, word string }{
		{`[]`, "object"},
		{`null`, "object"},
		{`"x"`, "object"},
		{`{`, "object"},
		{`{} {}`, "nothing after"},
		{`{"width": 1, "width": 1}`, `"width" twice`},
		{`{"wdith": 1}`, `"wdith"; known are width`},
		{`{"Width": 1}`, `"Width"`},
		{`{"width": "1"}`, "width must be a whole number from 1 to 16384"},
		{`{"width": 0}`, "width must be"},
		{`{"width": 16385}`, "width must be"},
		{`{"width": 1.5}`, "width must be"},
		{`{"width": 1e2}`, "width must be"},
		{`{"width": null}`, "width must be"},
		{`{"height": -1}`, "height must be"},
		{`{"quality": 0}`, "quality must be a whole number from 1 to 100"},
		{`{"quality": 101}`, "quality must be"},
		{`{"quality": 80, "format": "png"}`, "quality is for"},
		{`{"format": "svg"}`, "format must be one of jpeg, png"},
		{`{"format": null}`, "format must be one of"},
		{`{"format": ["png"]}`, "format must be one of"},
		{`{"keep": "icc"}`, "keep must be a list"},
		{`{"keep": ["gps"]}`, "keep[0] must be one of icc, exif"},
		{`{"keep": ["icc"], "format": "gif"}`, `keep "icc"`},
		{`{"keep": ["exif"], "format": "webp"}`, `keep "exif"`},
		{`{"ops": [], "width": 3}`, "ops as well as width"},
		{`{"ops": {}}`, "ops must be a list"},
		{`{"ops": null}`, "ops must be a list"},
		{`{"ops": [1]}`, "ops[0] must be a JSON object"},
		{`{"ops": [{}]}`, "ops[0] must have exactly one key"},
		{`{"ops": [{"rotate": 90, "flip": "vertical"}]}`, "exactly one key"},
		{`{"ops": [{"spin": 90}]}`, `"spin"; known are fit`},
		{`{"ops": [{"rotate": 45}]}`, "rotate must be"},
		{`{"ops": [{"rotate": 100}]}`, "rotate must be"},
		{`{"ops": [{"flip": "both"}]}`, "flip must be one of"},
		{`{"ops": [{"grayscale": false}]}`, "grayscale must be true"},
		{`{"ops": [{"blur": 0}]}`, "blur must be a number from 0.1 to 50"},
		{`{"ops": [{"blur": 51}]}`, "blur must be"},
		{`{"ops": [{"blur": "1"}]}`, "blur must be"},
		{`{"ops": [{"sharpen": {"radius": 1}}]}`, `"radius"`},
		{`{"ops": [{"sharpen": 1}]}`, "sharpen must be a JSON object"},
		{`{"ops": [{"fit": {}}]}`, "fit needs width and height"},
		{`{"ops": [{"fill": {"width": 3}}]}`, "fill needs width and height"},
		{`{"ops": [{"fill": {"width": 16384, "height": 16384}}]}`, "pixels"},
		{`{"ops": [{"crop": {"x": -1, "width": 1, "height": 1}}]}`, "x must be"},
		{`{"ops": [{"crop": {"width": 1}}]}`, "crop needs width and height"},
		{`{"ops": [` + strings.Repeat(`{"rotate": 90},`, 16) + `{"rotate": 90}]}`, "at most 16"},
	}
	for _, tt := range tests {
		err := p.CheckParams(job.Media{}, []byte(tt.params))
		if job.KindOf(err) != job.Invalid || !strings.Contains(job.MessageOf(err), tt.word) {
			t.Errorf("CheckParams(%s): got %v (%v), want invalid with %q", tt.params, err, job.KindOf(err), tt.word)
		}
	}
}

// FuzzCheckParams holds that nothing panics, and that what is refused is refused with
// a sentence for the client.
func FuzzCheckParams(f *testing.F) {
	f.Add([]byte(`{"ops": [{"crop": {"width": 1, "height": 1}}, {"blur": 1e0}], "format": "png", "keep": ["icc"]}`))
	f.Add([]byte(`{"width": 10, "quality": 80}`))
	f.Add([]byte(`{"a":{"b":[`))
	p := builtin(imaging.Limits{})
	f.Fuzz(func(t *testing.T, params []byte) {
		if err := p.CheckParams(job.Media{}, params); err != nil && (job.KindOf(err) != job.Invalid || job.MessageOf(err) == "") {
			t.Errorf("got %v, want invalid", err)
		}
	})
}
