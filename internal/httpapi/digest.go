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

// contentDigest is the field in which a client says what its body must come to
// (RFC 9530): of the whole content, which for a form includes its boundaries and fields.
const contentDigest = "Content-Digest"

// checkDigest makes the end of the request's body an error when its content does not
// match Content-Digest, in the header or in an announced trailer. A reader gets that
// error at the end.
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

// parseDigest reads the field's sums of known algorithms.
func parseDigest(h http.Header) (map[string][]byte, error) {
	want, err := digest.Parse(h, contentDigest)
	if err != nil {
		return nil, job.Errorf(job.Invalid, "%s", err)
	}
	return want, nil
}

// digested is a body that is held against what the client says of it.
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

// verdict is io.EOF when the whole body is what it should be.
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

// outputDigest says on an answer, whole or a part, what the whole output comes to, where
// the job's document knows it.
func outputDigest(h http.Header, out *job.Media, tag string) {
	if out == nil || out.Tag != "" && out.Tag != tag {
		return
	}
	if sum, err := hex.DecodeString(out.SHA256); err == nil && len(sum) == sha256.Size {
		h.Set("Repr-Digest", reprDigest(sum))
	}
}

// announcedDigest returns the SHA-256 of an announcement, in hexadecimal of either case or
// as a Repr-Digest has it, in lower-case hexadecimal; empty stays empty.
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
