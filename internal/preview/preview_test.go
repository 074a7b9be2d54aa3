package preview_test

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/preview"
)

func red(t *testing.T, w, h int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		img.Set(i%w, i/w, color.RGBA{200, 10, 10, 255})
	}
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func accepted(v *preview.Viewer, body []byte) *job.Job {
	j := &job.Job{ID: job.NewID(), Input: job.Media{ContentType: "image/png", SizeBytes: int64(len(body)), Width: 60, Height: 40, Pixels: 2400, SHA256: "abc"}}
	w := v.Watch()
	w.Write(body)
	w.Accepted(j)
	w.Close()
	return j
}

func TestAcceptedImageIsShown(t *testing.T) {
	t.Parallel()
	var log, term bytes.Buffer
	var opened string
	v := preview.New(preview.Options{
		Logger:   slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Terminal: &term, Columns: 30,
		Open: func(path string) error { opened = path; return nil },
	})
	body := red(t, 60, 40)
	j := accepted(v, body)
	v.Close()
	defer os.RemoveAll(filepath.Dir(opened))

	var rec map[string]any
	if err := json.Unmarshal(log.Bytes(), &rec); err != nil {
		t.Fatalf("log is %q: %v", log.String(), err)
	}
	for key, want := range map[string]any{"job_id": j.ID.String(), "format": "image/png", "width": 60.0, "height": 40.0, "pixels": 2400.0, "bytes": float64(len(body)), "sha256": "abc"} {
		if rec[key] != want {
			t.Errorf("record has %s=%v, want %v", key, rec[key], want)
		}
	}
	lines := strings.Split(strings.TrimSpace(term.String()), "\n")
	if len(lines) != 10 || strings.Count(lines[0], "▀") != 30 || !strings.Contains(lines[0], "38;2;200;10;10m") {
		t.Errorf("thumbnail has %d lines, first %q", len(lines), lines[0])
	}
	got, err := os.ReadFile(opened)
	if err != nil || !bytes.Equal(got, body) {
		t.Errorf("desktop was shown %q: %v", opened, err)
	}
	if folder, err := os.Stat(filepath.Dir(opened)); err != nil || folder.Mode().Perm() != 0o700 || filepath.Base(filepath.Dir(opened)) == "claimcheck-debug" {
		t.Errorf("its folder is %v, %v; others can know it or look into it", folder, err)
	}
}

func TestBusyOrBrokenViewerDelaysNoSubmit(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	var once sync.Once
	v := preview.New(preview.Options{
		Logger: slog.New(slog.DiscardHandler), Terminal: &bytes.Buffer{}, Columns: 30,
		Open: func(path string) error {
			os.RemoveAll(filepath.Dir(path))
			once.Do(func() { <-release })
			return os.ErrPermission
		},
	})
	for range 20 { // more than may wait: none of these blocks
		accepted(v, red(t, 4, 4))
	}
	accepted(v, []byte("\x89PNG\r\n\x1a\n broken"))
	accepted(v, make([]byte, 17<<20)) // larger than what is kept
	close(release)
	v.Close()
}
