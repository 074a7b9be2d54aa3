package embedded_test

import (
	"bytes"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"testing"

	"claimcheck.example/internal/processor/imaging"
	"claimcheck.example/internal/processor/imaging/imagingtest"
	"claimcheck.example/internal/processor/processortest"
)

// asGIF sends a picture through the processor, unchanged but for the format.
func asGIF(t *testing.T, m image.Image) *image.Paletted {
	t.Helper()
	_, body, err := processortest.Run(t, builtin(imaging.Limits{}), imagingtest.PNG(t, m), `{"ops": [], "format": "gif"}`)
	if err != nil {
		t.Fatal(err)
	}
	out, err := gif.Decode(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return out.(*image.Paletted)
}

// TestGIFOfAPhotograph requires the chosen colours to halve the differences of a fixed
// palette, seen from afar, as dithering is meant to be seen, and close up.
func TestGIFOfAPhotograph(t *testing.T) {
	t.Parallel()
	scene, err := png.Decode(bytes.NewReader(processortest.ReadFile(t, "../imagingtest/testdata/reference/scene.png")))
	if err != nil {
		t.Fatal(err)
	}
	var fixed bytes.Buffer
	if err := gif.Encode(&fixed, scene, nil); err != nil {
		t.Fatal(err)
	}
	plan9, err := gif.Decode(&fixed)
	if err != nil {
		t.Fatal(err)
	}
	afar := func(m image.Image) image.Image {
		_, body, err := processortest.Run(t, builtin(imaging.Limits{}), imagingtest.PNG(t, m), `{"ops": [{"blur": 1}], "format": "png"}`)
		if err != nil {
			t.Fatal(err)
		}
		blurred, err := png.Decode(bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		return blurred
	}
	own := asGIF(t, scene)
	for name, look := range map[string]func(image.Image) image.Image{"near": func(m image.Image) image.Image { return m }, "afar": afar} {
		got, most := imagingtest.Distance(t, look(own), look(scene))
		want, _ := imagingtest.Distance(t, look(plan9), look(scene))
		t.Logf("%s: mean difference %.2f, 99th percentile %.2f; of a fixed palette %.2f", name, got, most, want)
		if got > want/2 {
			t.Errorf("%s: mean difference %.2f, want at most half of a fixed palette's %.2f", name, got, want)
		}
	}
}

func TestGIFKeepsFewColours(t *testing.T) {
	t.Parallel()
	m := image.NewNRGBA(image.Rect(0, 0, 17, 16))
	for y := range 16 {
		for x := range 16 { // 256 colours close together
			m.Set(x, y, color.NRGBA{R: uint8(100 + x), G: uint8(100 + y), B: 7, A: 0xff})
		}
		m.Set(16, y, color.NRGBA{R: 100, G: 100, B: 7, A: 0xff})
	}
	got := asGIF(t, m)
	for y := range 16 {
		for x := range 17 {
			if c := color.NRGBAModel.Convert(got.At(x, y)); c != m.At(x, y) {
				t.Fatalf("at %d, %d: got %v, want %v", x, y, c, m.At(x, y))
			}
		}
	}
}

func TestGIFStaysTransparent(t *testing.T) {
	t.Parallel()
	tests := map[string]func(x, y int) color.NRGBA{
		"nothing": func(x, y int) color.NRGBA { return color.NRGBA{R: 0xff} },
		"a line":  func(x, y int) color.NRGBA { return color.NRGBA{R: 0x12, G: 0x34, B: 0x56, A: uint8(x / 32 * 0xff)} },
		"many colours": func(x, y int) color.NRGBA {
			return color.NRGBA{R: uint8(4 * x), G: uint8(4 * y), B: uint8(x * y), A: uint8(4 * x)}
		},
	}
	for name, at := range tests {
		m := image.NewNRGBA(image.Rect(0, 0, 64, 64))
		for y := range 64 {
			for x := range 64 {
				m.SetNRGBA(x, y, at(x, y))
			}
		}
		got := asGIF(t, m)
		for y := range 64 {
			for x := range 64 {
				_, _, _, a := got.At(x, y).RGBA()
				if want := at(x, y).A >= 0x80; a != 0 != want {
					t.Fatalf("%s: at %d, %d the result is opaque: %t, want %t", name, x, y, a != 0, want)
				}
			}
		}
	}
}

func BenchmarkGIF(b *testing.B) {
	data := processortest.ReadFile(b, "../../../imageinfo/testdata/rainier.jpg")
	for b.Loop() {
		if _, _, err := processortest.Run(b, builtin(imaging.Limits{}), data, `{"format": "gif"}`); err != nil {
			b.Fatal(err)
		}
	}
}
