package httpapi

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/service"
)

// FuzzDecode reads strangers' submits. Whatever they are, they are refused by an error
// with a kind and a sentence, or give an image no larger than the body, if any, and
// params that are a JSON object.
func FuzzDecode(f *testing.F) {
	form := "--b\r\nContent-Disposition: form-data; name=\"params\"\r\n\r\n{\"width\":1}\r\n--b\r\nContent-Disposition: form-data; name=\"image\"; filename=\"x\"\r\n\r\nPIXELS\r\n--b--\r\n"
	f.Add("multipart/form-data; boundary=b", "", []byte(form))
	f.Add("multipart/form-data; boundary=b", "", []byte(form[:60]))
	f.Add("multipart/form-data; boundary=b", "", []byte("--b\r\n\r\n--b--"))
	f.Add("multipart/form-data", "", []byte(form))
	f.Add("image/png", `params={"a":1}`, []byte("PIXELS"))
	f.Add("application/octet-stream", "params=%zz", []byte{})
	f.Add("", "params=[]", []byte("x"))
	f.Add("image/png", "source=https://example.com/a.png", []byte{})
	f.Add("application/json", "", []byte(`{"source":{"url":"https://example.com/a.png"}}`))
	f.Add("application/json", "", []byte(`{"content_type":"image/png","size_bytes":7}`))
	f.Fuzz(func(t *testing.T, contentType, query string, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/jobs", bytes.NewReader(body))
		r.URL.RawQuery = query
		r.Header.Set("Content-Type", contentType)
		in, err := decodeWhole(r, 1<<20)
		if err != nil {
			wantWorded(t, err)
			return
		}
		if in.Image != nil { // neither announced nor fetched
			n, err := io.Copy(io.Discard, in.Image)
			if err != nil {
				wantWorded(t, err)
				return
			}
			if n > int64(len(body)) {
				t.Errorf("%d bytes of image in a body of %d", n, len(body))
			}
		}
		params, err := in.Rest()
		if err != nil {
			wantWorded(t, err)
			return
		}
		if len(params) > 0 && params[0] != '{' {
			t.Errorf("params are %q", params)
		}
	})
}

// TestFormsFrameIsBounded checks that no more than a little is read of a form whose parts'
// headers, or the bytes before them, never end.
func TestFormsFrameIsBounded(t *testing.T) {
	t.Parallel()
	image := "--b\r\nContent-Disposition: form-data; name=\"image\"; filename=\"x\"\r\n\r\n" + strings.Repeat("PIXELS", 1<<20)
	for name, head := range map[string]string{
		"preamble":                       "no boundary ",
		"one header":                     "--b\r\nContent-Disposition: form-data; name=\"image\"\r\nX: ",
		"many headers":                   "--b\r\nX: 1\r\n",
		"a header behind the image":      image + "\r\n--b\r\nX: ",
		"many fields":                    "",
		"a field":                        "--b\r\nContent-Disposition: form-data; name=\"params\"\r\n\r\n",
		"a header of a field to be read": "--b\r\nContent-Disposition: form-data; name=\"params\"\r\nX: ",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tail := "x: y\r\n"
			if name == "many fields" {
				tail = "--b\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\nv\r\n"
			}
			body := &counted{r: io.MultiReader(strings.NewReader(head), endless(tail))}
			r := httptest.NewRequest(http.MethodPost, "/jobs", body)
			r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
			in, err := decodeWhole(r, 100<<20)
			if err == nil {
				if n, err := io.Copy(io.Discard, in.Image); err != nil || n != 6<<20 {
					t.Fatalf("image is %d bytes, %v", n, err)
				}
				_, err = in.Rest()
			}
			if job.KindOf(err) != job.Invalid {
				t.Errorf("error is %v", err)
			}
			if n := body.n - len(head); n > formOverhead+8<<10 {
				t.Errorf("%d bytes were read", n)
			}
		})
	}
}

// decodeWhole decodes a submit with its head.
func decodeWhole(r *http.Request, limit int64) (service.Submission, error) {
	h, err := (&api{Options: Options{MaxImageBytes: limit}}).readHead(&request{Request: r})
	if err != nil {
		return service.Submission{}, err
	}
	return decode(r, h, limit)
}

// endless repeats itself.
func endless(s string) io.Reader {
	return io.MultiReader(strings.NewReader(s), repeater(s))
}

type repeater string

func (r repeater) Read(p []byte) (n int, err error) {
	for n+len(r) <= len(p) {
		n += copy(p[n:], r)
	}
	return n, nil
}

type counted struct {
	r io.Reader
	n int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

func FuzzAnnouncement(f *testing.F) {
	f.Add([]byte(`{"content_type":"image/tiff","size_bytes":734003200,"params":{"width":1}}`))
	f.Add([]byte(`{"size_bytes":1e3}`))
	f.Add([]byte(`{"params":null}{}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		in, err := parseAnnouncement(body, nil)
		if err != nil {
			wantWorded(t, err)
			return
		}
		if params, err := in.Rest(); err != nil || len(params) > 0 && params[0] != '{' {
			t.Errorf("params are %q, %v", params, err)
		}
	})
}

func wantWorded(t *testing.T, err error) {
	t.Helper()
	if job.KindOf(err) == job.Unknown || job.MessageOf(err) == "" {
		t.Errorf("%v has no kind or no sentence", err)
	}
}

// Params come back in the status, which is JSON and therefore UTF-8.
func TestParamsAreUTF8(t *testing.T) {
	t.Parallel()
	if _, err := checkParams([]byte(`{"a":"é"}`)); err != nil {
		t.Error(err)
	}
	if p, err := checkParams([]byte("{\"a\":\"\xff\"}")); job.KindOf(err) != job.Invalid {
		t.Errorf("taken as %q: %v", p, err)
	}
}
