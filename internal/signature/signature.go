// Package signature signs what the service hands out in a URL and takes back from anyone:
// the request of a direct upload, and the link to an output. Nothing is stored of these.
package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"strings"
)

// Size is the length of a signature in bytes.
const Size = sha256.Size

// Keys are secrets. The first signs, and the signatures of all are accepted, so that a key
// can be replaced while signatures of the former one are still in use.
type Keys [][]byte

// Of returns the keys of a configuration.
func Of(secrets []string) Keys {
	var k Keys
	for _, s := range secrets {
		k = append(k, []byte(s))
	}
	return k
}

// Sign returns the HMAC-SHA256 of the lines by the first key. The first line names what is
// signed, so that no signature of one thing is one of another. No line but the last may
// contain a line break.
func (k Keys) Sign(lines ...string) []byte { return sign(k[0], lines) }

// Verify reports whether a signature is that of the lines by any of the keys.
func (k Keys) Verify(signature []byte, lines ...string) bool {
	for _, key := range k {
		if hmac.Equal(signature, sign(key, lines)) {
			return true
		}
	}
	return false
}

func sign(key []byte, lines []string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(strings.Join(lines, "\n")))
	return mac.Sum(nil)
}
