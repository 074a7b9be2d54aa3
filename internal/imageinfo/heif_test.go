package imageinfo_test

import (
	"bytes"
	"math"
	"testing"

	"claimcheck.example/internal/imageinfo"
)

func box(kind string, parts ...any) []byte {
	body := join(parts...)
	return join(be32(8+len(body)), kind, body)
}

// longBox is a box whose length has sixty-four bits.
func longBox(kind string, parts ...any) []byte {
	body := join(parts...)
	return join(be32(1), kind, be32(0), be32(16+len(body)), body)
}

func fullBox(kind string, version, flags int, parts ...any) []byte {
	return box(kind, version, 0, 0, flags, join(parts...))
}

func ftyp(brands ...string) []byte {
	parts := []any{brands[0], be32(0)}
	for _, b := range brands[1:] {
		parts = append(parts, b)
	}
	return box("ftyp", parts...)
}

func ispe(w, h int) []byte  { return fullBox("ispe", 0, 0, be32(w), be32(h)) }
func irot(turns int) []byte { return box("irot", turns) }
func imir(axis int) []byte  { return box("imir", axis) }
func clap(w, wd, h, hd int) []byte {
	return box("clap", be32(w), be32(wd), be32(h), be32(hd), be32(0), be32(1), be32(0), be32(1))
}
func pitm(item int) []byte { return fullBox("pitm", 0, 0, be16(item)) }

// ipma associates one item with properties.
func ipma(item int, properties ...int) []byte {
	return fullBox("ipma", 0, 0, be32(1), be16(item), len(properties), indices(properties))
}

func indices(properties []int) []byte {
	var b []byte
	for _, p := range properties {
		b = append(b, byte(p)|0x80) // essential
	}
	return b
}

func iprp(properties []byte, associations ...[]byte) []byte {
	return box("iprp", box("ipco", properties), bytes.Join(associations, nil))
}

func meta(boxes ...[]byte) []byte { return fullBox("meta", 0, 0, bytes.Join(boxes, nil)) }

func track(handler string, w, h, samples int) []byte {
	entry := box("hvc1", make([]byte, 24), be16(w), be16(h), make([]byte, 50))
	return box("trak", box("mdia", fullBox("hdlr", 0, 0, be32(0), handler, make([]byte, 13)), box("minf", box("stbl",
		fullBox("stsd", 0, 0, be32(1), entry), fullBox("stsz", 0, 0, be32(0), be32(samples))))))
}

var heic = ftyp("heic", "mif1", "heic")

