package app

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

// TestStartSaysWhichWallsAreMissing checks that a worker warns where its commands can reach
// each other, and says which walls are missing.
func TestStartSaysWhichWallsAreMissing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		hold, missing []string
		err           error
		want          []string
	}{
		{[]string{"folders", "signals"}, []string{"users"}, nil, []string{"level=INFO", "walls between commands", "missing_walls=[users]"}},
		{[]string{"folders"}, []string{"signals", "users"}, nil, []string{"level=WARN", "one trust", "walls=[folders]", `missing_walls="[signals users]"`}},
		{[]string{"signals"}, []string{"folders"}, errors.New("no Landlock"), []string{"level=WARN", "one trust", "missing_walls=[folders]", "no Landlock"}},
		{nil, []string{"folders", "signals"}, errors.New("only Linux"), []string{"level=WARN", "one trust", "only Linux"}},
	} {
		var log bytes.Buffer
		logWalls(slog.New(slog.NewTextHandler(&log, nil)), tt.hold, tt.missing, tt.err)
		for _, want := range tt.want {
			if !strings.Contains(log.String(), want) {
				t.Errorf("without %v the log lacks %s: %s", tt.missing, want, &log)
			}
		}
	}
}
