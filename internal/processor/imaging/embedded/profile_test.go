package embedded_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"image"
	"image/color"
	"slices"
	"testing"

	"claimcheck.example/internal/processor/imaging"
	"claimcheck.example/internal/processor/imaging/imagingtest"
	"claimcheck.example/internal/processor/processortest"
)

// profileFor makes an ICC profile of a colour space; a gray profile has a gamma of 1.0.
func profileFor(space string) []byte {
	b := make([]byte, 128)
	copy(b[12:], "prtr"+space+"XYZ ")
	copy(b[36:], "acsp")
	const curve = "curv\x00\x00\x00\x00\x00\x00\x00\x00"
	b = append(b, "\x00\x00\x00\x01kTRC\x00\x00\x00\x90\x00\x00\x00\x0c"+curve...)
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return b
}

// withProfile puts a profile into a JPEG or PNG file.
func withProfile(t *testing.T, file, icc []byte) []byte {
	t.Helper()
	if bytes.HasPrefix(file, []byte("\xff\xd8")) {
		segment := append(binary.BigEndian.AppendUint16([]byte{0xff, 0xe2}, uint16(2+14+len(icc))), "ICC_PROFILE\x00\x01\x01"...)
		return bytes.Join([][]byte{file[:2], segment, icc, file[2:]}, nil)
	}
	var z bytes.Buffer
	z.WriteString("iCCPx\x00\x00")
	w := zlib.NewWriter(&z)
	if _, err := w.Write(icc); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	const header = 8 + 25
	return bytes.Join([][]byte{file[:header], imagingtest.PNGChunk(z.String()), file[header:]}, nil)
}

// grayAlpha returns a PNG of 8 x 8 pixels, gray 0x40 and half transparent, at two bytes a
// sample.
func grayAlpha(t *testing.T) []byte {
	t.Helper()
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	for range 8 {
		if _, err := w.Write(append([]byte{0}, bytes.Repeat([]byte{0x40, 0x80}, 8)...)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	header := "IHDR\x00\x00\x00\x08\x00\x00\x00\x08\x08\x04\x00\x00\x00"
	return slices.Concat([]byte("\x89PNG\r\n\x1a\n"), imagingtest.PNGChunk(header), imagingtest.PNGChunk("IDAT"+z.String()), imagingtest.PNGChunk("IEND"))
}

// TestProfilesOfOtherColours keeps no profile that does not fit the colours of the
// result.
func TestProfilesOfOtherColours(t *testing.T) {
	t.Parallel()
	gray, veiled := image.NewGray(image.Rect(0, 0, 8, 8)), image.NewNRGBA(image.Rect(0, 0, 8, 8))
	for x := range 8 {
		for y := range 8 {
			gray.Set(x, y, color.Gray{Y: 0x40})
			veiled.Set(x, y, color.NRGBA{R: 0x40, G: 0x40, B: 0x40, A: 0x80})
		}
	}
	tests := []struct {
		name         string
		file         []byte
		space        string
		params, mark string
		kept         bool
		shade        uint8 // of the result, where a conversion must show
	}{
		{"CMYK", processortest.ReadFile(t, "../imagingtest/testdata/reference/cmyk.jpg"), "CMYK", `{"keep": ["icc"]}`, "ICC_PROFILE", false, 0},
		{"CMYK, not asked for", processortest.ReadFile(t, "../imagingtest/testdata/reference/cmyk.jpg"), "CMYK", ``, "ICC_PROFILE", false, 0},
		{"Lab of RGB", imagingtest.JPEG(t, veiled), "Lab ", `{"keep": ["icc"]}`, "ICC_PROFILE", false, 0},
		{"gray of RGB", imagingtest.PNG(t, veiled), "GRAY", `{"keep": ["icc"]}`, "iCCP", false, 0x40},
		{"gray of gray", imagingtest.PNG(t, gray), "GRAY", `{"keep": ["icc"]}`, "iCCP", true, 0x40},
		{"gray as JPEG", imagingtest.PNG(t, gray), "GRAY", `{"keep": ["icc"], "format": "jpeg"}`, "ICC_PROFILE", true, 0x40},
		{"gray, converted", imagingtest.PNG(t, gray), "GRAY", ``, "iCCP", false, 0x89},
		{"gray as WebP", imagingtest.PNG(t, gray), "GRAY", `{"keep": ["icc"], "format": "webp"}`, "ICCP", false, 0x89},
		{"gray with alpha", grayAlpha(t), "GRAY", `{"keep": ["icc"]}`, "iCCP", false, 0x89},
	}
	for _, tt := range tests {
		_, body, err := processortest.Run(t, builtin(imaging.Limits{}), withProfile(t, tt.file, profileFor(tt.space)), tt.params)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if kept := bytes.Contains(body, []byte(tt.mark)); kept != tt.kept {
			t.Errorf("%s: the result has a profile: %t, want %t", tt.name, kept, tt.kept)
		}
		m, _, err := image.Decode(bytes.NewReader(body))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if got := color.NRGBAModel.Convert(m.At(3, 3)).(color.NRGBA).G; tt.shade != 0 && max(got, tt.shade)-min(got, tt.shade) > 1 {
			t.Errorf("%s: the result has the shade %#x, want %#x", tt.name, got, tt.shade)
		}
	}
}
