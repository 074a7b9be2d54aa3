package metadata_test

import (
	"bytes"
	"strings"
	"testing"

	"claimcheck.example/internal/imageinfo"
	"claimcheck.example/internal/processor/imaging/imagingtest"
	"claimcheck.example/internal/processor/imaging/metadata"
)

// TestHEIFWithoutReferences removes from a file what libheif 1.15 refuses, and nothing
// else.
func TestHEIFWithoutReferences(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{"gain-map.heic": "auxl cdsc", "telephone.heic": "cdsc", "flat.avif": ""} {
		before := imagingtest.File(t, "heif", file)
		after := bytes.Clone(before)
		metadata.HEIFWithoutReferences(after)
		var gone []string
		for i := 0; i+4 <= len(after); i++ {
			if kind := before[i : i+4]; string(after[i:i+4]) == "free" && string(kind) != "free" {
				gone = append(gone, string(kind))
				copy(after[i:], kind)
			}
		}
		if !bytes.Equal(before, after) {
			t.Errorf("%s: more has changed", file)
		}
		if got := strings.Join(gone, " "); got != want {
			t.Errorf("%s: %q is gone, want %q", file, got, want)
		}
	}
}

// FuzzHEIF reads damaged HEIF files.
func FuzzHEIF(f *testing.F) {
	for _, file := range []string{"gain-map.heic", "sequence.heic", "flat.avif"} {
		data := imagingtest.File(f, "heif", file)
		f.Add(data[:min(len(data), 2000)])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		metadata.Read(imageinfo.HEIC, data)
		metadata.HighDynamicRange(imageinfo.HEIC, data)
		metadata.HEIFWithoutReferences(data)
	})
}
