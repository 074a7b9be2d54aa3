package imageinfo_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"runtime"
	"slices"
	"strings"
	"testing"

	"claimcheck.example/internal/imageinfo"
)

// join concatenates byte slices, strings and numbers, the latter as one byte each.
func join(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case []byte:
			b = append(b, p...)
		case string:
			b = append(b, p...)
		case int:
			b = append(b, byte(p))
		default:
			panic("no such part")
		}
	}
	return b
}

func be16(n int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(n)) }
func be32(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }
func le16(n int) []byte { return binary.LittleEndian.AppendUint16(nil, uint16(n)) }
func le24(n int) []byte { return le32(n)[:3] }
func le32(n int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(n)) }
func le64(n int) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(n)) }

const pngSignature = "\x89PNG\r\n\x1a\n"

func pngChunk(kind string, data []byte) []byte { return join(be32(len(data)), kind, data, be32(0)) }

func pngHeader(w, h int) []byte {
	return join(pngSignature, pngChunk("IHDR", join(be32(w), be32(h), 8, 2, 0, 0, 0)))
}

func jpegSegment(code int, data []byte) []byte { return join(0xff, code, be16(len(data)+2), data) }

func jpegFrame(w, h int) []byte {
	return jpegSegment(0xc0, join(8, be16(h), be16(w), 1, 1, 0x11, 0))
}

func jpegScan() []byte {
	return join(jpegSegment(0xda, join(1, 1, 0, 0, 63, 0)), "entropy\xff\x00coded\xff\xd0data")
}

func riff(chunks ...[]byte) []byte {
	body := bytes.Join(chunks, nil)
	return join("RIFF", le32(4+len(body)), "WEBP", body)
}

func webpChunk(kind string, data []byte) []byte {
	return join(kind, le32(len(data)), data, make([]byte, len(data)%2))
}

func vp8x(flags, w, h int) []byte {
	return webpChunk("VP8X", join(flags, 0, 0, 0, le24(w-1), le24(h-1)))
}

func vp8l(w, h int) []byte {
	return webpChunk("VP8L", join(0x2f, le32(w-1|(h-1)<<14), 0))
}

func vp8(w, h int) []byte {
	return webpChunk("VP8 ", join(0, 0, 0, 0x9d, 0x01, 0x2a, le16(w), le16(h), 0, 0))
}

func anmf(w, h int, stream []byte) []byte {
	return webpChunk("ANMF", join(le24(0), le24(0), le24(w-1), le24(h-1), le24(100), 0, stream))
}

// directory returns a TIFF directory of one page, 2+2*12+4 bytes.
func directory(w, h, next int) []byte {
	return join(le16(2), le16(256), le16(4), le32(1), le32(w), le16(257), le16(4), le32(1), le32(h), le32(next))
}

const directorySize = 30

func tiffHeader(first int) []byte { return join("II*\x00", le32(first)) }

// exifUp returns an EXIF block with an orientation.
func exifUp(orientation int) []byte {
	return join("MM\x00*", be32(8), be16(1), be16(274), be16(3), be32(1), be16(orientation), be16(0), be32(0))
}

