package outbound

import (
	"bytes"
	"hash"
	"io"
	"net/http"

	"claimcheck.example/internal/digest"
)

// verified is the body of an answer that carries a digest.
type verified struct {
	io.ReadCloser
	sums map[string]hash.Hash
	want []map[string][]byte
}

// verify makes the end of a body an error when the body does not match Content-Digest and
// Repr-Digest, which are the same of a whole answer without a content coding.
func verify(res *http.Response) (io.ReadCloser, error) {
	v := &verified{ReadCloser: res.Body, sums: map[string]hash.Hash{}}
	for _, field := range []string{"Content-Digest", "Repr-Digest"} {
		want, err := digest.Parse(res.Header, field)
		if err != nil {
			return nil, upstream("the server answers with a malformed %s", field)
		}
		for name := range want {
			v.sums[name] = digest.Algorithms[name]()
		}
		v.want = append(v.want, want)
	}
	if len(v.sums) == 0 {
		return res.Body, nil
	}
	return v, nil
}

func (v *verified) Read(p []byte) (int, error) {
	n, err := v.ReadCloser.Read(p)
	for _, sum := range v.sums {
		sum.Write(p[:n])
	}
	if err != io.EOF {
		return n, err
	}
	for _, want := range v.want {
		for name, sum := range want {
			if !bytes.Equal(v.sums[name].Sum(nil), sum) {
				return n, upstream("the server sends other bytes than its digest (%s) says", name)
			}
		}
	}
	return n, io.EOF
}
