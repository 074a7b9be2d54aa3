package httpapi

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxWait is the most that a client may ask to wait.
const maxWait = 60 * time.Second

// preferredWait reads "wait=N" out of the Prefer headers (RFC 7240), in seconds, at most
// a minute. A preference that cannot be read is no preference.
func preferredWait(h http.Header) time.Duration {
	for _, line := range h.Values("Prefer") {
		for p := range strings.SplitSeq(line, ",") {
			p, _, _ = strings.Cut(p, ";")
			name, value, _ := strings.Cut(p, "=")
			if !strings.EqualFold(strings.TrimSpace(name), "wait") {
				continue
			}
			n, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 31)
			if err != nil {
				return 0
			}
			return min(time.Duration(n)*time.Second, maxWait)
		}
	}
	return 0
}

func waitApplied(h http.Header, d time.Duration) {
	h.Set("Preference-Applied", "wait="+strconv.Itoa(int(d/time.Second)))
}