// animation returns an animated GIF with that many frames, each one pixel of its canvas.
func animation(t testing.TB, w, h, frames int) []byte {
	t.Helper()
	g := &gif.GIF{Config: image.Config{Width: w, Height: h, ColorModel: color.Palette{color.Black, color.White}}}
	for range frames {
		g.Image = append(g.Image, image.NewPaletted(image.Rect(0, 0, 1, 1), color.Palette{color.Black, color.White}))
		g.Delay = append(g.Delay, 1)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, g); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// verdict is the expected result for a file.
type verdict int

const (
	good verdict = iota
	notImage
	malformed
	tooMany
)

func verdictOf(t testing.TB, err error) verdict {
	t.Helper()
	if err == nil {
		return good
	}
	if errors.Is(err, imageinfo.ErrNotImage) {
		return notImage
	}
	if _, ok := errors.AsType[*imageinfo.MalformedError](err); ok {
		return malformed
	}
	if _, ok := errors.AsType[*imageinfo.TooManyPixelsError](err); ok {
		return tooMany
	}
	t.Fatalf("an error of no known type: %v", err)
	return 0
}

// hostile are hostile files, and a few odd ones that are valid.
func hostile(t testing.TB) map[string]struct {
	data []byte
	want verdict
} {
	t.Helper()
	type file = struct {
		data []byte
		want verdict
	}
	fctl := pngChunk("fcTL", make([]byte, 26))
	manyDirs := tiffHeader(8)
	for i := range 1_000_000 {
		manyDirs = append(manyDirs, directory(1, 1, 8+(i+1)*directorySize)...)
	}
	wholeJPEG := join(0xff, 0xd8, jpegFrame(640, 480), jpegScan(), 0xff, 0xd9)
	return map[string]file{
		"one byte":                     {[]byte{0xff}, notImage},
		"text named jpg":               {[]byte("this is not a picture at all"), notImage},
		"html":                         {[]byte("<!DOCTYPE html><html><script>alert(1)</script>"), notImage},
		"svg":                          {[]byte(`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`), notImage},
		"text that begins like bmp":    {[]byte("BM stands for bitmap, says this text, which is none."), notImage},
		"script behind gif's name":     {[]byte("GIF89a=1;alert('a long enough script')//"), tooMany},
		"script within a gif":          {join("GIF89a", le16(1), le16(1), 0, 0, 0, "=1;alert(1)//"), malformed},
		"zip behind a jpeg":            {join(wholeJPEG, "PK\x03\x04 and so on"), good},
		"png of 50,000 x 50,000":       {join(pngHeader(50_000, 50_000), pngChunk("IDAT", make([]byte, 3000)), pngChunk("IEND", nil)), tooMany},
		"png of the greatest size":     {join(pngHeader(0x7fffffff, 0x7fffffff)), tooMany},
		"png beyond it":                {join(pngHeader(0x80000000, 1)), malformed},
		"png of no width":              {join(pngHeader(0, 10)), malformed},
		"png without a picture":        {join(pngHeader(10, 10), pngChunk("IEND", nil)), malformed},
		"png cut in its header":        {[]byte(pngSignature + "\x00\x00"), malformed},
		"png of a giant chunk":         {join(pngHeader(10, 10), be32(-1), "IDAT"), malformed},
		"png with another beginning":   {join(pngSignature, pngChunk("IDAT", make([]byte, 13))), malformed},
		"apng over the limit":          {join(pngHeader(5000, 5000), fctl, pngChunk("IDAT", nil), fctl, fctl, pngChunk("IEND", nil)), tooMany},
		"apng at the limit":            {join(pngHeader(5000, 5000), fctl, pngChunk("IDAT", nil), fctl, pngChunk("IEND", nil)), good},
		"apng of hidden default":       {join(pngHeader(5000, 5000), pngChunk("IDAT", nil), fctl, fctl, pngChunk("IEND", nil)), tooMany},
		"gif over the limit":           {animation(t, 1000, 1000, 51), tooMany},
		"gif at the limit":             {animation(t, 1000, 1000, 50), good},
		"gif of no size":               {join("GIF89a", le16(0), le16(5), 0, 0, 0, ";"), malformed},
		"gif without a picture":        {join("GIF89a", le16(5), le16(5), 0, 0, 0, ";"), malformed},
		"gif of a huge frame":          {join("GIF89a", le16(1), le16(1), 0, 0, 0, ",", le32(0), le16(65535), le16(65535), 0, 8, 0, ";"), tooMany},
		"gif of an empty frame":        {join("GIF89a", le16(1), le16(1), 0, 0, 0, ",", le32(0), le16(0), le16(1), 0, 8, 0, ";"), malformed},
		"webp animation over":          {riff(vp8x(2, 5000, 5000), anmf(5000, 5000, vp8l(5000, 5000)), anmf(1, 1, vp8l(1, 1)), anmf(1, 1, vp8l(1, 1))), tooMany},
		"webp animation at limit":      {riff(vp8x(2, 5000, 5000), anmf(5000, 5000, vp8l(5000, 5000)), anmf(1, 1, vp8(1, 1))), good},
		"webp of a lying canvas":       {riff(vp8x(0, 1, 1), vp8(16383, 16383)), malformed},
		"webp of a lying frame":        {riff(vp8x(2, 10, 10), anmf(1, 1, vp8l(16383, 16383))), malformed},
		"webp chunk out of a frame":    {riff(vp8x(2, 10, 10), webpChunk("ANMF", join(make([]byte, 6), le24(9), le24(9), make([]byte, 4), "VP8L", le32(1000)))), malformed},
		"webp of two pictures":         {riff(vp8(10, 10), vp8(16383, 16383)), malformed},
		"webp of no size":              {riff(vp8(0, 0)), malformed},
		"webp of nothing":              {riff(), malformed},
		"tiff of a million pages":      {manyDirs, malformed},
		"tiff in a loop of one":        {join(tiffHeader(8), directory(1, 1, 8)), malformed},
		"tiff in a loop of three":      {join(tiffHeader(8), directory(1, 1, 8+directorySize), directory(1, 1, 8+2*directorySize), directory(1, 1, 8)), malformed},
		"tiff of no directory":         {tiffHeader(0), malformed},
		"tiff of an empty directory":   {join(tiffHeader(8), le16(0), le32(0)), malformed},
		"tiff beyond its end":          {tiffHeader(1 << 30), malformed},
		"tiff of no height":            {join(tiffHeader(8), directory(10, 0, 0)), malformed},
		"tiff pages over the limit":    {join(tiffHeader(8), directory(5000, 5000, 8+directorySize), directory(5000, 5001, 0)), tooMany},
		"tiff with its second first":   {join(tiffHeader(8+directorySize), directory(20, 20, 0), directory(10, 10, 8)), good},
		"big tiff":                     {join("II+\x00", le16(8), le16(0), le64(16), le64(2), le16(256), le16(16), le64(1), le64(10), le16(257), le16(3), le64(1), le64(10), le64(0)), good},
		"big tiff of giant size":       {join("II+\x00", le16(8), le16(0), le64(16), le64(2), le16(256), le16(16), le64(1), le64(-1), le16(257), le16(16), le64(1), le64(-1), le64(0)), malformed},
		"bmp of no width":              {join("BM", make([]byte, 12), le32(40), le32(0), le32(10), make([]byte, 40)), malformed},
		"bmp over the limit":           {join("BM", make([]byte, 12), le32(40), le32(50_000), le32(-50_000), make([]byte, 40)), tooMany},
		"bmp of the lowest height":     {join("BM", make([]byte, 12), le32(40), le32(1), le32(-1<<31), make([]byte, 40)), malformed},
		"jpeg":                         {wholeJPEG, good},
		"jpeg cut in its scan":         {wholeJPEG[:len(wholeJPEG)-5], good},
		"jpeg cut before its size":     {wholeJPEG[:6], malformed},
		"jpeg of no height":            {join(0xff, 0xd8, jpegFrame(640, 0)), malformed},
		"jpeg over the limit":          {join(0xff, 0xd8, jpegFrame(65000, 65000)), tooMany},
		"jpeg of two sizes":            {join(0xff, 0xd8, jpegFrame(1, 1), jpegFrame(65000, 65000)), malformed},
		"jpeg that ends at once":       {join(0xff, 0xd8, 0xff, 0xd9), malformed},
		"jpeg scan before its size":    {join(0xff, 0xd8, jpegScan()), malformed},
		"jpeg of a short segment":      {join(0xff, 0xd8, 0xff, 0xe0, be16(1), jpegFrame(1, 1)), malformed},
		"jpeg behind 10 MB of apps":    {join(0xff, 0xd8, bytes.Repeat(jpegSegment(0xe5, make([]byte, 65533)), 160), jpegFrame(640, 480), jpegScan(), 0xff, 0xd9), good},
		"heic over the limit":          {join(heic, meta(pitm(1), iprp(ispe(50_000, 50_000), ipma(1, 1)))), tooMany},
		"heic with a tile over it":     {join(heic, meta(pitm(1), iprp(join(ispe(10, 10), ispe(50_000, 50_000)), ipma(1, 1)))), tooMany},
		"heic of a crop from over it":  {join(heic, meta(pitm(1), iprp(join(ispe(50_000, 50_000), clap(10, 1, 10, 1)), ipma(1, 1, 2)))), tooMany},
		"heic of the greatest size":    {join(heic, meta(pitm(1), iprp(ispe(-1, -1), ipma(1, 1)))), malformed},
		"heic of no width":             {join(heic, meta(pitm(1), iprp(ispe(0, 10), ipma(1, 1)))), malformed},
		"heic of no size":              {join(heic, meta(pitm(1), iprp(box("hvcC", 1), ipma(1, 1)))), malformed},
		"heic of a size elsewhere":     {join(heic, meta(pitm(1), iprp(ispe(10, 10), ipma(1, 2)))), malformed},
		"heic of property zero":        {join(heic, meta(pitm(1), iprp(ispe(10, 10), ipma(1, 0)))), malformed},
		"heic of another item":         {join(heic, meta(pitm(2), iprp(ispe(10, 10), ipma(1, 1)))), malformed},
		"heic of no primary item":      {join(heic, meta(iprp(ispe(10, 10), ipma(1, 1)))), malformed},
		"heic of a second meta":        {join(heic, meta(pitm(1), iprp(ispe(10, 10), ipma(1, 1))), meta(pitm(1), iprp(ispe(50_000, 50_000), ipma(1, 1)))), good},
		"heic cropped to nothing":      {join(heic, meta(pitm(1), iprp(join(ispe(10, 10), clap(0, 1, 5, 1)), ipma(1, 1, 2)))), malformed},
		"heic cropped by zero":         {join(heic, meta(pitm(1), iprp(join(ispe(10, 10), clap(5, 0, 5, 1)), ipma(1, 1, 2)))), malformed},
		"heic with a short box":        {join(heic, be32(7), "meta", be32(0)), malformed},
		"heic with a short ispe":       {join(heic, meta(pitm(1), iprp(box("ispe", be32(0), be32(10)), ipma(1, 1)))), malformed},
		"heic with a short pitm":       {join(heic, meta(box("pitm", be32(0)))), malformed},
		"heic with a short version 1":  {join(heic, meta(box("pitm", 1, 0, 0, 0, be16(1)))), malformed},
		"heic with an endless ipma":    {join(heic, meta(pitm(1), iprp(ispe(10, 10), fullBox("ipma", 0, 0, be32(-1), be16(1), 1, 0x81)))), malformed},
		"heic box out of its parent":   {join(heic, meta(pitm(1), box("iprp", box("ipco", be32(1000), "ispe", be32(0), be32(10), be32(10)), ipma(1, 1)))), malformed},
		"heic box without a length":    {join(heic, meta(be32(0), []byte("iprp"))), malformed},
		"heic box of 2^63 bytes":       {join(heic, be32(1), "mdat", be32(-1<<31), be32(0)), malformed},
		"heic box of 2^64-1 bytes":     {join(heic, be32(1), "mdat", be32(-1), be32(-1)), malformed},
		"heic box of 2^62 bytes":       {join(heic, be32(1), "mdat", be32(1<<30-1), be32(-1), make([]byte, 50)), malformed},
		"heic long box of 15 bytes":    {join(heic, be32(1), "mdat", be32(0), be32(15)), malformed},
		"heic of a box in itself":      {join(heic, meta(meta(meta(pitm(1), iprp(ispe(10, 10), ipma(1, 1)))))), malformed},
		"heic of many small boxes":     {join(heic, meta(bytes.Repeat(box("free"), 100_000), pitm(1), iprp(ispe(10, 10), ipma(1, 1)))), good},
		"heic of many properties":      {join(heic, meta(pitm(1), iprp(bytes.Repeat(box("free"), 32_768), ipma(1, 1)))), malformed},
		"heic of a size far behind":    {join(heic, meta(pitm(1), iprp(join(bytes.Repeat(irot(1), 3000), ispe(10, 10)), fullBox("ipma", 0, 1, be32(1), be16(1), 1, be16(3001))))), good},
		"heic that ends in its brands": {join(be32(1000), "ftypheic", be32(0), "mif1"), malformed},
		"heic beyond its end":          {join(heic, meta(pitm(1), box("iloc", make([]byte, 6), be16(1), be16(1), be16(0), be16(1), be32(-1), be32(-1)), iprp(ispe(10, 10), ipma(1, 1)))), good},
		"heic sequence over the limit": {join(ftyp("hevc", "msf1"), box("moov", track("pict", 1000, 1000, 51))), tooMany},
		"heic sequence at the limit":   {join(ftyp("hevc", "msf1"), box("moov", track("pict", 1000, 1000, 50))), good},
		"heic sequence of 2^32 frames": {join(ftyp("hevc", "msf1"), box("moov", track("pict", 65_535, 762, -1))), tooMany},
		"heic sequence of no size":     {join(ftyp("hevc", "msf1"), box("moov", track("pict", 0, 0, 5))), malformed},
		"heic sequence of no pictures": {join(ftyp("hevc", "msf1"), box("moov", track("soun", 10, 10, 5))), malformed},
		"avif over the limit":          {join(ftyp("avif"), meta(pitm(1), iprp(ispe(50_000, 50_000), ipma(1, 1)))), tooMany},
		"jxl of no codestream":         {jxlBoxes(box("Exif", make([]byte, 100))), malformed},
		"jxl of an empty codestream":   {jxlBoxes(box("jxlc")), malformed},
		"jxl of a cut codestream":      {jxlBoxes(box("jxlc", 0xff, 0x0a)), malformed},
		"jxl of another codestream":    {jxlBoxes(box("jxlc", "another")), malformed},
		"jxl cut in its size":          {join(0xff, 0x0a, 0x06), malformed},
		"jxl of a million parts":       {jxlBoxes(bytes.Repeat(box("jxlp", be32(0)), 100_000)), malformed},
		"jxl of a short part":          {jxlBoxes(box("jxlp", 0, 0)), malformed},
		"jxl over the limit":           {join(0xff, 0x0a, 0x06, 0, 0, 0xff, 0x02, make([]byte, 20)), tooMany},
	}
}

func TestHostileFiles(t *testing.T) {
	t.Parallel()
	for name, file := range hostile(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			info, err := scan(file.data, limit, 1000)
			if got := verdictOf(t, err); got != file.want {
				t.Errorf("scanner: got verdict %d of %+v, %v, want %d", got, info, err, file.want)
			}
			info, err = imageinfo.ReadInfo(bytes.NewReader(file.data), int64(len(file.data)), limit)
			if got := verdictOf(t, err); got != file.want {
				t.Errorf("ReadInfo: got verdict %d of %+v, %v, want %d", got, info, err, file.want)
			}
		})
	}
}

