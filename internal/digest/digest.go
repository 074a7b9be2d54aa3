// Package digest reads the fields Content-Digest and Repr-Digest (RFC 9530).
package digest

import (
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"net/http"

	"github.com/dunglas/httpsfv"
)

// Algorithms are those whose digests are compared; others are passed over.
var Algorithms = map[string]func() hash.Hash{"sha-256": sha256.New, "sha-512": sha512.New}

// Parse reads a field's digests of known algorithms. Its errors name the field.
func Parse(h http.Header, field string) (map[string][]byte, error) {
	dictionary, err := httpsfv.UnmarshalDictionary(h.Values(field))
	if err != nil {
		return nil, errors.New(field + " is malformed; send something like sha-256=:BASE64:")
	}
	want := map[string][]byte{}
	for name, algorithm := range Algorithms {
		member, ok := dictionary.Get(name)
		if !ok {
			continue
		}
		item, _ := member.(httpsfv.Item)
		sum, ok := item.Value.([]byte)
		if size := algorithm().Size(); !ok || len(sum) != size {
			return nil, fmt.Errorf("%s has no digest of %d bytes, in base64 between colons, for %s", field, size, name)
		}
		want[name] = sum
	}
	return want, nil
}