func TestHEIF(t *testing.T) {
	t.Parallel()
	mdat := box("mdat", make([]byte, 5000))
	picture := meta(pitm(1), iprp(ispe(40, 30), ipma(1, 1)))
	manySizes := join()
	for range 3000 {
		manySizes = append(manySizes, ispe(4, 3)...)
	}
	tests := []struct {
		name                  string
		data                  []byte
		width, height, frames int
	}{
		{"a picture", join(heic, picture, mdat), 40, 30, 1},
		{"its data first", join(heic, mdat, picture), 40, 30, 1},
		{"data of a long length first", join(heic, longBox("mdat", make([]byte, 5000)), picture), 40, 30, 1},
		{"data to the end of the file", join(heic, picture, be32(0), "mdat", make([]byte, 100)), 40, 30, 1},
		{"meta to the end of the file", join(heic, be32(0), "meta", be32(0), pitm(1), iprp(ispe(40, 30), ipma(1, 1))), 40, 30, 1},
		{"meta of a long length", join(heic, longBox("meta", be32(0), pitm(1), iprp(ispe(40, 30), ipma(1, 1)))), 40, 30, 1},
		{"a larger picture that is not the primary", join(heic, meta(pitm(2), iprp(join(ispe(4000, 3000), ispe(40, 30)), ipma(1, 1), ipma(2, 2)))), 40, 30, 1},
		{"the primary item named last", join(heic, meta(iprp(ispe(40, 30), ipma(1, 1)), pitm(1))), 40, 30, 1},
		{"the associations first", join(heic, meta(box("iprp", ipma(1, 1), box("ipco", ispe(40, 30))), pitm(1))), 40, 30, 1},
		{"32 bits to name an item", join(heic, meta(fullBox("pitm", 1, 0, be32(70_000)),
			iprp(ispe(40, 30), fullBox("ipma", 1, 0, be32(2), be32(1), 0, be32(70_000), 1, 0x81)))), 40, 30, 1},
		{"15 bits to name a property", join(heic, meta(pitm(1), iprp(join(box("hvcC", 1, 2, 3), ispe(40, 30)),
			fullBox("ipma", 0, 1, be32(1), be16(1), 2, be16(0x8001), be16(0x8002))))), 40, 30, 1},
		{"a turn", join(heic, meta(pitm(1), iprp(join(ispe(40, 30), irot(1)), ipma(1, 1, 2)))), 30, 40, 1},
		{"half a turn", join(heic, meta(pitm(1), iprp(join(ispe(40, 30), irot(2)), ipma(1, 1, 2)))), 40, 30, 1},
		{"a turn that is another item's", join(heic, meta(pitm(1), iprp(join(ispe(40, 30), irot(1)), ipma(1, 1), ipma(2, 1, 2)))), 40, 30, 1},
		{"a mirror", join(heic, meta(pitm(1), iprp(join(ispe(40, 30), imir(1)), ipma(1, 1, 2)))), 40, 30, 1},
		{"a crop", join(heic, meta(pitm(1), iprp(join(ispe(40, 30), clap(21, 1, 19, 1)), ipma(1, 1, 2)))), 21, 19, 1},
		{"a crop to fractions", join(heic, meta(pitm(1), iprp(join(ispe(40, 30), clap(43, 2, 37, 2)), ipma(1, 1, 2)))), 22, 19, 1},
		{"a crop that is larger", join(heic, meta(pitm(1), iprp(join(ispe(40, 30), clap(400, 1, 300, 1)), ipma(1, 1, 2)))), 40, 30, 1},
		{"a crop before a turn", join(heic, meta(pitm(1), iprp(join(ispe(40, 30), clap(21, 1, 19, 1), irot(3)), ipma(1, 1, 2, 3)))), 19, 21, 1},
		{"a crop after a turn", join(heic, meta(pitm(1), iprp(join(ispe(40, 30), clap(21, 1, 19, 1), irot(3)), ipma(1, 1, 3, 2)))), 21, 19, 1},
		{"a size per tile", join(heic, meta(pitm(1), iprp(join(ispe(40, 30), manySizes), ipma(1, 1)))), 40, 30, 1},
		{"bytes left over in a box", join(heic, meta(pitm(1), box("iprp", box("ipco", ispe(40, 30), 1, 2, 3), ipma(1, 1), 1, 2, 3))), 40, 30, 1},
		{"any brand of HEIF", join(ftyp("mif1", "mif1"), picture), 40, 30, 1},
		{"a video in a still picture", join(heic, picture, box("moov", track("vide", 40, 30, 100))), 40, 30, 1},
		{"a sequence", join(ftyp("msf1", "msf1", "hevc"), box("moov", track("pict", 40, 30, 7), track("auxv", 4, 3, 9))), 40, 30, 7},
		{"two tracks of pictures", join(ftyp("msf1", "msf1", "hevc"), box("moov", track("pict", 40, 30, 7), track("pict", 4, 3, 9))), 40, 30, 7},
		{"a sequence behind its sound", join(ftyp("hevc", "msf1"), box("moov", track("soun", 0, 0, 9), track("vide", 40, 30, 7))), 40, 30, 7},
		{"a sequence with a first picture", join(ftyp("heic", "msf1"), picture, box("moov", track("pict", 41, 31, 7))), 40, 30, 7},
		{"a first picture behind a sequence", join(ftyp("heic", "msf1"), box("moov", track("pict", 41, 31, 7)), picture), 40, 30, 7},
		{"a sequence in fragments", join(ftyp("msf1", "hevc"), box("moov", box("mvex"), track("pict", 40, 30, 1))), 40, 30, 0},
		{"a sequence of no stated length", join(ftyp("msf1", "hevc"), box("moov", track("pict", 40, 30, 0))), 40, 30, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := imageinfo.Info{ContentType: imageinfo.HEIC, Width: tt.width, Height: tt.height, Frames: tt.frames, Pixels: int64(tt.width * tt.height * tt.frames)}
			for _, n := range []int{1, 1000, 1 << 20} {
				if got, err := scan(tt.data, limit, n); err != nil || got != want {
					t.Errorf("%d bytes at a time: got %+v, %v, want %+v", n, got, err, want)
				}
			}
			if got, err := imageinfo.ReadInfo(bytes.NewReader(tt.data), int64(len(tt.data)), limit); err != nil || got != want {
				t.Errorf("ReadInfo: got %+v, %v, want %+v", got, err, want)
			}
		})
	}
}

// Without a limit the pixels of a sequence are unknown.
func TestSequenceOfMorePixelsThanCanBeCounted(t *testing.T) {
	t.Parallel()
	got, err := scan(join(ftyp("hevc", "msf1"), box("moov", track("pict", 65_535, 65_535, -1))), 0, 100)
	if err != nil || got.Pixels != math.MaxInt64 || got.Frames != math.MaxUint32 {
		t.Errorf("got %+v, %v", got, err)
	}
}