func TestScannerCountsEveryFrame(t *testing.T) {
	t.Parallel()
	fctl := pngChunk("fcTL", make([]byte, 26))
	tests := []struct {
		name string
		data []byte
		want imageinfo.Info
	}{
		{"gif", animation(t, 40, 30, 7), imageinfo.Info{ContentType: imageinfo.GIF, Width: 40, Height: 30, Frames: 7, Pixels: 7 * 1200, Complete: true}},
		{"apng", join(pngHeader(40, 30), fctl, pngChunk("IDAT", nil), fctl, pngChunk("fdAT", nil), pngChunk("IEND", nil)),
			imageinfo.Info{ContentType: imageinfo.PNG, Width: 40, Height: 30, Frames: 2, Pixels: 2400, Complete: true}},
		{"webp", riff(vp8x(2, 40, 30), anmf(40, 30, vp8(40, 30)), anmf(4, 3, vp8l(4, 3)), anmf(4, 3, vp8l(4, 3))),
			imageinfo.Info{ContentType: imageinfo.WebP, Width: 40, Height: 30, Frames: 3, Pixels: 3600, Complete: true}},
		{"tiff", join(tiffHeader(8), directory(40, 30, 8+directorySize), directory(4, 3, 0)),
			imageinfo.Info{ContentType: imageinfo.TIFF, Width: 40, Height: 30, Frames: 2, Pixels: 1212, Complete: true}},
	}
	for _, tt := range tests {
		got, err := scan(tt.data, limit, 3)
		if err != nil || got != tt.want {
			t.Errorf("%s: got %+v, %v, want %+v", tt.name, got, err, tt.want)
		}
		// When cut off, the result is what could be read.
		got, err = scan(tt.data[:len(tt.data)-1], limit, 3)
		if err != nil || got.Complete || got.Width != 40 {
			t.Errorf("%s cut off: got %+v, %v", tt.name, got, err)
		}
	}
}

