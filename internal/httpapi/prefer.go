package httpapi

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxWait is the maximum time that a client may wait.
const maxWait = 60 * time.Second

// preferredWait reads "wait=N" out of the Prefer headers (RFC 7240), in seconds, at most
// a minute. The first counts; a malformed preference is ignored.
func preferredWait(h http.Header) time.Duration {
	for _, line := range h.Values("Prefer") {
		for _, preference := range splitUnquoted(line, ',') {
			name, value, _ := strings.Cut(splitUnquoted(preference, ';')[0], "=")
			if !strings.EqualFold(strings.TrimSpace(name), "wait") {
				continue
			}
			n, err := strconv.ParseUint(unquote(strings.TrimSpace(value)), 10, 31)
			if err != nil {
				return 0
			}
			return min(time.Duration(n)*time.Second, maxWait)
		}
	}
	return 0
}

// splitUnquoted splits s at each separator outside of quoted strings (RFC 9110, 5.6.4).
// A quoted string without an end reaches to the end of s.
func splitUnquoted(s string, separator byte) (parts []string) {
	quoted, begin := false, 0
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case quoted && s[i] == '\\':
			i++ // the next byte is the string's own
		case !quoted && s[i] == separator:
			parts, begin = append(parts, s[begin:i]), i+1
		}
	}
	return append(parts, s[begin:])
}

// unquote returns the value of a token or of a quoted string, and other text unchanged.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	var b strings.Builder
	for i := 1; i < len(s)-1; i++ {
		if s[i] == '\\' {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func waitApplied(h http.Header, d time.Duration) {
	h.Set("Preference-Applied", "wait="+strconv.Itoa(int(d/time.Second)))
}
