package imagingtest

import (
	"bytes"
	"embed"
	"image"
	"image/color"
	"image/png"
	"math"
	"path"
	"strings"
	"testing"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging"
	"claimcheck.example/internal/processor/processortest"
)

//go:embed testdata
var testdata embed.FS

// File returns a file of this package's testdata.
func File(t testing.TB, name ...string) []byte {
	t.Helper()
	data, err := testdata.ReadFile(path.Join(append([]string{"testdata"}, name...)...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Picture decodes a PNG file.
func Picture(t testing.TB, data []byte) image.Image {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Difference returns the mean difference of two pictures of one size on a black ground,
// from 0 to 255, in the channel that differs the most.
func Difference(t testing.TB, got, want image.Image) float64 {
	t.Helper()
	if got.Bounds().Size() != want.Bounds().Size() {
		t.Errorf("got %v, want %v", got.Bounds().Size(), want.Bounds().Size())
		return 255
	}
	var sums [3]float64
	size := want.Bounds().Size()
	for y := range size.Y {
		for x := range size.X {
			at := func(m image.Image) [3]float64 {
				r, g, b, _ := color.RGBA64Model.Convert(m.At(m.Bounds().Min.X+x, m.Bounds().Min.Y+y)).RGBA()
				return [3]float64{float64(r), float64(g), float64(b)}
			}
			a, b := at(got), at(want)
			for i := range sums {
				sums[i] += math.Abs(a[i]-b[i]) / 257
			}
		}
	}
	return max(sums[0], sums[1], sums[2]) / float64(size.X*size.Y)
}

// Cases sends files as people have them through an engine. Each comes out right, or,
// where refused has its name, is refused with a sentence that contains those words and
// names the engine that reads it.
func Cases(t *testing.T, engine imaging.Engine, refused map[string]string) {
	files, err := testdata.ReadDir("testdata/cases")
	if err != nil {
		t.Fatal(err)
	}
	p := imaging.New(engine, imaging.Any(), imaging.Limits{})
	for _, f := range files {
		if f.IsDir() || f.Name() == "README.md" || f.Name() == "scene.png" {
			continue
		}
		t.Run(f.Name(), func(t *testing.T) {
			t.Parallel()
			_, body, err := processortest.Run(t, p, File(t, "cases", f.Name()), `{"ops": [], "format": "png"}`)
			if words := refused[f.Name()]; words != "" {
				m := job.MessageOf(err)
				if job.KindOf(err) != job.Unsupported || !strings.Contains(m, words) || !strings.HasSuffix(m, "; the vips engine reads it") {
					t.Errorf("got %v (%q), want it refused as %q", err, m, words)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := Difference(t, Picture(t, body), Picture(t, File(t, "cases/expected", f.Name()+".png"))); d > 3 {
				t.Errorf("the mean difference is %.2f of 255, want at most 3", d)
			}
		})
	}
}