// The first frame, with its offset, enlarges the screen; the others do not.
func TestGIFScreenHoldsItsFirstFrame(t *testing.T) {
	t.Parallel()
	frame := func(left, top, w, h int) []byte {
		return join(",", le16(left), le16(top), le16(w), le16(h), 0, 2, 1, 0, 0)
	}
	screen := func(w, h int) []byte { return join("GIF89a", le16(w), le16(h), 0, 0, 0) }
	tests := []struct {
		name                          string
		data                          []byte
		width, height, frames, pixels int
	}{
		{"within it", join(screen(16, 10), frame(1, 1, 4, 4), ";"), 16, 10, 1, 160},
		{"beyond it", join(screen(16, 10), frame(3, 2, 20, 12), ";"), 23, 14, 1, 23 * 14},
		{"beyond it by its offset alone", join(screen(16, 10), frame(10, 0, 10, 5), ";"), 20, 10, 1, 200},
		{"without a width", join(screen(0, 10), frame(3, 2, 4, 4), ";"), 7, 10, 1, 70},
		{"a second frame beyond it", join(screen(16, 10), frame(0, 0, 1, 1), frame(0, 0, 20, 12), ";"), 16, 10, 2, 160 + 240},
	}
	for _, tt := range tests {
		want := imageinfo.Info{ContentType: imageinfo.GIF, Width: tt.width, Height: tt.height, Frames: tt.frames, Pixels: int64(tt.pixels), Complete: true}
		if got, err := scan(tt.data, limit, 3); err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", tt.name, got, err, want)
		}
	}
}

