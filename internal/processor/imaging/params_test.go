package imaging_test

import (
	"image"
	"strings"
	"testing"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging"
	"claimcheck.example/internal/processor/imaging/embedded"
	"claimcheck.example/internal/processor/imaging/imagingtest"
	"claimcheck.example/internal/processor/processortest"
)

// builtin returns the built-in processor with the engine in Go.
func builtin(limits imaging.Limits) *imaging.Processor {
	return imaging.New(embedded.New(limits), imaging.Embedded(), limits)
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
		{`{"quality": 80, "format": "png"}`, "quality works with the formats jpeg, webp, avif and jxl, not with png"},
		{`{"lossless": 1, "format": "webp"}`, "lossless must be one of true, false"},
		{`{"lossless": true}`, "lossless needs a format: webp, avif and jxl"},
		{`{"lossless": true, "format": "jpeg"}`, "lossless works with the formats webp, avif and jxl, not with jpeg"},
		{`{"lossless": false, "format": "png"}`, "lossless works with"},
		{`{"lossless": true, "quality": 3, "format": "webp"}`, "quality as well as lossless"},
		{`{"animated": true, "format": "jpeg"}`, "animated works with the formats gif and webp"},
		{`{"animated": 1}`, "animated must be one of"},
		{`{"format": "avif"}`, "the embedded engine does not write avif; the vips engine writes it"},
		{`{"format": "webp", "quality": 80}`, "the embedded engine does not write lossy webp"},
		{`{"format": "webp", "lossless": false}`, "the embedded engine does not write lossy webp"},
		{`{"animated": true}`, "the embedded engine does not write animations"},
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

// TestCheckParamsOfAnyEngine accepts at submit what only some workers can do, and leaves
// the refusal to the worker.
func TestCheckParamsOfAnyEngine(t *testing.T) {
	t.Parallel()
	p := imaging.New(embedded.New(imaging.Limits{}), imaging.Any(), imaging.Limits{})
	data := imagingtest.PNG(t, image.NewGray(image.Rect(0, 0, 2, 2)))
	for _, params := range []string{`{"format": "avif", "quality": 50}`, `{"format": "webp", "quality": 80}`, `{"format": "jxl", "lossless": true}`, `{"animated": true}`} {
		if err := p.CheckParams(job.Media{}, []byte(params)); err != nil {
			t.Errorf("CheckParams(%s): %v", params, err)
		}
		if _, _, err := processortest.Run(t, p, data, params); job.KindOf(err) != job.Invalid || !strings.Contains(job.MessageOf(err), "the vips engine writes") {
			t.Errorf("%s: got %v, want invalid with the engine that writes it", params, err)
		}
	}
	if !p.Accepts("image/heic") || p.Accepts("image/svg+xml") {
		t.Errorf("HEIC is accepted: %v; SVG: %v", p.Accepts("image/heic"), p.Accepts("image/svg+xml"))
	}
}

// TestPlanSettlesTheEncoder checks the choices that params leave open.
func TestPlanSettlesTheEncoder(t *testing.T) {
	t.Parallel()
	tests := []struct {
		params   string
		quality  int
		lossless bool
	}{
		{``, 0, false},
		{`{"format": "webp"}`, 0, true},
		{`{"format": "webp", "quality": 70}`, 70, false},
		{`{"format": "webp", "lossless": false}`, 0, false},
		{`{"format": "avif"}`, 0, false},
		{`{"format": "jxl", "lossless": true}`, 0, true},
	}
	for _, tt := range tests {
		plan, err := imaging.Parse([]byte(tt.params), imaging.Limits{})
		if err != nil || plan.Quality != tt.quality || plan.Lossless != tt.lossless {
			t.Errorf("%s: got quality %d, lossless %v, %v; want %d, %v", tt.params, plan.Quality, plan.Lossless, err, tt.quality, tt.lossless)
		}
	}
}

// TestPlanNeeds checks the smallest size at which a picture may be decoded.
func TestPlanNeeds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		params string
		w, h   int
	}{
		{``, 1024, 768},
		{`{"width": 100}`, 100, 75},
		{`{"ops": []}`, 4000, 3000},
		{`{"ops": [{"crop": {"width": 10, "height": 10}}, {"fit": {"width": 5}}]}`, 4000, 3000},
		{`{"ops": [{"blur": 1}, {"fit": {"width": 5}}]}`, 4000, 3000},
		{`{"ops": [{"grayscale": true}, {"flip": "vertical"}, {"fit": {"width": 400}}, {"crop": {"width": 1, "height": 1}}]}`, 400, 300},
		{`{"ops": [{"rotate": 90}, {"fit": {"width": 300}}]}`, 400, 300},
		{`{"ops": [{"rotate": 90}, {"rotate": 90}, {"resize": {"width": 300, "height": 10}}]}`, 300, 10},
		{`{"ops": [{"fill": {"width": 300, "height": 300}}]}`, 400, 300},
		{`{"ops": [{"resize": {"width": 8000}}]}`, 4000, 3000},
	}
	for _, tt := range tests {
		plan, err := imaging.Parse([]byte(tt.params), imaging.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if w, h := plan.Needs(4000, 3000); w != tt.w || h != tt.h {
			t.Errorf("%s: needs %d x %d, want %d x %d", tt.params, w, h, tt.w, tt.h)
		}
	}
}

// FuzzCheckParams checks that nothing panics, and that every refusal has a sentence for
// the client.
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
