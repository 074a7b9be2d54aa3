package e2e_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/httpapi/apitest"
)

// TestOwnersDoNotSeeEachOther tries every path to another owner's job. Each answers as
// for a job that does not exist.
func TestOwnersDoNotSeeEachOther(t *testing.T) {
	t.Parallel()
	p := apptest.StartProvider(t)
	s := apptest.Start(t, "OIDC_ISSUER="+p.URL, "OIDC_AUDIENCE=claimcheck", "ADMIN_GROUP=operators", "MAX_INLINE_BYTES=1MiB")
	stop := s.StartWorker(t)
	alice, bob, admin := p.Bearer("alice"), p.Bearer("bob"), p.Bearer("root", "operators")
	submit := func(who, key string, image []byte) apptest.Answer {
		t.Helper()
		ct, body := apptest.Form(t, image)
		return apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(body), "Content-Type", ct, "Authorization", who, "Idempotency-Key", key, "Prefer", "wait=20")
	}
	done := submit(alice, "key", picture(t, 1))
	if done.StatusCode != http.StatusCreated {
		t.Fatalf("alice's submit: %s: %s", done.Status, done.Bytes)
	}
	job := s.URL + "/jobs/" + done.JSON(t)["job_id"].(string)
	announced := apptest.Do(t, http.MethodPost, s.URL+"/jobs", strings.NewReader(`{"content_type":"image/png","size_bytes":99}`), "Content-Type", "application/json", "Authorization", alice)
	awaiting := announced.Header.Get("Location")
	nothing := s.URL + "/jobs/" + uuid.NewString()

	paths := []struct {
		name, method, suffix string
		of                   string
		header               []string
	}{
		{"status", http.MethodGet, "", job, nil},
		{"status with a known tag", http.MethodGet, "", job, []string{"If-None-Match", "*"}},
		{"wait", http.MethodGet, "", job, []string{"Prefer", "wait=1"}},
		{"head of the status", http.MethodHead, "", job, nil},
		{"output", http.MethodGet, "/output", job, nil},
		{"part of the output", http.MethodGet, "/output", job, []string{"Range", "bytes=0-1"}},
		{"head of the output", http.MethodHead, "/output", job, nil},
		{"output of a pending job", http.MethodGet, "/output", awaiting, nil},
		{"delete", http.MethodDelete, "", job, nil},
		{"commit", http.MethodPost, "/commit", awaiting, nil},
		{"commit of a completed job", http.MethodPost, "/commit", job, nil},
	}
	for _, tt := range paths {
		t.Run(tt.name, func(t *testing.T) {
			header := append([]string{"Authorization", bob}, tt.header...)
			foreign := apptest.Do(t, tt.method, tt.of+tt.suffix, nil, header...)
			absent := apptest.Do(t, tt.method, nothing+tt.suffix, nil, header...)
			if foreign.StatusCode != http.StatusNotFound || absent.StatusCode != http.StatusNotFound {
				t.Fatalf("another's is %s, none is %s", foreign.Status, absent.Status)
			}
			id := func(u string) string { return u[strings.LastIndexByte(u, '/')+1:] }
			if diff := cmp.Diff(strings.ReplaceAll(string(absent.Bytes), id(nothing), "ID"), strings.ReplaceAll(string(foreign.Bytes), id(tt.of), "ID")); diff != "" {
				t.Errorf("the answers tell another's job from none (-none +another's):\n%s", diff)
			}
			for _, h := range []string{"Location", "ETag", "Retry-After"} {
				if foreign.Header.Get(h) != "" {
					t.Errorf("%s: %s", h, foreign.Header.Get(h))
				}
			}
		})
	}
	t.Run("idempotency key", func(t *testing.T) {
		same := submit(bob, "key", picture(t, 1))
		if same.StatusCode != http.StatusCreated || same.JSON(t)["job_id"] == done.JSON(t)["job_id"] {
			t.Errorf("bob's same key: %s: %s", same.Status, same.Bytes)
		}
	})
	t.Run("usage", func(t *testing.T) {
		stop() // the bill is written behind the job's end
		mine := apptest.Get(t, s.URL+"/usage", "Authorization", bob).JSON(t)
		if jobs := mine["total"].(map[string]any)["jobs"]; jobs != 1.0 || mine["owner"] != p.URL+"|bob" {
			t.Errorf("bob's own is %v", mine)
		}
		theirs := apptest.Get(t, s.URL+"/usage?owner="+p.URL+"%7Calice", "Authorization", bob)
		if theirs.StatusCode != http.StatusForbidden {
			t.Errorf("bob gets alice's: %s: %s", theirs.Status, theirs.Bytes)
		}
	})
	t.Run("it is all still there for its owner", func(t *testing.T) {
		if a := apptest.Get(t, job+"/output", "Authorization", alice); a.StatusCode != http.StatusOK {
			t.Errorf("output: %s: %s", a.Status, a.Bytes)
		}
		if a := apptest.Get(t, awaiting, "Authorization", alice); a.StatusCode != http.StatusOK || a.JSON(t)["upload"] == nil {
			t.Errorf("pending job: %s: %s", a.Status, a.Bytes)
		}
	})
	t.Run("and for the operators", func(t *testing.T) {
		if a := apptest.Get(t, job+"/output", "Authorization", admin); a.StatusCode != http.StatusOK {
			t.Errorf("output: %s: %s", a.Status, a.Bytes)
		}
		if a := apptest.Get(t, s.URL+"/usage?owner="+p.URL+"%7Calice", "Authorization", admin); a.StatusCode != http.StatusOK {
			t.Errorf("usage: %s: %s", a.Status, a.Bytes)
		}
		if a := apptest.Do(t, http.MethodDelete, job, nil, "Authorization", admin); a.StatusCode != http.StatusNoContent {
			t.Errorf("delete: %s: %s", a.Status, a.Bytes)
		}
	})
}

