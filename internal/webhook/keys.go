package webhook

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The prefixes of keys, as Standard Webhooks has them.
const (
	prefixPrivate = "whsk_"  // Ed25519, 32 bytes of seed
	prefixPublic  = "whpk_"  // Ed25519
	prefixSecret  = "whsec_" // HMAC-SHA256
)

// MaxKeys is how many keys can be valid at a time: the one in use and, while keys rotate,
// the one before or after it.
const MaxKeys = 2

// Keys sign events. Each private key makes one asymmetric signature and, by a secret that
// it yields for the owner of the job, one symmetric signature. They are safe for concurrent
// use.
type Keys struct{ seeds [][]byte }

// ParseKeys reads one or two private keys, each 32 bytes in base64 after "whsk_". An error
// never shows a key.
func ParseKeys(texts []string) (*Keys, error) {
	if len(texts) == 0 || len(texts) > MaxKeys {
		return nil, fmt.Errorf("there are %d keys; one or two can be valid at a time", len(texts))
	}
	k := &Keys{}
	for _, text := range texts {
		raw, ok := strings.CutPrefix(strings.TrimSpace(text), prefixPrivate)
		seed, err := base64.StdEncoding.DecodeString(raw)
		if !ok || err != nil || len(seed) != ed25519.SeedSize {
			return nil, errors.New("a key is not whsk_ followed by 32 bytes in base64; make one with: echo whsk_$(openssl rand -base64 32)")
		}
		k.seeds = append(k.seeds, seed)
	}
	return k, nil
}

// Public returns the public keys, in the order of the private ones.
func (k *Keys) Public() []string {
	var all []string
	for _, seed := range k.seeds {
		public := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
		all = append(all, prefixPublic+base64.StdEncoding.EncodeToString(public))
	}
	return all
}

// Secrets returns the secrets of an owner, in the order of the private keys.
func (k *Keys) Secrets(owner string) []string {
	var all []string
	for _, seed := range k.seeds {
		all = append(all, prefixSecret+base64.StdEncoding.EncodeToString(secret(seed, owner)))
	}
	return all
}

// secret derives an owner's secret from a private key (RFC 5869).
func secret(seed []byte, owner string) []byte {
	key, err := hkdf.Key(sha256.New, seed, nil, "claimcheck webhook secret of "+owner, sha256.Size)
	if err != nil {
		panic(err) // the length is one that SHA-256 can give
	}
	return key
}

// Sign returns the signatures of a body that is posted at the given time, as the header
// webhook-signature has them. The receiver accepts a body of which it can verify one.
func (k *Keys) Sign(owner, event string, at time.Time, body []byte) string {
	signed := append([]byte(event+"."+strconv.FormatInt(at.Unix(), 10)+"."), body...)
	var all []string
	for _, seed := range k.seeds {
		all = append(all, "v1a,"+base64.StdEncoding.EncodeToString(ed25519.Sign(ed25519.NewKeyFromSeed(seed), signed)))
	}
	for _, seed := range k.seeds {
		mac := hmac.New(sha256.New, secret(seed, owner))
		mac.Write(signed)
		all = append(all, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(all, " ")
}
