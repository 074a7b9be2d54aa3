package imaging_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"claimcheck.example/internal/imageinfo"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging"
	"claimcheck.example/internal/processor/imaging/imagingtest"
	"claimcheck.example/internal/processor/processortest"
	"github.com/HugoSmits86/nativewebp"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

// table returns the cells of the table in docs/image.md whose heading begins with that
// cell, row by row. A cell that is entirely code loses its code marks.
func table(t *testing.T, first string) (rows [][]string) {
	t.Helper()
	page, err := os.ReadFile("../../../docs/image.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(page), "\n| "+first+" |")
	if !ok {
		t.Fatalf("docs/image.md has no table of %s", first)
	}
	body, _, _ := strings.Cut(rest, "\n\n")
	for _, line := range strings.Split(body, "\n")[2:] {
		cells := strings.Split(strings.Trim(strings.ReplaceAll(line, "| |", "|  |"), "|"), "|")
		for i, c := range cells {
			cells[i] = strings.TrimSpace(c)
			if s := strings.Trim(cells[i], "`"); strings.Count(cells[i], "`") == 2 && len(s) == len(cells[i])-2 {
				cells[i] = s
			}
		}
		rows = append(rows, cells)
	}
	return rows
}

func photograph(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile("../../imageinfo/testdata/rainier.jpg")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// refused returns the sentence that refuses params for a picture of w x h.
func refused(t *testing.T, w, h int, params string) string {
	t.Helper()
	err := builtin(imaging.Limits{}).CheckParams(job.Media{Width: w, Height: h}, json.RawMessage(params))
	if err == nil {
		t.Errorf("%s is not refused", params)
	}
	return job.MessageOf(err)
}

// known returns the names that a refusal lists as known when params have an unknown one,
// and the start of that refusal.
func known(t *testing.T, params string) (begin string, names []string) {
	t.Helper()
	begin, list, ok := strings.Cut(refused(t, 0, 0, params), "; known are ")
	if !ok {
		return begin, nil
	}
	return begin, slices.Sorted(slices.Values(strings.Split(list, ", ")))
}

func keys(rows [][]string) (names []string) {
	for _, row := range rows {
		names = append(names, row[0])
	}
	slices.Sort(names)
	return names
}

var (
	aRange = regexp.MustCompile(`from ([0-9.]+) to ([0-9.]+)`)
	aList  = regexp.MustCompile("`[a-z]+`")
)

// bounds returns the words that the page must have for the bounds in a refusal.
func bounds(said string) string {
	if m := aRange.FindStringSubmatch(said); m != nil {
		return m[1] + " to " + m[2]
	}
	_, list, _ := strings.Cut(said, " must be ")
	return strings.TrimPrefix(list, "one of ")
}

// TestPageListsEveryOperation compares names, bounds and examples of docs/image.md with
// the processor.
func TestPageListsEveryOperation(t *testing.T) {
	t.Parallel()
	p := builtin(imaging.Limits{})
	small := imagingtest.PNG(t, image.NewGray(image.Rect(0, 0, 1000, 800)))
	args := map[string][]string{} // by operation
	op := ""
	for _, row := range table(t, "operation") {
		if row[0] != "" {
			op = row[0]
			args[op] = nil
		}
		ask := `{"ops": [{%q: -1}]}`
		if row[1] != "" {
			args[op] = append(args[op], row[1])
			ask = `{"ops": [{%q: {"` + row[1] + `": -1}}]}`
		}
		want := bounds(refused(t, 0, 0, fmt.Sprintf(ask, op)))
		if op == "rotate" {
			want = bounds(refused(t, 0, 0, `{"ops": [{"rotate": 100}]}`))
		}
		if got := strings.ReplaceAll(row[2], "`", ""); got != want {
			t.Errorf("the page says that %s %s is %s; it is %s", op, row[1], got, want)
		}
		if !strings.HasPrefix(row[5], `{"`+op+`": `) || !strings.Contains(row[5], row[1]) {
			t.Errorf("%s is not an example of %s %s", row[5], op, row[1])
		}
		if _, _, err := processortest.Run(t, p, small, `{"ops": [`+row[5]+`]}`); err != nil {
			t.Errorf("%s: %v", row[5], err)
		}
	}
	_, ops := known(t, `{"ops": [{"unheard of": 1}]}`)
	if diff := cmp.Diff(ops, slices.Sorted(maps.Keys(args))); diff != "" {
		t.Errorf("operations (-processor +page):\n%s", diff)
	}
	for op, documented := range args {
		_, names := known(t, fmt.Sprintf(`{"ops": [{%q: {"unheard of": 1}}]}`, op))
		slices.Sort(documented)
		if diff := cmp.Diff(names, documented); diff != "" {
			t.Errorf("arguments of %s (-processor +page):\n%s", op, diff)
		}
	}
}

func TestPageListsEveryKey(t *testing.T) {
	t.Parallel()
	rows := table(t, "key")
	if _, want := known(t, `{"unheard of": 1}`); !slices.Equal(keys(rows), want) {
		t.Errorf("the page lists the keys %v, the processor knows %v", keys(rows), want)
	}
	for _, row := range rows {
		asked := fmt.Sprintf(`{%q: -1}`, row[0])
		switch row[0] {
		case "ops":
			asked = `{"ops": [` + strings.Repeat("1,", 16) + `1]}`
			if said := refused(t, 0, 0, asked); !strings.Contains(said, "at most 16") || row[1] != "a list of at most 16" {
				t.Errorf("ops: the page says %s, the processor %s", row[1], said)
			}
			continue
		case "keep":
			asked = `{"keep": [1]}`
		}
		want := bounds(refused(t, 0, 0, asked))
		if got := strings.TrimPrefix(strings.TrimSuffix(strings.ReplaceAll(row[1], "`", ""), " pixels"), "a list of "); got != want {
			t.Errorf("the page says that %s is %s; it is %s", row[0], got, want)
		}
	}
}

// TestPageListsEveryFormat encodes each kind of image in each format.
func TestPageListsEveryFormat(t *testing.T) {
	t.Parallel()
	p := builtin(imaging.Limits{})
	rows := table(t, "`format`")
	want := bounds(refused(t, 0, 0, `{"format": "unheard of"}`))
	if got := keys(rows); !slices.Equal(got, slices.Sorted(slices.Values(strings.Split(want, ", ")))) {
		t.Errorf("the page lists the formats %v, the processor has %s", got, want)
	}
	for _, row := range rows {
		for _, what := range []string{"icc", "exif"} {
			_, err := imaging.Parse(json.RawMessage(fmt.Sprintf(`{"format": %q, "keep": [%q]}`, row[0], what)), imaging.Limits{})
			if documented := slices.Contains(aList.FindAllString(row[5], -1), "`"+what+"`") || row[5] == what; documented != (err == nil) {
				t.Errorf("%s keeps %s: the page says %v, the processor %v", row[0], what, documented, err)
			}
		}
	}

	sheer := image.NewNRGBA(image.Rect(0, 0, 8, 8))
	opaque := image.NewNRGBA(sheer.Rect)
	for i := range opaque.Pix {
		opaque.Pix[i], sheer.Pix[i] = 0xff, 0x80
	}
	encoders := map[string]func(image.Image) []byte{
		"JPEG": func(m image.Image) []byte { return imagingtest.JPEG(t, m) },
		"PNG":  func(m image.Image) []byte { return imagingtest.PNG(t, m) },
		"GIF": func(m image.Image) []byte {
			pal := image.NewPaletted(m.Bounds(), color.Palette{color.White})
			if m == sheer {
				pal.Palette[0] = color.Transparent
			}
			return written(t, func(b *bytes.Buffer) error { return gif.Encode(b, pal, nil) })
		},
		"WebP": func(m image.Image) []byte {
			return written(t, func(b *bytes.Buffer) error { return nativewebp.Encode(b, m, nil) })
		},
		"TIFF": func(m image.Image) []byte {
			return written(t, func(b *bytes.Buffer) error { return tiff.Encode(b, m, nil) })
		},
		"BMP": func(m image.Image) []byte {
			file := written(t, func(b *bytes.Buffer) error { return bmp.Encode(b, m) })
			if m == sheer { // a header of 108 bytes with transparency instead of one of 40
				file[10], file[14] = file[10]+68, 108
				file = slices.Insert(file, 54, make([]byte, 68)...)
			}
			return file
		},
	}
	inputs := table(t, "the image")
	for _, row := range inputs {
		encode := encoders[row[0]]
		if encode == nil || !p.Accepts(imageinfo.Detect(encode(opaque))) {
			t.Errorf("the page lists %s, which the processor does not accept", row[0])
			continue
		}
		for i, m := range []image.Image{opaque, sheer} {
			if row[1+i] == "" {
				continue
			}
			r, _, err := processortest.Run(t, p, encode(m), "")
			if err != nil || r.ContentType != "image/"+row[1+i] {
				t.Errorf("%s, transparent %v, becomes %v, %v; the page says %s", row[0], i == 1, r, err, row[1+i])
			}
		}
	}
	for _, contentType := range []string{imageinfo.JPEG, imageinfo.PNG, imageinfo.GIF, imageinfo.WebP, imageinfo.TIFF, imageinfo.BMP, imageinfo.HEIC, imageinfo.HEIF, imageinfo.AVIF, imageinfo.JXL} {
		documented := slices.ContainsFunc(inputs, func(row []string) bool { return "image/"+strings.ToLower(row[0]) == contentType })
		if documented != p.Accepts(contentType) {
			t.Errorf("%s is taken: the page says %v, the processor %v", contentType, documented, !documented)
		}
	}
}

func written(t *testing.T, write func(*bytes.Buffer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestPageQuotesRefusals compares the refusals that docs/image.md quotes with those of
// the processor, word by word.
func TestPageQuotesRefusals(t *testing.T) {
	t.Parallel()
	for _, row := range table(t, "`params` | `detail`") {
		if got := refused(t, 7_000, 7_000, row[0]); got != row[1] {
			t.Errorf("%s is refused with %q; the page says %q", row[0], got, row[1])
		}
	}
	p := builtin(imaging.Limits{})
	for _, row := range table(t, "`params` | `message`") {
		if err := p.CheckParams(job.Media{Width: 1600, Height: 1200}, json.RawMessage(row[0])); err != nil {
			t.Errorf("%s is refused at submit: %v", row[0], err)
		}
		if _, _, err := processortest.Run(t, p, photograph(t), row[0]); job.MessageOf(err) != row[1] {
			t.Errorf("%s fails with %v; the page says %q", row[0], err, row[1])
		}
	}
}
