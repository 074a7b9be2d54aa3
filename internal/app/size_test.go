package app_test

import (
	"testing"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/test/program"
)

// TestSizeOfAProgramsResult reads the size of a result that a program does not state, where
// the result is an image.
func TestSizeOfAProgramsResult(t *testing.T) {
	t.Parallel()
	program.Need(t, "cat")
	program.Need(t, "sh")
	for _, tt := range []struct {
		line          string
		width, height any
	}{
		{"cat", 1600.0, 1200.0},
		{`sh -c "head -c 20; cat >/dev/null"`, nil, nil}, // whose header is not whole
		{`sh -c "cat >/dev/null; echo text"`, nil, nil},
	} {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			s := apptest.Start(t, "PROCESSOR=exec:"+tt.line)
			s.StartWorker(t)
			a := apptest.Await(t, s.Submit(t, apptest.Photograph(t)).Header.Get("Location"))
			output, ok := a.JSON(t)["output"].(map[string]any)
			if !ok || output["width"] != tt.width || output["height"] != tt.height {
				t.Errorf("%s: %s", a.Status, a.Bytes)
			}
		})
	}
}
