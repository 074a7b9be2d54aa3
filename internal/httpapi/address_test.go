package httpapi_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"claimcheck.example/internal/app/apptest"
)

// TestAddressOfARequest asks a service that is open to the addresses of one network, from
// elsewhere: what a client writes into X-Forwarded-For itself does not let it in, and
// what the proxies before the service append does.
func TestAddressOfARequest(t *testing.T) {
	t.Parallel()
	policies := filepath.Join(t.TempDir(), "network.cedar")
	text := `permit (principal, action, resource) when { context has source && context.source.isInRange(ip("203.0.113.0/24")) };`
	if err := os.WriteFile(policies, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	const inside, outside = "203.0.113.7", "192.0.2.1"
	tests := []struct {
		name, vars string
		forwarded  []string // by header line
		want       int
	}{
		{"no proxy, no header", "PORT=1", nil, http.StatusForbidden},
		{"no proxy, a claim", "PORT=1", []string{inside}, http.StatusForbidden},
		{"no proxy, claims", "PORT=1", []string{inside + ", " + inside, inside}, http.StatusForbidden},
		{"Cloud Run", "K_SERVICE=claimcheck", []string{inside}, http.StatusOK},
		{"Cloud Run, behind a claim", "K_SERVICE=claimcheck", []string{outside + ", " + inside}, http.StatusOK},
		{"Cloud Run, a claim", "K_SERVICE=claimcheck", []string{inside + "," + outside}, http.StatusForbidden},
		{"Cloud Run, a claim on its own line", "K_SERVICE=claimcheck", []string{inside, outside}, http.StatusForbidden},
		{"Cloud Run, no header", "K_SERVICE=claimcheck", nil, http.StatusForbidden},
		{"one proxy", "TRUSTED_PROXIES=1", []string{outside + ", " + inside + ":4711"}, http.StatusOK},
		{"two proxies", "TRUSTED_PROXIES=2", []string{outside + ", " + inside, outside}, http.StatusOK},
		{"two proxies, a claim", "TRUSTED_PROXIES=2", []string{inside + ", " + outside + ", " + inside}, http.StatusForbidden},
		{"two proxies, one of them passed by", "TRUSTED_PROXIES=2", []string{inside}, http.StatusForbidden},
		{"one proxy, no address", "TRUSTED_PROXIES=1", []string{inside + ", unknown"}, http.StatusForbidden},
	}
	s := apptest.Start(t)
	services := map[string]string{}
	for _, tt := range tests {
		if services[tt.vars] == "" {
			services[tt.vars] = s.StartBeside(t, "POLICY_FILE="+policies, tt.vars)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, services[tt.vars]+"/usage", nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range tt.forwarded {
			req.Header.Add("X-Forwarded-For", line)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != tt.want {
			t.Errorf("%s: %s", tt.name, resp.Status)
		}
	}
}
