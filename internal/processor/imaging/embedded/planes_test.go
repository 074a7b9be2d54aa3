package embedded_test

import (
	"fmt"
	"testing"

	"claimcheck.example/internal/processor/imaging"
	"claimcheck.example/internal/processor/imaging/imagingtest"
	"claimcheck.example/internal/processor/processortest"
)

// TestPlanesInEveryOrientation makes pictures smaller that are stored in each of the
// eight orientations, and compares them with the result of the upright picture.
func TestPlanesInEveryOrientation(t *testing.T) {
	t.Parallel()
	p := builtin(imaging.Limits{})
	scene := imagingtest.JPEG(t, imagingtest.Picture(t, imagingtest.File(t, "reference", "scene.png")))
	for o := byte(1); o <= 8; o++ {
		for _, ops := range []string{
			`{"fit": {"width": 31}}`,
			`{"crop": {"x": 13, "y": 7, "width": 101, "height": 97}}, {"resize": {"width": 20, "height": 33}}`,
			`{"rotate": 90}, {"flip": "vertical"}, {"fill": {"width": 37, "height": 23}}`,
			`{"crop": {"x": 3, "y": 5, "width": 40, "height": 50}}, {"resize": {"width": 90}}`,
		} {
			lying := imagingtest.Oriented(scene, o)
			_, upright, err := processortest.Run(t, p, lying, `{"ops": [], "format": "png"}`)
			if err != nil {
				t.Fatal(err)
			}
			params := fmt.Sprintf(`{"ops": [%s], "format": "png"}`, ops)
			_, want, err := processortest.Run(t, p, upright, params)
			if err != nil {
				t.Fatal(err)
			}
			_, got, err := processortest.Run(t, p, lying, params)
			if err != nil {
				t.Fatal(err)
			}
			if d := imagingtest.Difference(t, imagingtest.Picture(t, got), imagingtest.Picture(t, want)); d > 1.5 {
				t.Errorf("orientation %d, %s: the mean difference is %.2f of 255", o, ops, d)
			}
		}
	}
}

// TestJPEGHasSmoothColours decodes a JPEG at its own size, with interpolated chroma.
func TestJPEGHasSmoothColours(t *testing.T) {
	t.Parallel()
	want := imagingtest.Picture(t, imagingtest.File(t, "reference", "scene.png"))
	_, body, err := processortest.Run(t, builtin(imaging.Limits{}), imagingtest.File(t, "reference", "scene.jpg"), `{"ops": [], "format": "png"}`)
	if err != nil {
		t.Fatal(err)
	}
	if d := imagingtest.Difference(t, imagingtest.Picture(t, body), want); d > 2 {
		t.Errorf("the mean difference is %.2f of 255, want at most 2", d)
	}
}
