package imagingtest

import (
	"image"
	"image/color"
	"math"
	"slices"
	"testing"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging"
	"claimcheck.example/internal/processor/processortest"
)

// lab returns the CIELAB colour (D65) of an opaque sRGB colour.
func lab(r, g, b float64) [3]float64 {
	linear := func(v float64) float64 {
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	f := func(t float64) float64 {
		if t > 216.0/24389 {
			return math.Cbrt(t)
		}
		return (24389.0/27*t + 16) / 116
	}
	r, g, b = linear(r), linear(g), linear(b)
	x := f((0.4124564*r + 0.3575761*g + 0.1804375*b) / 0.95047)
	y := f(0.2126729*r + 0.7151522*g + 0.0721750*b)
	z := f((0.0193339*r + 0.1191920*g + 0.9503041*b) / 1.08883)
	return [3]float64{116*y - 16, 500 * (x - y), 200 * (y - z)}
}

// Distance returns the mean and the 99th percentile of the colour difference of two
// pictures of one size, on a gray ground where they are transparent.
func Distance(t *testing.T, a, b image.Image) (mean, most float64) {
	t.Helper()
	if a.Bounds().Size() != b.Bounds().Size() {
		t.Fatalf("got %v, want %v", a.Bounds().Size(), b.Bounds().Size())
	}
	onGray := func(c color.Color) [3]float64 {
		r, g, b, a := c.RGBA()
		rest := (0xffff - float64(a)) / 2
		return lab((float64(r)+rest)/0xffff, (float64(g)+rest)/0xffff, (float64(b)+rest)/0xffff)
	}
	var all []float64
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			p, q := onGray(a.At(a.Bounds().Min.X+x, a.Bounds().Min.Y+y)), onGray(b.At(b.Bounds().Min.X+x, b.Bounds().Min.Y+y))
			d := math.Sqrt((p[0]-q[0])*(p[0]-q[0]) + (p[1]-q[1])*(p[1]-q[1]) + (p[2]-q[2])*(p[2]-q[2]))
			mean += d
			all = append(all, d)
		}
	}
	slices.Sort(all)
	return mean / float64(len(all)), all[len(all)*99/100]
}

func references(t *testing.T, engine newEngine) {
	t.Parallel()
	tests := []struct {
		want, input, params string
		mean, most          float64 // of the colour difference; 2.3 is just noticeable
	}{
		{"fit", "rainier.jpg", `{"width": 90, "height": 90, "format": "png"}`, 0.5, 2},
		{"fill", "scene.png", `{"ops": [{"fill": {"width": 60, "height": 60}}]}`, 0.5, 3},
		{"crop-rotate-flip", "scene.png", `{"ops": [{"crop": {"x": 20, "y": 30, "width": 100, "height": 80}}, {"rotate": 90}, {"flip": "horizontal"}]}`, 0, 0},
		{"resize", "scene.png", `{"ops": [{"resize": {"width": 100, "height": 50}}]}`, 0.5, 2},
		{"enlarge", "scene.png", `{"ops": [{"resize": {"width": 250}}]}`, 0.5, 2},
		{"grayscale", "scene.png", `{"ops": [{"grayscale": true}]}`, 0.3, 0.5},
		{"blur", "scene.png", `{"ops": [{"blur": 2}]}`, 0.5, 2},
		{"sharpen", "scene.png", `{"ops": [{"sharpen": {"sigma": 1.5}}]}`, 1, 4},
		{"deep", "deep.png", `{"ops": [{"fit": {"width": 36}}]}`, 0.3, 1},
		{"tiff", "deep.tiff", `{"ops": [{"fit": {"width": 36}}], "format": "png"}`, 0.5, 2},
		{"bmp", "plain.bmp", `{"ops": [{"fit": {"width": 36}}], "format": "png"}`, 0.5, 2},
		{"gif", "few.gif", `{"ops": [{"fit": {"width": 36}}]}`, 1, 3.5},
		{"alpha", "alpha.png", `{"ops": [{"fit": {"width": 36}}]}`, 0.5, 2},
		{"p3", "p3.jpg", `{"format": "png"}`, 0.7, 2},
		{"lossy", "lossy.webp", `{"format": "png"}`, 0.7, 5},
		{"lossy-alpha", "lossy-alpha.webp", `{}`, 1, 4},
	}
	p := engine(imaging.Limits{})
	for _, tt := range tests {
		t.Run(tt.want, func(t *testing.T) {
			t.Parallel()
			Reference(t, p, tt.input, tt.params, tt.want, tt.mean, tt.most)
		})
	}
}

// Reference compares a processor's result for a file with the picture that another
// program makes of it, by the colour difference: 2.3 is just noticeable.
func Reference(t *testing.T, p job.Processor, input, params, want string, mean, most float64) {
	t.Helper()
	_, body, err := processortest.Run(t, p, File(t, "reference", input), params)
	if err != nil {
		t.Fatal(err)
	}
	gotMean, gotMost := Distance(t, Picture(t, body), Picture(t, File(t, "reference", "want-"+want+".png")))
	t.Logf("%s %s: mean difference %.3f, 99th percentile %.3f", input, params, gotMean, gotMost)
	if gotMean > mean || gotMost > most {
		t.Errorf("%s: difference %.3f, 99th percentile %.3f, want at most %.3f and %.3f", want, gotMean, gotMost, mean, most)
	}
}