func TestOrientation(t *testing.T) {
	t.Parallel()
	for o := range 10 {
		want := o
		if o > 8 {
			want = 0
		}
		exif := exifUp(o)
		for name, data := range map[string][]byte{
			"jpeg": join(0xff, 0xd8, jpegSegment(0xe1, join("Exif\x00\x00", exif)), jpegFrame(4, 3), jpegScan(), 0xff, 0xd9),
			"png":  join(pngHeader(4, 3), pngChunk("IDAT", nil), pngChunk("eXIf", exif), pngChunk("IEND", nil)),
			"webp": riff(vp8x(8, 4, 3), vp8(4, 3), webpChunk("EXIF", exif)),
			"tiff": join(tiffHeader(8), le16(3), le16(256), le16(3), le32(1), le32(4), le16(257), le16(3), le32(1), le32(3),
				le16(274), le16(3), le32(1), le32(o), le32(0)),
		} {
			if got, err := scan(data, limit, 5); err != nil || got.Orientation != want {
				t.Errorf("%s of orientation %d: got %d, %v", name, o, got.Orientation, err)
			}
		}
	}
}

// When a directory points back behind a stream's position, the pixels stay unknown;
// ReadInfo, which can seek, finds them.
func TestDirectoriesThatReferBack(t *testing.T) {
	t.Parallel()
	const gap = 10_000
	second, first := imageinfo.HeadSize+100, imageinfo.HeadSize+100+gap
	data := slices.Concat(tiffHeader(first), make([]byte, second-8), directory(20, 10, 0))
	data = slices.Concat(data, make([]byte, first-len(data)), directory(40, 30, second))
	got, err := scan(data, limit, 100)
	want := imageinfo.Info{ContentType: imageinfo.TIFF, Width: 40, Height: 30}
	if err != nil || got != want {
		t.Errorf("scanner: got %+v, %v, want %+v", got, err, want)
	}
	got, err = imageinfo.ReadInfo(bytes.NewReader(data), int64(len(data)), limit)
	want = imageinfo.Info{ContentType: imageinfo.TIFF, Width: 40, Height: 30, Frames: 2, Pixels: 1400, Complete: true}
	if err != nil || got != want {
		t.Errorf("ReadInfo: got %+v, %v, want %+v", got, err, want)
	}
}

