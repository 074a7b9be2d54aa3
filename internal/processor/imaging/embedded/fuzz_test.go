package embedded_test

import (
	"testing"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging"
	"claimcheck.example/internal/processor/imaging/imagingtest"
	"claimcheck.example/internal/processor/processortest"
)

// FuzzEngine checks that every file gives a result or a refusal with a sentence, and that
// no decoder panics.
func FuzzEngine(f *testing.F) {
	for _, name := range []string{
		"12-progressive-restart-420.jpg", "14-no-eoi.jpg", "21-no-dht.jpg", "35-surplus-pixels.png", "39-rgba-trns.png", "43-frame-larger-than-screen.gif",
		"45-unknown-extension.gif", "47-code-size-1.gif", "54-bitfields-40.bmp", "x-os2.bmp", "58-g4-black-is-zero.tif", "60-planar-strips.tif",
		"x-bigtiff.tif", "01-anim-lossy.webp", "04-alpha-bit-no-alph.webp",
	} {
		f.Add(imagingtest.File(f, "cases", name))
	}
	p := builtin(imaging.Limits{MaxPixels: 100_000})
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _, err := processortest.Run(t, p, data, `{"width": 10}`)
		if err == nil {
			return
		}
		switch job.MessageOf(err) {
		case "":
			t.Errorf("%v has no sentence", err)
		case "the image is damaged": // the sentence for a panic of a decoder
			t.Error(err)
		}
	})
}
