package vips_test

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"claimcheck.example/internal/imageinfo"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging/imagingtest"
	"claimcheck.example/internal/processor/imaging/vips"
	"claimcheck.example/internal/processor/processortest"
	"claimcheck.example/internal/test/program"
)

// heif encodes the pictures into one file with libheif's own encoder.
func heif(t *testing.T, name string, args []string, pictures ...image.Image) []byte {
	t.Helper()
	encoder, dir := program.Need(t, "heif-enc"), t.TempDir()
	for i, m := range pictures {
		file := filepath.Join(dir, string(rune('a'+i))+".png")
		if err := os.WriteFile(file, imagingtest.PNG(t, m), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
	}
	out := filepath.Join(dir, name)
	if text, err := exec.CommandContext(t.Context(), encoder, append(args, "-o", out)...).CombinedOutput(); err != nil {
		t.Fatalf("heif-enc: %v: %s", err, text)
	}
	return processortest.ReadFile(t, out)
}

// deep is a picture of 16 bits a channel.
func deep(m image.Image) image.Image {
	out := image.NewNRGBA64(m.Bounds())
	for y := range m.Bounds().Dy() {
		for x := range m.Bounds().Dx() {
			out.Set(x, y, m.At(x, y))
		}
	}
	return out
}

func transparent(m *image.NRGBA) *image.NRGBA {
	for y := range 20 {
		for x := range 20 {
			m.SetNRGBA(x, y, color.NRGBA{R: 200, A: 0})
		}
	}
	return m
}

func TestHEIF(t *testing.T) {
	t.Parallel()
	p, _ := libvips(t, vips.Options{})
	tests := []struct {
		name, file, contentType, becomes string
		args                             []string
		pictures                         []image.Image
	}{
		{"HEIC", "a.heic", imageinfo.HEIC, "image/jpeg", []string{"-q", "95"}, []image.Image{scene(320, 200)}},
		{"an odd size, as a grid", "a.heic", imageinfo.HEIC, "image/jpeg", []string{"-q", "95"}, []image.Image{scene(101, 67)}},
		{"10 bits", "a.heic", imageinfo.HEIC, "image/jpeg", []string{"-q", "95", "-b", "10"}, []image.Image{deep(scene(320, 200))}},
		{"transparency", "a.heic", imageinfo.HEIC, "image/png", []string{"-q", "95"}, []image.Image{transparent(scene(120, 80))}},
		{"the first of several", "a.heic", imageinfo.HEIC, "image/jpeg", []string{"-q", "95"}, []image.Image{scene(120, 80), scene(64, 64)}},
		{"AVIF", "a.avif", imageinfo.AVIF, "image/jpeg", []string{"-A", "-q", "95"}, []image.Image{scene(320, 200)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			data := heif(t, tt.file, tt.args, tt.pictures...)
			size := tt.pictures[0].Bounds().Size()
			info, err := imageinfo.ReadInfo(bytes.NewReader(data), int64(len(data)), 0)
			if err != nil || info.ContentType != tt.contentType || info.Width != size.X || info.Height != size.Y {
				t.Errorf("its header says %+v, %v", info, err)
			}
			r, _, err := processortest.Run(t, p, data, `{"ops": []}`)
			if err != nil || r.ContentType != tt.becomes || r.Width != size.X || r.Height != size.Y {
				t.Fatalf("got %+v, %v", r, err)
			}
			_, body, err := processortest.Run(t, p, data, `{"ops": [], "format": "png"}`)
			if err != nil {
				t.Fatal(err)
			}
			if d := imagingtest.Difference(t, imagingtest.Picture(t, body), tt.pictures[0]); d > 4 {
				t.Errorf("the mean difference is %.2f of 255", d)
			}
		})
	}
}

// TestHEIFOfTelephones reads files of many boxes: tiles, rotation by irot instead of
// EXIF, a thumbnail, gain maps, a sequence.
func TestHEIFOfTelephones(t *testing.T) {
	t.Parallel()
	p, _ := libvips(t, vips.Options{})
	tests := []struct {
		file    string
		w, h    int
		frames  int
		message string // of the refusal
	}{
		{file: "telephone.heic", w: 900, h: 1200, frames: 1},
		{file: "gain-map.heic", w: 900, h: 1200, frames: 1},
		{file: "sequence.heic", w: 160, h: 120, frames: 3},
		{file: "sequence-track-only.heic", w: 160, h: 120, frames: 3, message: "the image is a HEIC sequence without a still picture, which the vips engine does not read; save it as PNG or JPEG and submit that"},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			data := imagingtest.File(t, "heif", tt.file)
			info, err := imageinfo.ReadInfo(bytes.NewReader(data), int64(len(data)), 0)
			if err != nil || info.ContentType != imageinfo.HEIC || info.Width != tt.w || info.Height != tt.h || info.Frames != tt.frames {
				t.Errorf("its header says %+v, %v", info, err)
			}
			r, body, err := processortest.Run(t, p, data, `{"ops": [], "format": "png"}`)
			if tt.message != "" {
				if job.KindOf(err) != job.Unsupported || job.MessageOf(err) != tt.message {
					t.Errorf("got %v (%q), want %q", err, job.MessageOf(err), tt.message)
				}
				return
			}
			if err != nil || r.Width != tt.w || r.Height != tt.h {
				t.Fatalf("got %+v, %v", r, err)
			}
			if d := imagingtest.Difference(t, imagingtest.Picture(t, body), scene(tt.w, tt.h)); d > 2 {
				t.Errorf("the mean difference is %.2f of 255", d)
			}
		})
	}
}

