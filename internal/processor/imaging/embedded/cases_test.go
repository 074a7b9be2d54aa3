package embedded_test

import (
	"testing"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging"
	"claimcheck.example/internal/processor/imaging/embedded"
	"claimcheck.example/internal/processor/imaging/imagingtest"
	"claimcheck.example/internal/processor/processortest"
)

func TestEngine(t *testing.T) {
	t.Parallel()
	imagingtest.Suite(t, func(limits imaging.Limits) imaging.Engine { return embedded.New(limits) })
}

func TestCases(t *testing.T) {
	t.Parallel()
	imagingtest.Cases(t, embedded.New(imaging.Limits{}), map[string]string{
		"12-progressive-restart-420.jpg": "JPEG (restart markers in a scan of one component)",
		"17-sampling-2x2_1x1_1x2.jpg":    "JPEG (unusual sampling of the colours)",
		"20-cmyk-no-adobe.jpg":           "JPEG (CMYK without Adobe's marker)",
		"22-arithmetic.jpg":              "JPEG (arithmetic coding)",
		"66-group3-2d.tif":               "TIFF (Group 3 fax with options)",
		"66-group3-eol-aligned.tif":      "TIFF (Group 3 fax with options)",
	})
}

// TestHEIFIsForTheOtherEngine refuses HEIF, and names the engine that reads it.
func TestHEIFIsForTheOtherEngine(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"telephone.heic": "the embedded engine does not read image/heic; the vips engine reads it",
		"gain-map.heic":  "the embedded engine does not read image/heic; the vips engine reads it",
		"sequence.heic":  "the embedded engine does not read image/heic; the vips engine reads it",
		"flat.avif":      "the embedded engine does not read image/avif; the vips engine reads it",
	} {
		_, _, err := processortest.Run(t, builtin(imaging.Limits{}), imagingtest.File(t, "heif", file), "")
		if job.KindOf(err) != job.Unsupported || job.MessageOf(err) != want {
			t.Errorf("%s: got %v (%q), want %q", file, err, job.MessageOf(err), want)
		}
	}
}

// TestCMYK: without a colour engine, CMYK becomes RGB as in ImageMagick.
func TestCMYK(t *testing.T) {
	t.Parallel()
	imagingtest.Reference(t, builtin(imaging.Limits{}), "cmyk.jpg", `{"ops": [{"fit": {"width": 72}}], "format": "png"}`, "cmyk", 1, 4)
}
