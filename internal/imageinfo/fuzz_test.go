package imageinfo_test

import (
	"bytes"
	"image"
	"os"
	"path/filepath"
	"testing"

	"claimcheck.example/internal/imageinfo"
)

// FuzzScanner checks for any bytes: nothing panics; the result does not depend on how the
// bytes are split; ReadInfo knows all that the scanner knows; and where a decoder finds a
// size, the scanner finds the same size or refuses the file.
func FuzzScanner(f *testing.F) {
	for _, file := range hostile(f) {
		if len(file.data) < 8<<10 {
			f.Add(file.data, uint16(7))
		}
	}
	for _, data := range encoded(f, 31, 17) {
		f.Add(data, uint16(100))
	}
	f.Add(exifUp(6), uint16(1))
	for _, folder := range []string{"cases", "writers"} {
		entries, err := os.ReadDir(filepath.Join("testdata", folder))
		if err != nil {
			f.Fatal(err)
		}
		for _, e := range entries {
			data, err := os.ReadFile(filepath.Join("testdata", folder, e.Name()))
			if err != nil {
				f.Fatal(err)
			}
			if len(data) < 3000 {
				f.Add(data, uint16(50))
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, cut uint16) {
		whole, wholeErr := scan(data, limit, len(data)+1)
		parts, partsErr := scan(data, limit, int(cut)+1)
		if whole != parts || verdictOf(t, wholeErr) != verdictOf(t, partsErr) {
			t.Fatalf("at once: %+v, %v; %d bytes at a time: %+v, %v", whole, wholeErr, cut+1, parts, partsErr)
		}
		read, readErr := imageinfo.ReadInfo(bytes.NewReader(data), int64(len(data)), limit)
		if wholeErr == nil && whole.Pixels > 0 && (readErr != nil || read != whole) {
			t.Fatalf("scanner: %+v; ReadInfo: %+v, %v", whole, read, readErr)
		}
		if wholeErr != nil && verdictOf(t, readErr) != verdictOf(t, wholeErr) {
			t.Fatalf("scanner: %v; ReadInfo: %v", wholeErr, readErr)
		}
		c, format, err := image.DecodeConfig(bytes.NewReader(data))
		if err != nil || wholeErr != nil {
			return
		}
		same := whole.Width == c.Width && whole.Height == c.Height
		if format == "gif" { // the first frame may enlarge the screen
			same = whole.Width >= c.Width && whole.Height >= c.Height
		}
		if whole.ContentType != "image/"+format || !same {
			t.Fatalf("scanner: %+v; decoder: %s, %d x %d", whole, format, c.Width, c.Height)
		}
	})
}