// TestHEIFColoursByCodePoints converts colours that are given by code points of H.273
// instead of a profile. The value of Display P3 is by the conversion of the CSS colour
// module.
func TestHEIFColoursByCodePoints(t *testing.T) {
	t.Parallel()
	p, _ := libvips(t, vips.Options{})
	plain, inP3, inLinear := color.NRGBA{0xa0, 0x60, 0x40, 0xff}, color.NRGBA{0xaa, 0x5d, 0x38, 0xff}, color.NRGBA{0xcf, 0xa6, 0x89, 0xff}
	tests := []struct {
		name                string
		primaries, transfer byte
		want                color.NRGBA // transparent: refused
	}{
		{"sRGB", 1, 13, plain},
		{"BT.709, which viewers show as sRGB", 1, 1, plain},
		{"unspecified", 2, 2, plain},
		{"Display P3", 12, 13, inP3},
		{"linear", 1, 8, inLinear},
		{"PQ", 9, 16, color.NRGBA{}},
		{"HLG", 9, 18, color.NRGBA{}},
	}
	for _, name := range []string{"flat.heic", "flat.avif"} {
		for _, tt := range tests {
			t.Run(name+", "+tt.name, func(t *testing.T) {
				t.Parallel()
				data := bytes.Replace(imagingtest.File(t, "heif", name), []byte("nclx\x00\x01\x00\x0d"), []byte{'n', 'c', 'l', 'x', 0, tt.primaries, 0, tt.transfer}, 1)
				_, body, err := processortest.Run(t, p, data, `{"ops": [], "format": "png"}`)
				if tt.want == (color.NRGBA{}) {
					if job.KindOf(err) != job.Unsupported || !strings.Contains(job.MessageOf(err), "high dynamic range") {
						t.Errorf("got %v, want it refused", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				got := color.NRGBAModel.Convert(imagingtest.Picture(t, body).At(30, 30)).(color.NRGBA)
				near := func(a, b uint8) bool { return max(a, b)-min(a, b) <= 3 }
				if !near(got.R, tt.want.R) || !near(got.G, tt.want.G) || !near(got.B, tt.want.B) {
					t.Errorf("got %x, want %x", got, tt.want)
				}
			})
		}
	}
}

// TestHEIFIsUprightByIrot turns a HEIC by irot, which counts, and not by EXIF.
func TestHEIFIsUprightByIrot(t *testing.T) {
	t.Parallel()
	p, _ := libvips(t, vips.Options{})
	data := heif(t, "a.heic", []string{"-q", "95"}, scene(320, 200))
	for quarters := range byte(4) { // anticlockwise
		turned := withRotation(t, data, quarters)
		info, err := imageinfo.ReadInfo(bytes.NewReader(turned), int64(len(turned)), 0)
		if err != nil {
			t.Fatal(err)
		}
		r, body, err := processortest.Run(t, p, turned, `{"ops": []}`)
		if err != nil {
			t.Fatal(err)
		}
		if r.Width != info.Width || r.Height != info.Height || quarters%2 == 1 != (r.Width == 200) {
			t.Errorf("irot %d: the header says %d x %d, the result is %d x %d", quarters, info.Width, info.Height, r.Width, r.Height)
		}
		m, err := jpeg.Decode(bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		// Only the upper left corner of the scene is dark.
		b := m.Bounds()
		corners := [4]image.Point{{2, 2}, {2, b.Dy() - 3}, {b.Dx() - 3, b.Dy() - 3}, {b.Dx() - 3, 2}} // anticlockwise
		for i, at := range corners {
			r, g, _, _ := m.At(at.X, at.Y).RGBA()
			if dark := r>>8 < 40 && g>>8 < 40; dark != (i == int(quarters)) {
				t.Errorf("irot %d: corner %d is of %d, %d", quarters, i, r>>8, g>>8)
			}
		}
	}
}

// withRotation returns a HEIC of one picture with a property that rotates it (ISO/IEC
// 23008-12).
func withRotation(t *testing.T, data []byte, quarters byte) []byte {
	t.Helper()
	data = slices.Clone(data)
	find := func(kind string) (at, end int) { // of a box's content
		at = bytes.Index(data, []byte(kind))
		if at < 4 {
			t.Fatalf("no box %s", kind)
		}
		return at + 4, at - 4 + int(binary.BigEndian.Uint32(data[at-4:]))
	}
	grow := func(kind string, n uint32) {
		at, _ := find(kind)
		binary.BigEndian.PutUint32(data[at-8:], binary.BigEndian.Uint32(data[at-8:])+n)
	}
	at, _ := find("pitm")
	primary := binary.BigEndian.Uint16(data[at+4:])
	// The property comes after all others.
	var properties byte
	from, end := find("ipco")
	for i := from; i < end; i += int(binary.BigEndian.Uint32(data[i:])) {
		properties++
	}
	irot := append([]byte{0, 0, 0, 9}, "irot"...)
	data = slices.Insert(data, end, append(irot, quarters)...)
	grow("ipco", 9)
	// The primary picture refers to it.
	at, _ = find("ipma")
	entries := int(binary.BigEndian.Uint32(data[at+4:]))
	for i := at + 8; entries > 0; entries-- {
		n := int(data[i+2])
		if binary.BigEndian.Uint16(data[i:]) == primary {
			data[i+2]++
			data = slices.Insert(data, i+3+n, 0x80|(properties+1))
			n++
		}
		i += 3 + n
	}
	grow("ipma", 1)
	grow("iprp", 10)
	grow("meta", 10)
	// The pixels move back by its length.
	at, _ = find("iloc")
	version := int(data[at])
	if version > 1 || data[at+4] != 0x44 || data[at+5] != 0x40 {
		t.Fatalf("an iloc of version %d, sizes %#x %#x", version, data[at+4], data[at+5])
	}
	items := int(binary.BigEndian.Uint16(data[at+6:]))
	for i := at + 8; items > 0; items-- {
		base := i + 4 + 2*version // after the item, version 1's method, and the file
		if version == 0 || binary.BigEndian.Uint16(data[i+2:]) == 0 {
			binary.BigEndian.PutUint32(data[base:], binary.BigEndian.Uint32(data[base:])+10)
		}
		i = base + 6 + 8*int(binary.BigEndian.Uint16(data[base+4:]))
	}
	return data
}
