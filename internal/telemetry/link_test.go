package telemetry_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/telemetry"
)

// TestTokensOfLinksStaySecret: who has the token of a link has the output.
func TestTokensOfLinksStaySecret(t *testing.T) {
	t.Parallel()
	p, spans := recording(t)
	h := handler(t, p, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNotFound) })
	for _, path := range []string{"/links/sesame", "/links/sesame/more", "/api/links/sesame", "//links/sesame"} {
		r := httptest.NewRequest(http.MethodGet, "http://api.example"+path+"?q=sesame", nil)
		h.ServeHTTP(httptest.NewRecorder(), r)
		var line strings.Builder
		slog.New(slog.NewJSONHandler(&line, nil)).LogAttrs(t.Context(), slog.LevelInfo, "request",
			telemetry.HTTPRequest(r, netip.Addr{}, http.StatusNotFound, 0, time.Second))
		if strings.Contains(line.String(), "sesame") || !strings.Contains(line.String(), "/links/{token}") {
			t.Errorf("%s: the log has %s", path, line.String())
		}
	}
	for _, span := range spans.Ended() {
		for _, a := range span.Attributes() {
			if strings.Contains(a.Value.String(), "sesame") {
				t.Errorf("a span has %s=%s", a.Key, a.Value.String())
			}
		}
	}
	if n := len(spans.Ended()); n != 4 {
		t.Errorf("%d spans", n)
	}
}
