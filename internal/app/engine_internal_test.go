package app

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"claimcheck.example/internal/config"
	"claimcheck.example/internal/processor/imaging/vips/vipstest"
)

func TestEngineByIMAGING(t *testing.T) {
	broken := t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, "imaging"), []byte("#!/bin/sh\necho no engine\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, imaging, path, engine, log string // engine is empty when it refuses
	}{
		{"auto without it", "auto", t.TempDir(), "embedded", "engine=embedded"},
		{"auto with a broken one", "auto", broken, "embedded", "does not start"},
		{"vips without it", "vips", t.TempDir(), "", ""},
		{"vips with a broken one", "vips", broken, "", ""},
		{"auto with it", "auto", "", "vips", "seccomp"},
		{"embedded", "embedded", "", "embedded", "engine=embedded"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.path == "" {
				tt.path = filepath.Dir(vipstest.Build(t))
			}
			t.Setenv("PATH", tt.path)
			var out bytes.Buffer
			c := &config.Config{Imaging: tt.imaging, Concurrency: 1, ProcessorMemory: 4 << 30}
			e, closeEngine, err := openEngine(c, slog.New(slog.NewTextHandler(&out, nil)))
			if closeEngine != nil {
				defer closeEngine()
			}
			if tt.engine == "" {
				if err == nil || !strings.HasPrefix(err.Error(), "IMAGING: ") {
					t.Errorf("got %v, want a refusal", err)
				}
				return
			}
			if err != nil || e.Describe().Name != tt.engine || !strings.Contains(out.String(), tt.log) {
				t.Errorf("got %v, log %s, want the %s engine and %q", err, &out, tt.engine, tt.log)
			}
		})
	}
}
