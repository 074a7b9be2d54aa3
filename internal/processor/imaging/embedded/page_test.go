package embedded_test

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging"
	"claimcheck.example/internal/processor/imaging/imagingtest"
	"claimcheck.example/internal/processor/processortest"
)

// TestPageQuotesWhatIsNotRead compares the sentences of docs/image.md on unsupported
// files with the refusals of such files.
func TestPageQuotesWhatIsNotRead(t *testing.T) {
	t.Parallel()
	page := string(processortest.ReadFile(t, "../../../../docs/image.md"))
	_, table, _ := strings.Cut(page, "| a file | `message` |\n|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	quoted := map[string]bool{}
	for row := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(row, "| \n"), " | ")
		quoted[cells[len(cells)-1]] = true
	}
	// with sets the value of a tag of a TIFF.
	with := func(file []byte, tag, value byte) []byte {
		i := bytes.Index(file, []byte{1, tag, 0, 3})
		return slices.Concat(file[:i+9], []byte{value}, file[i+10:])
	}
	files := [][]byte{bmpOf(8, 1, 4, 0, 0, 1), bmpOf(16, 0, 4, 0, 0, 1), tiffOf(5, 8), with(tiffOf(1, 8), 259-256, 7)}
	float := tiffOf(1, 8)
	files = append(files, bytes.Replace(float, []byte{1, 259 - 256, 0, 3, 0, 0, 0, 1, 0, 1}, []byte{1, 339 - 256, 0, 3, 0, 0, 0, 1, 0, 3}, 1))
	for _, name := range []string{"22-arithmetic.jpg", "12-progressive-restart-420.jpg", "17-sampling-2x2_1x1_1x2.jpg", "20-cmyk-no-adobe.jpg", "66-group3-2d.tif"} {
		files = append(files, imagingtest.File(t, "cases", name))
	}
	said := map[string]bool{}
	for _, f := range files {
		_, _, err := processortest.Run(t, builtin(imaging.Limits{}), f, "")
		said[job.MessageOf(err)] = true
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(said)), slices.Sorted(maps.Keys(quoted))); diff != "" {
		t.Errorf("what is not read (-engine +page):\n%s", diff)
	}
}
