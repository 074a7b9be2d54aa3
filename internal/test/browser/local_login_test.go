package browser

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/test/process"
	"claimcheck.example/internal/test/service"
)

// TestLoginOfLocal starts `claimcheck local --login`: its tokens keep users apart, and the
// page signs a user in at its provider.
func TestLoginOfLocal(t *testing.T) {
	t.Parallel()
	port, err := process.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	l := service.StartLocal(t, append(service.LocalFlags(t), "--login", "--login-port="+strconv.Itoa(port)))
	ct, form := apptest.Form(t, apptest.Photograph(t))
	submit := func(header ...string) apptest.Answer {
		return apptest.Do(t, http.MethodPost, l.URL+"/jobs", bytes.NewReader(form), append(header, "Content-Type", ct)...)
	}
	if a := submit(); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %s: %s", a.Status, a.Bytes)
	}
	bearer := func(name string) []string { return []string{"Authorization", "Bearer " + l.Exports()[name]} }
	a := submit(bearer("ADA")...)
	if a.StatusCode != http.StatusAccepted {
		t.Fatalf("by ada: %s: %s", a.Status, a.Bytes)
	}
	location := a.Header.Get("Location")
	for name, want := range map[string]int{"ADA": http.StatusCreated, "BEN": http.StatusNotFound, "ADMIN": http.StatusCreated} {
		if a := apptest.Get(t, location, append(bearer(name), "Prefer", "wait=60")...); a.StatusCode != want {
			t.Errorf("by %s: %s: %s", name, a.Status, a.Bytes)
		}
	}

	b := open(t, strings.Replace(l.URL, "localhost", "127.0.0.1", 1), look{})
	b.mayVisit("http://127.0.0.1:" + strconv.Itoa(port))
	b.until(`document.activeElement.id === "login"`)
	eval[any](b, `document.querySelector("#login").click()`)
	b.until(`document.querySelector("button[value=ada]")`)
	b.screenshot("provider")
	eval[any](b, `document.querySelector("button[value=ada]").click()`)
	b.until(`document.querySelector("#files")?.checkVisibility()`)
	b.choose(file(t, "a.png", picture(t, 1, 20, 10, false)))
	b.state("a.png", "completed")
	b.until(`document.querySelectorAll(".card").length === 2`) // ada's of before, too
}
