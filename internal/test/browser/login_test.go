package browser

import (
	"strings"
	"testing"

	"claimcheck.example/internal/app/apptest"
)

// TestLoginAtTheProvider signs in by the authorization code flow, gets another token when the
// service refuses the first one, and shows the provider's error.
func TestLoginAtTheProvider(t *testing.T) {
	t.Parallel()
	p := apptest.StartProvider(t)
	vars := []string{"OIDC_ISSUER=" + p.URL, "OIDC_AUDIENCE=claimcheck", "OIDC_CLIENT_ID=" + apptest.PublicClient}
	s := apptest.Start(t, vars...)
	s.StartWorker(t)
	b := open(t, s.URL, look{})
	b.mayVisit(p.URL)
	host := strings.TrimPrefix(p.URL, "http://")
	b.until(`document.activeElement.id === "login" && document.activeElement.innerText === "Sign in with " + %s`, host)
	b.named()
	b.screenshot("login")
	eval[any](b, `document.querySelector("#login").click()`)
	b.until(`document.querySelector("#files")?.checkVisibility()`)
	if got := eval[string](b, "location.href"); got != s.URL+"/" {
		t.Errorf("the address is %s", got)
	}
	b.choose(rainier())
	b.state("rainier.jpg", "completed")
	b.shown("rainier.jpg", ".after")

	b.expect(401)
	eval[any](b, `sessionStorage.setItem("claimcheck token", "a.b.c")`)
	b.choose(file(t, "a.png", picture(t, 1, 20, 10, false)))
	b.state("a.png", "completed") // by a token that the refresh token got
	if eval[string](b, `sessionStorage.getItem("claimcheck token")`) == "a.b.c" {
		t.Error("the token is the one that is refused")
	}

	// A stranger's link does not sign anyone in.
	eval[any](b, `sessionStorage.clear(); location.href = "?code=stolen&state=guessed"`)
	b.until(`document.querySelector("#token-why")?.innerText === "This sign-in was not begun in this tab; sign in again."`)

	refusing := s.StartBeside(t, append(vars, "OIDC_SCOPES=refused")...)
	b = open(t, refusing, look{})
	b.mayVisit(p.URL)
	b.until(`document.activeElement.id === "login"`)
	eval[any](b, `document.querySelector("#login").click()`)
	b.until(`document.querySelector("#token-why")?.innerText === %s + " did not sign you in: the account is locked."`, host)
}