// secured returns the calls that openapi.yaml describes as in need of a principal, the
// deletion last, because nothing of the job is left after it.
func secured(t *testing.T) []apitest.Call {
	t.Helper()
	d, err := apitest.Load()
	if err != nil {
		t.Fatal(err)
	}
	var calls, deletions []apitest.Call
	for _, c := range d.Secured() {
		if c.Method == http.MethodDelete {
			deletions = append(deletions, c)
		} else {
			calls = append(calls, c)
		}
	}
	return append(calls, deletions...)
}

// TestEveryRouteAsksTheMonitor: policies that forbid everything deny each call that the
// built-in policies allow.
func TestEveryRouteAsksTheMonitor(t *testing.T) {
	t.Parallel()
	p := apptest.StartProvider(t)
	oidc := []string{"OIDC_ISSUER=" + p.URL, "OIDC_AUDIENCE=claimcheck", "LINK_KEY=" + strings.Repeat("k", 32), "WEBHOOK_KEY=" + webhookKey, "OUTBOUND_ALLOW=127.0.0.1"}
	forbid := filepath.Join(t.TempDir(), "forbid.cedar")
	if err := os.WriteFile(forbid, []byte("forbid (principal, action, resource);"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := apptest.Start(t, oidc...)
	denying := s.StartBeside(t, append(oidc, "POLICY_FILE="+forbid)...)
	s.StartWorker(t)
	alice := p.Bearer("alice")
	ct, form := apptest.Form(t, picture(t, 1), "webhook", "http://127.0.0.1:9/hook")
	done := apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(form), "Content-Type", ct, "Authorization", alice, "Prefer", "wait=20")
	announced := apptest.Do(t, http.MethodPost, s.URL+"/jobs", strings.NewReader(`{"content_type":"image/png","size_bytes":99}`), "Content-Type", "application/json", "Authorization", alice)
	completed, awaiting := done.JSON(t)["job_id"].(string), announced.JSON(t)["job_id"].(string)

	// A call that is not here is of the completed job, and succeeds.
	special := map[string]struct {
		id     string
		status int
	}{
		"POST /jobs/{job_id}/cancel": {awaiting, http.StatusAccepted},
		"POST /jobs/{job_id}/commit": {awaiting, http.StatusConflict}, // it is canceled
	}
	for _, c := range secured(t) {
		id, want := completed, 0
		if exception, ok := special[c.Method+" "+c.Pattern]; ok {
			id, want = exception.id, exception.status
		}
		path := strings.ReplaceAll(c.Pattern, "{job_id}", id)
		header := []string{"Authorization", alice}
		body := func() io.Reader { return nil }
		if c.Pattern == "/jobs" && c.Method == http.MethodPost {
			header, body = append(header, "Content-Type", ct), func() io.Reader { return bytes.NewReader(form) }
		}
		denied := http.StatusForbidden
		if path != c.Pattern { // what one may not see does not exist
			denied = http.StatusNotFound
		}
		if a := apptest.Do(t, c.Method, denying+path, body(), header...); a.StatusCode != denied {
			t.Errorf("%s %s where all is forbidden: %s: %s; want %d", c.Method, c.Pattern, a.Status, a.Bytes, denied)
		}
		if a := apptest.Do(t, c.Method, s.URL+path, body(), header...); a.StatusCode != want && (want != 0 || a.StatusCode/100 != 2) {
			t.Errorf("%s %s by its owner: %s: %s; a call that needs another job or gets another status has a line in special", c.Method, c.Pattern, a.Status, a.Bytes)
		}
	}
}

func TestEveryPathWantsAToken(t *testing.T) {
	t.Parallel()
	p, stranger := apptest.StartProvider(t), apptest.StartProvider(t)
	s := apptest.Start(t, "OIDC_ISSUER="+p.URL, "OIDC_AUDIENCE=claimcheck")
	id := uuid.NewString()
	start := s.Count() // reads the finding of the proof
	for _, c := range append(secured(t), apitest.Call{Method: http.MethodHead, Pattern: "/jobs/{job_id}"}) {
		path := strings.ReplaceAll(c.Pattern, "{job_id}", id)
		for name, header := range map[string][]string{
			"no token": nil, "nonsense": {"Authorization", "Bearer nonsense"}, "another scheme": {"Authorization", "Basic YTpi"},
			"a changed signature": {"Authorization", p.Bearer("alice") + "x"},
			"an unknown issuer's": {"Authorization", stranger.Bearer("alice")},
		} {
			a := apptest.Do(t, c.Method, s.URL+path, strings.NewReader("body"), header...)
			if a.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("%s %s with %s: %s, %q", c.Method, c.Pattern, name, a.Status, a.Header.Get("WWW-Authenticate"))
			}
		}
	}
	if n := s.Count(); !maps.Equal(n, start) {
		t.Errorf("storage or queue was asked: %v, at the start %v", n, start)
	}
	for _, open := range []string{"/health", "/ready"} {
		if a := apptest.Get(t, s.URL+open); a.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", open, a.Status)
		}
	}
}