// The head of a large object is enough for ReadInfo to find its size.
func TestReadInfoOfAHead(t *testing.T) {
	t.Parallel()
	data := join(pngHeader(40, 30), pngChunk("IDAT", make([]byte, 100_000)), pngChunk("IEND", nil))
	got, err := imageinfo.ReadInfo(bytes.NewReader(data[:imageinfo.HeadSize]), int64(len(data)), limit)
	want := imageinfo.Info{ContentType: imageinfo.PNG, Width: 40, Height: 30, Frames: 1, Pixels: 1200}
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

// A scanner's memory does not grow with the file.
func TestScannerMemory(t *testing.T) {
	data := join(0xff, 0xd8, bytes.Repeat(jpegSegment(0xe1, make([]byte, 65533)), 1600), jpegFrame(640, 480), jpegScan(), 0xff, 0xd9)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	info, err := scan(data, limit, 1000)
	runtime.ReadMemStats(&after)
	if err != nil || info.Width != 640 {
		t.Fatalf("got %+v, %v", info, err)
	}
	// All allocations, including those of a growing buffer.
	if got := after.TotalAlloc - before.TotalAlloc; got > 512<<10 {
		t.Errorf("%d bytes of file took %d bytes of memory", len(data), got)
	}
}

// The memory of a scanner is bounded, however many boxes and properties a file has.
func TestScannerKeepsLittle(t *testing.T) {
	names := bytes.Repeat(be16(1), 255)
	tests := map[string][]byte{
		"properties": join(heic, meta(pitm(1), iprp(bytes.Repeat(ispe(10, 10), 32_767), fullBox("ipma", 0, 1, be32(1), be16(1), 255, names)))),
		"boxes":      join(ftyp("hevc", "msf1"), box("moov", bytes.Repeat(track("soun", 1, 1, 1), 5000)), bytes.Repeat(box("free"), 50_000)),
		"brands":     join(be32(1<<20), "ftypheic", be32(0), bytes.Repeat([]byte("mif1"), 10_000)),
		"parts":      jxlBoxes(bytes.Repeat(box("jxlp", be32(0)), 50_000)),
		"exif":       join(0xff, 0xd8, bytes.Repeat(jpegSegment(0xe1, make([]byte, 65533)), 20), jpegFrame(640, 480)),
	}
	for name, data := range tests {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		s := imageinfo.NewScanner(limit)
		for part := range slices.Chunk(data, 1000) {
			if _, err := s.Write(part); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if got := int64(after.HeapAlloc) - int64(before.HeapAlloc); got > 128<<10 { // 64 KiB of EXIF, and some for the runtime
			t.Errorf("%s: the scanner keeps %d bytes of %d", name, got, len(data))
		} else {
			t.Logf("%s: %d bytes of %d", name, got, len(data))
		}
		runtime.KeepAlive(s)
		runtime.KeepAlive(data)
	}
}

func BenchmarkScanner(b *testing.B) {
	files := encoded(b, 4000, 3000)
	files["image/gif of many sub-blocks"] = join("GIF89a", le16(1), le16(1), 0, 0, 0, ",", le32(0), le16(1), le16(1), 0, 8, strings.Repeat("\x01x", 1<<20), 0, ";")
	for name, data := range files {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := scan(data, limit, 32<<10); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
