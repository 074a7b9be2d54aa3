package httpapi_test

import (
	"testing"

	"claimcheck.example/internal/app"
	"claimcheck.example/internal/app/apptest"
)

func TestHealthHasTheVersion(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	got := apptest.Get(t, s.URL+"/health").JSON(t)
	if got["status"] != "ok" || got["version"] != app.Version || app.Version == "" {
		t.Errorf("/health answers %v; this is version %q", got, app.Version)
	}
}
