package webhook

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// tolerance is how far the time of a try may be from now.
const tolerance = 5 * time.Minute

// Verify verifies a request that a receiver got, by public keys as GET /webhook-key returns
// them.
func Verify(public []string, header http.Header, body []byte, now time.Time) error {
	id, stamp := header.Get("Webhook-Id"), header.Get("Webhook-Timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if id == "" || err != nil {
		return errors.New("the request has no webhook-id or no webhook-timestamp")
	}
	if d := now.Sub(time.Unix(seconds, 0)); d > tolerance || d < -tolerance {
		return errors.New("its webhook-timestamp is more than 5 minutes away")
	}
	signed := fmt.Appendf(nil, "%s.%s.%s", id, stamp, body)
	for _, text := range public {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, prefixPublic))
		if err != nil || len(key) != ed25519.PublicKeySize {
			return errors.New("a public key is not one of Ed25519")
		}
		for _, s := range strings.Fields(header.Get("Webhook-Signature")) {
			raw, ok := strings.CutPrefix(s, "v1a,")
			if signature, err := base64.StdEncoding.DecodeString(raw); ok && err == nil && ed25519.Verify(key, signed, signature) {
				return nil
			}
		}
	}
	return errors.New("no signature fits the public keys of the server")
}