func TestRateLimitIsShownAndEnforced(t *testing.T) {
	t.Parallel()
	p := apptest.StartProvider(t)
	s := apptest.Start(t, "OIDC_ISSUER="+p.URL, "OIDC_AUDIENCE=claimcheck", "RATE_LIMIT=2/minute,1KiB/day")
	submit := func(who string) apptest.Answer {
		ct, body := apptest.Form(t, picture(t, 1))
		return apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(body), "Content-Type", ct, "Authorization", p.Bearer(who))
	}
	for i := range 2 {
		a := submit("alice")
		if want := fmt.Sprintf(`"submits";r=%d;`, 1-i); a.StatusCode != http.StatusAccepted || !strings.HasPrefix(a.Header.Get("RateLimit"), want) {
			t.Errorf("submit %d: %s, RateLimit %q", i, a.Status, a.Header.Get("RateLimit"))
		}
	}
	a := submit("alice")
	if a.StatusCode != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" || a.Header.Get("RateLimit-Policy") != `"submits";q=2;w=60, "bytes";q=1024;w=86400;qu="content-bytes"` {
		t.Errorf("third submit: %s, %v", a.Status, a.Header)
	}
	if a := submit("bob"); a.StatusCode != http.StatusAccepted {
		t.Errorf("another owner: %s", a.Status)
	}
}

// TestTokensOfNamedClientsAlone names the clients whose tokens the service takes: a good token
// that names no client is refused.
func TestTokensOfNamedClientsAlone(t *testing.T) {
	t.Parallel()
	p := apptest.StartProvider(t)
	for parties, want := range map[string]int{"": http.StatusOK, "web,cli": http.StatusUnauthorized} {
		s := apptest.Start(t, "OIDC_ISSUER="+p.URL, "OIDC_AUDIENCE=claimcheck", "OIDC_AUTHORIZED_PARTIES="+parties)
		if a := apptest.Get(t, s.URL+"/usage", "Authorization", p.Bearer("alice")); a.StatusCode != want {
			t.Errorf("clients %q: %s: %s", parties, a.Status, a.Bytes)
		}
	}
}
