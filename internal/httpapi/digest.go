package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"io"
	"net/http"

	"github.com/dunglas/httpsfv"

	"claimcheck.example/internal/digest"
	"claimcheck.example/internal/job"
)

// contentDigest is the header with the digest of the body (RFC 9530): of the whole content,
// which for a form includes its boundaries and fields.
const contentDigest = "Content-Digest"

// checkDigest wraps the request's body, whose end becomes an error if its content does not
// match Content-Digest, in the header or in an announced trailer.
func checkDigest(r *http.Request) error {
	want, err := parseDigest(r.Header)
	if err != nil {
		return err
	}
	_, trailer := r.Trailer[contentDigest]
	if len(want) == 0 && !trailer {
		return nil
	}
	d := &digested{ReadCloser: r.Body, sums: map[string]hash.Hash{}, want: want}
	for name, algorithm := range digest.Algorithms {
		if trailer || want[name] != nil {
			d.sums[name] = algorithm()
		}
	}
	if trailer {
		d.trailer = r.Trailer
	}
	r.Body = d
	return nil
}

// parseDigest reads the header's digests of known algorithms.
func parseDigest(h http.Header) (map[string][]byte, error) {
	want, err := digest.Parse(h, contentDigest)
	if err != nil {
		return nil, job.Errorf(job.Invalid, "%s", err)
	}
	return want, nil
}

// digested is a body that is compared with the client's digest.
type digested struct {
	io.ReadCloser
	sums    map[string]hash.Hash
	want    map[string][]byte
	trailer http.Header // where more is said, once the body has ended; may be nil
	end     error       // how the body ended
}

func (d *digested) Read(p []byte) (int, error) {
	if d.end != nil {
		return 0, d.end
	}
	n, err := d.ReadCloser.Read(p)
	for _, sum := range d.sums {
		sum.Write(p[:n])
	}
	if err == io.EOF {
		err = d.verdict()
	}
	d.end = err
	return n, err
}

// verdict is io.EOF if the whole body matches.
func (d *digested) verdict() error {
	late, err := parseDigest(d.trailer)
	if err != nil {
		return err
	}
	for _, want := range []map[string][]byte{d.want, late} {
		for name, sum := range want {
			if !bytes.Equal(d.sums[name].Sum(nil), sum) {
				return job.Errorf(job.Invalid, "the body does not match its Content-Digest (%s): it changed in transit; send it again", name)
			}
		}
	}
	return io.EOF
}

// reprDigest is the value of Repr-Digest for a SHA-256.
func reprDigest(sum []byte) string {
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum) + ":"
}

// outputDigest sets the digest of the whole output on an answer, whole or partial, if the job's
// document has it.
func outputDigest(h http.Header, out *job.Media, tag string) {
	if out == nil || out.Tag != "" && out.Tag != tag {
		return
	}
	if sum, err := hex.DecodeString(out.SHA256); err == nil && len(sum) == sha256.Size {
		h.Set("Repr-Digest", reprDigest(sum))
	}
}

// announcedDigest reads the SHA-256 of an announcement, in hexadecimal of either case or in the
// format of Repr-Digest, and returns it in lower-case hexadecimal; empty stays empty.
func announcedDigest(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	sum, err := hex.DecodeString(s)
	if err != nil {
		sum = nil
		dictionary, err := httpsfv.UnmarshalDictionary([]string{s})
		if err != nil {
			dictionary = httpsfv.NewDictionary()
		}
		if member, ok := dictionary.Get("sha-256"); ok {
			item, _ := member.(httpsfv.Item)
			sum, _ = item.Value.([]byte)
		}
	}
	if len(sum) != sha256.Size {
		return "", job.Errorf(job.Invalid, "sha256 is not a SHA-256; send 64 hexadecimal digits, or sha-256=:BASE64:")
	}
	return hex.EncodeToString(sum), nil
}
