package remote

import (
	"net/http"
	"net/url"
	"testing"
)

// TestFollowedRedirects has each redirect leave for another address.
func TestFollowedRedirects(t *testing.T) {
	t.Parallel()
	at := func(address string) *http.Request {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		return &http.Request{URL: u}
	}
	tests := []struct {
		from, to string
		code     int
		earlier  int // redirects of the same exchange
		followed bool
	}{
		{"http://model:8000/run", "http://model:8000/run/", 307, 0, true},
		{"https://model/run", "https://model/run/", 308, 0, true},
		{"http://model/run", "https://model/run", 308, 0, true},
		{"http://model/run", "http://model/run/", 307, 2, true},
		{"http://model/run", "http://model/run/", 307, 3, false},
		{"http://model/run", "http://model/run/", 301, 0, false},
		{"http://model/run", "http://model/run/", 302, 0, false},
		{"http://model/run", "http://model/run/", 303, 0, false},
		{"http://model/run", "http://other/run", 307, 0, false},
		{"http://model/run", "https://other/run", 308, 0, false},
		{"http://model/run", "http://model.example/run", 307, 0, false},
		{"http://model:8000/run", "http://model:8001/run", 307, 0, false},
		{"http://model:8000/run", "https://model:8000/run", 308, 0, false},
		{"http://model:8000/run", "https://model/run", 308, 0, false},
		{"http://model/run", "https://model:8443/run", 308, 0, false},
		{"https://model/run", "http://model/run", 308, 0, false},
	}
	for _, tt := range tests {
		to, via := at(tt.to), []*http.Request{}
		for range tt.earlier + 1 {
			via = append(via, at(tt.from))
		}
		to.Response = &http.Response{StatusCode: tt.code}
		if err := checkRedirect(to, via); (err == nil) != tt.followed || err != nil && err != http.ErrUseLastResponse {
			t.Errorf("%d from %s to %s after %d others: %v", tt.code, tt.from, tt.to, tt.earlier, err)
		}
	}
}