// When associations come before the primary item, too far back for a stream, the pixels
// stay unknown, but no picture in the file is over the limit.
func TestAssociationsThatAStreamHasPassed(t *testing.T) {
	t.Parallel()
	data := join(heic, meta(iprp(ispe(40, 30), ipma(1, 1)), box("free", make([]byte, 100)), pitm(1)))
	far := join(heic, box("free", make([]byte, 5000)), meta(iprp(ispe(40, 30), ipma(1, 1)), pitm(1)))
	if got, err := scan(far, limit, 100); err != nil || got.Pixels != 0 || got.ContentType != imageinfo.HEIC {
		t.Errorf("scanner: got %+v, %v", got, err)
	}
	if _, err := scan(far, 1199, 100); verdictOf(t, err) != tooMany {
		t.Errorf("over the limit: got %v", err)
	}
	for _, data := range [][]byte{data, far} {
		got, err := imageinfo.ReadInfo(bytes.NewReader(data), int64(len(data)), limit)
		if err != nil || got.Width != 40 || got.Pixels != 1200 {
			t.Errorf("ReadInfo: got %+v, %v", got, err)
		}
	}
}

func jxlBoxes(boxes ...[]byte) []byte {
	return join(box("JXL ", be32(0x0d0a870a)), box("ftyp", "jxl ", be32(0), "jxl "), bytes.Join(boxes, nil))
}

// codestream packs the fields of a JPEG XL header, each a number of bits and a value,
// after the signature.
func codestream(fields ...[2]int) []byte {
	b, pos := []byte{0xff, 0x0a}, 16
	for _, f := range fields {
		for i := range f[0] {
			if pos%8 == 0 {
				b = append(b, 0)
			}
			b[pos/8] |= byte(f[1]>>i&1) << (pos % 8)
			pos++
		}
	}
	return b
}

func TestJPEGXL(t *testing.T) {
	t.Parallel()
	var (
		small      = [][2]int{{1, 1}, {5, 3}, {3, 0}, {5, 4}}                         // 40 x 32
		large      = [][2]int{{1, 0}, {2, 1}, {13, 2999}, {3, 0}, {2, 1}, {13, 3999}} // 4000 x 3000
		ratio      = [][2]int{{1, 0}, {2, 0}, {9, 299}, {3, 3}}                       // 400 x 300
		allDefault = [2]int{1, 1}
		extra      = [][2]int{{1, 0}, {1, 1}}
		none       = [2]int{1, 0}
	)
	header := func(groups ...[][2]int) []byte {
		var all [][2]int
		for _, g := range groups {
			all = append(all, g...)
		}
		return codestream(all...)
	}
	tall := header(ratio, extra, [][2]int{{3, 5}, none, none, none}) // orientation 6
	tests := []struct {
		name                  string
		data                  []byte
		width, height, frames int
	}{
		{"multiples of eight", header(small, [][2]int{allDefault}), 40, 32, 1},
		{"both sides", header(large, [][2]int{allDefault}), 4000, 3000, 1},
		{"one side and a ratio", header(ratio, [][2]int{allDefault}), 400, 300, 1},
		{"no extra fields", header(ratio, [][2]int{{1, 0}, none}), 400, 300, 1},
		{"turned", tall, 300, 400, 1},
		{"upside down", header(ratio, extra, [][2]int{{3, 2}, none, none, none}), 400, 300, 1},
		{"animated", header(ratio, extra, [][2]int{{3, 0}, none, none, {1, 1}}), 400, 300, 0},
		{"of another intrinsic size", header(ratio, extra, [][2]int{{3, 7}, {1, 1}}, large, [][2]int{none, none}), 300, 400, 1},
		{"animated, with a preview", header(ratio, extra, [][2]int{{3, 0}, none, {1, 1}, {1, 0}, {2, 3}, {12, 9}, {3, 0}, {2, 3}, {12, 9}, {1, 1}}), 400, 300, 0},
		{"with a preview of multiples of eight", header(ratio, extra, [][2]int{{3, 0}, none, {1, 1}, {1, 1}, {2, 3}, {9, 9}, {3, 1}, {1, 1}}), 400, 300, 0},
		{"in a box", jxlBoxes(box("Exif", make([]byte, 100)), box("jxlc", tall)), 300, 400, 1},
		{"in a box to the end of the file", jxlBoxes(be32(0), []byte("jxlc"), tall), 300, 400, 1},
		{"in parts", jxlBoxes(box("jxlp", be32(0), tall[:1]), box("jxlp", be32(1)), box("free"), box("jxlp", be32(-1<<31+2), tall[1:])), 300, 400, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := imageinfo.Info{ContentType: imageinfo.JXL, Width: tt.width, Height: tt.height, Frames: tt.frames, Pixels: int64(tt.width * tt.height * tt.frames)}
			for _, n := range []int{1, 1 << 20} {
				if got, err := scan(tt.data, limit, n); err != nil || got != want {
					t.Errorf("%d bytes at a time: got %+v, %v, want %+v", n, got, err, want)
				}
			}
			if got, err := imageinfo.ReadInfo(bytes.NewReader(tt.data), int64(len(tt.data)), limit); err != nil || got != want {
				t.Errorf("ReadInfo: got %+v, %v, want %+v", got, err, want)
			}
		})
	}
}
