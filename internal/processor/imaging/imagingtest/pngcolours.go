package imagingtest

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"testing"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging"
	"claimcheck.example/internal/processor/processortest"
)

// PNGChunk frames a chunk's kind and data.
func PNGChunk(content string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(content)-4))
	b = append(b, content...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE([]byte(content)))
}

func numbers(kind string, values ...uint32) string {
	b := []byte(kind)
	for _, v := range values {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return string(b)
}

// pngColours checks the chunks that define the colours of a PNG, and their precedence.
// The values of Display P3 are by the conversion of the CSS colour module.
func pngColours(t *testing.T, engine newEngine) {
	t.Parallel()
	m := image.NewNRGBA(image.Rect(0, 0, 4, 4))
	for i := range 16 {
		copy(m.Pix[4*i:], []byte{0xa0, 0x60, 0x40, 0xff})
	}
	const (
		p3     = "cICP\x0c\x0d\x00\x01"
		srgb   = "sRGB\x00"
		linear = "cICP\x01\x08\x00\x01"
	)
	gamma := func(g uint32) string { return numbers("gAMA", g) }
	wide := numbers("cHRM", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000) // P3's
	plain := color.NRGBA{0xa0, 0x60, 0x40, 0xff}
	inP3, inLinear := color.NRGBA{0xaa, 0x5d, 0x38, 0xff}, color.NRGBA{0xcf, 0xa6, 0x89, 0xff}
	tests := []struct {
		name   string
		chunks []string
		want   color.NRGBA
	}{
		{"nothing", nil, plain},
		{"sRGB", []string{srgb}, plain},
		{"the usual gamma", []string{gamma(45455)}, plain},
		{"a gamma of 1", []string{gamma(100000)}, inLinear},
		{"P3 by cICP", []string{p3}, inP3},
		{"P3 by cHRM", []string{gamma(45455), wide}, inP3},
		{"sRGB by cICP", []string{"cICP\x01\x0d\x00\x01", gamma(100000)}, plain},
		{"cICP before sRGB", []string{srgb, p3}, inP3},
		{"sRGB before gAMA", []string{gamma(100000), srgb}, plain},
		{"linear by cICP", []string{linear}, inLinear},
		{"cICP of a kind that is not known", []string{"cICP\x63\x63\x00\x01", gamma(100000)}, inLinear},
	}
	data := PNG(t, m)
	const header = 8 + 25
	with := func(chunks []string) []byte {
		file := bytes.Clone(data[:header])
		for _, c := range chunks {
			file = append(file, PNGChunk(c)...)
		}
		return append(file, data[header:]...)
	}
	for _, tt := range tests {
		_, body, err := processortest.Run(t, engine(imaging.Limits{}), with(tt.chunks), "")
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		out, err := png.Decode(bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		got := color.NRGBAModel.Convert(out.At(1, 1)).(color.NRGBA)
		near := func(a, b uint8) bool { return max(a, b)-min(a, b) <= 1 }
		if !near(got.R, tt.want.R) || !near(got.G, tt.want.G) || !near(got.B, tt.want.B) {
			t.Errorf("%s: got %x, want %x", tt.name, got, tt.want)
		}
	}
	for name, chunk := range map[string]string{"PQ": "cICP\x09\x10\x00\x01", "HLG": "cICP\x09\x12\x00\x01"} {
		if _, _, err := processortest.Run(t, engine(imaging.Limits{}), with([]string{chunk}), ""); job.KindOf(err) != job.Unsupported {
			t.Errorf("%s: got %v, want it refused", name, err)
		}
	}
}
