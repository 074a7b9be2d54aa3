package httpapi_test

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"claimcheck.example/internal/app/apptest"
)

// part is a part of a form with the headers that a client writes.
type part struct {
	header string
	body   []byte
}

func disposition(parameters string) string {
	return "Content-Disposition: form-data; " + parameters + "\r\n"
}

func postForm(t *testing.T, s *apptest.System, parts ...part) apptest.Answer {
	t.Helper()
	var b bytes.Buffer
	for _, p := range parts {
		b.WriteString("--boundary\r\n" + p.header + "\r\n")
		b.Write(p.body)
		b.WriteString("\r\n")
	}
	b.WriteString("--boundary--\r\n")
	return apptest.Do(t, http.MethodPost, s.URL+"/jobs", &b, "Content-Type", "multipart/form-data; boundary=boundary")
}

// wantRefusal fails the test unless the answer is of that status and its detail has want.
func wantRefusal(t *testing.T, name string, a apptest.Answer, status int, want string) {
	t.Helper()
	if detail, _ := a.JSON(t)["detail"].(string); a.StatusCode != status || !strings.Contains(detail, want) {
		t.Errorf("%s: %s: %q, want %d with %q", name, a.Status, detail, status, want)
	}
}

// TestFileNamesDoNotMatter has those that clients write, well and badly.
func TestFileNamesDoNotMatter(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	for _, parameters := range []string{
		`name="image"`,
		`name="image"; filename="x.png"`,
		`name=image; filename=x.png`,
		`name="image"; filename=my holiday.png`,
		`name="image"; filename=фото.png`,
		`name="image"; filename="фото.png"`,
		`name="image"; filename="my "best" photo.png"`,
		`name="image"; filename="a\"b.png"`,
		`name="image"; filename="x.png"; filename="y.png"`,
		`name="image"; filename="x.png"; filename*=UTF-8''%e2%82%ac.png`,
		`name="image"; filename*=nonsense`,
		`name="image"; filename=`,
		`name="image"; filename="C:\photos\x.png"`,
		`filename=my holiday.png; name="image"`,
		`name=image; filename=my holiday.png`,
		`NAME="image"; FILENAME=my holiday.png`,
	} {
		if a := postForm(t, s, part{disposition(parameters), small(t)}); a.StatusCode != http.StatusAccepted {
			t.Errorf("%s: %s: %s", parameters, a.Status, a.Bytes)
		}
	}
	tests := []struct{ parameters, want string }{
		{`filename="x" y"; name="image"; filename="; name="image"`, "the file name of a part of the form is malformed"},
		{`name="params"; filename=a b; name="image"`, "the file name of a part of the form is malformed"},
		{`filename=my holiday.png`, "the file name of a part of the form is malformed"},
		{`x=y`, "no field name"},
		{``, "no field name"},
	}
	for _, tt := range tests {
		wantRefusal(t, tt.parameters, postForm(t, s, part{disposition(tt.parameters), small(t)}), http.StatusBadRequest, tt.want)
	}
}

func TestEncodedPartsAreRefusedByName(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	image := []byte(base64.StdEncoding.EncodeToString(small(t)))
	const name = `name="image"; filename="x.png"`
	tests := []struct {
		encoding string
		body     []byte
		status   int
		want     string
	}{
		{"base64", image, http.StatusUnsupportedMediaType, `the part "image" is base64-encoded; send the bytes as they are`},
		{"BASE64 ", image, http.StatusUnsupportedMediaType, "base64-encoded"},
		{"quoted-printable", image, http.StatusUnsupportedMediaType, `the Content-Transfer-Encoding "quoted-printable"`},
		{"binary", image, http.StatusUnsupportedMediaType, "the file is an image (PNG) in base64"},
		{"binary", small(t), http.StatusAccepted, ""},
		{"8bit", small(t), http.StatusAccepted, ""},
	}
	for _, tt := range tests {
		a := postForm(t, s, part{disposition(name) + "Content-Transfer-Encoding: " + tt.encoding + "\r\n", tt.body})
		if tt.status == http.StatusAccepted {
			if a.StatusCode != tt.status {
				t.Errorf("%s: %s: %s", tt.encoding, a.Status, a.Bytes)
			}
			continue
		}
		wantRefusal(t, tt.encoding, a, tt.status, tt.want)
	}
}

// TestFileInAnotherField checks that the sentence is the same, small or large.
func TestFileInAnotherField(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	const want = `the form has its file in the field "file"; the file belongs in a field named image, as in: curl -F image=@picture.jpg`
	for _, size := range []int{0, 1000, 70 << 10, 1 << 20} {
		a := postForm(t, s, part{disposition(`name="file"; filename="x.png"`), append(small(t), make([]byte, size)...)})
		wantRefusal(t, "a file", a, http.StatusBadRequest, want)
	}
	// The form is refused before its fields are read.
	narrow := apptest.Start(t, "MAX_IMAGE_BYTES=1000")
	large := postForm(t, narrow, part{disposition(`name="file"; filename="x.png"`), make([]byte, 256<<10)})
	wantRefusal(t, "a file over the maximum", large, http.StatusRequestEntityTooLarge,
		"an image of 1000 bytes, the maximum of this service; the file belongs in a field named image, as in: curl -F image=@picture.jpg")
	if a := postForm(t, s, part{disposition(`name="mask"; filename="m.png"`), small(t)}, part{disposition(`name="image"; filename="x.png"`), small(t)}); a.StatusCode != http.StatusAccepted {
		t.Errorf("another file beside the image: %s: %s", a.Status, a.Bytes)
	}
	wantRefusal(t, "no file", postForm(t, s, part{disposition(`name="title"`), []byte("x")}), http.StatusBadRequest, "the form has no field named image")
}

// TestParamsOutsideOfParams checks that none of them is passed over, wherever it is. What
// the names are the processor says itself.
func TestParamsOutsideOfParams(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	image := part{disposition(`name="image"; filename="x.png"`), small(t)}
	bare := func(query string) apptest.Answer {
		return apptest.Do(t, http.MethodPost, s.URL+"/jobs?"+query, bytes.NewReader(small(t)), "Content-Type", "image/png")
	}
	announced := func(member string) apptest.Answer {
		body := `{"content_type":"image/png","size_bytes":9,` + member + `}`
		return apptest.Do(t, http.MethodPost, s.URL+"/jobs", strings.NewReader(body), "Content-Type", "application/json")
	}
	known := func(params string) []string {
		detail := bare("params=" + url.QueryEscape(params)).JSON(t)["detail"].(string)
		_, names, ok := strings.Cut(detail, "known are ")
		if !ok {
			t.Fatalf("the names that are known cannot be read from %q", detail)
		}
		return strings.Split(names, ", ")
	}
	names := append(known(`{"zz": 1}`), known(`{"ops": [{"zz": 1}]}`)...)
	if len(names) < 12 {
		t.Fatalf("the processor knows only %q", names)
	}
	for _, name := range names {
		for _, written := range []string{name, "params[" + name + "]", "params." + name} {
			field := part{disposition(`name="` + written + `"`), []byte("7")}
			wantRefusal(t, "field before the image "+written, postForm(t, s, field, image), http.StatusBadRequest, "belongs in the field params, as in: curl")
			wantRefusal(t, "field behind the image "+written, postForm(t, s, image, field), http.StatusBadRequest, "belongs in the field params, as in: curl")
			wantRefusal(t, "parameter "+written, bare(url.QueryEscape(written)+"=7"), http.StatusBadRequest, "belongs in the parameter params, as in: POST /jobs?params=")
			wantRefusal(t, "member "+written, announced(`"`+written+`":7`), http.StatusBadRequest, "belongs in params, as in:")
		}
	}

	tests := []struct {
		name string
		a    apptest.Answer
		want string
	}{
		{"the client's own width", postForm(t, s, part{disposition(`name="width"`), []byte("320")}, image), `-F 'params={"width": 320}'`},
		{"a width that is none", postForm(t, s, part{disposition(`name="width"`), []byte("'; rm")}, image), `-F 'params={"width": 800}'`},
		{"the client's own format", postForm(t, s, part{disposition(`name="format"`), []byte("png")}, image), `-F 'params={"format": "png"}'`},
		{"an operation", postForm(t, s, part{disposition(`name="rotate"`), []byte("180")}, image), `-F 'params={"ops": [{"rotate": 180}]}'`},
		{"nested deeper", postForm(t, s, part{disposition(`name="params[ops][0][blur]"`), []byte("3")}, image), `-F 'params={"ops": [{"fit": {"width": 800}}]}'`},
		{"another processor's", postForm(t, s, part{disposition(`name="params[model]"`), []byte("large")}, image), `-F 'params={"model": "large"}'`},
		{"a parameter", bare("width=320"), `which is {"width": 320}`},
		{"a member", announced(`"width":320`), `"params": {"width": 320}}`},
	}
	for _, tt := range tests {
		wantRefusal(t, tt.name, tt.a, http.StatusBadRequest, tt.want)
	}
	for _, query := range []string{"width=3", "params=%7B%22width%22:3%7D"} {
		form := "--b\r\n" + image.header + "\r\n" + string(image.body) + "\r\n--b--\r\n"
		a := apptest.Do(t, http.MethodPost, s.URL+"/jobs?"+query, strings.NewReader(form), "Content-Type", "multipart/form-data; boundary=b")
		wantRefusal(t, "a form with the query "+query, a, http.StatusBadRequest, "in the body, as in: ")
		a = apptest.Do(t, http.MethodPost, s.URL+"/jobs?"+query, strings.NewReader(`{"content_type":"image/png","size_bytes":9}`), "Content-Type", "application/json")
		wantRefusal(t, "an announcement with the query "+query, a, http.StatusBadRequest, "in the body, as in: ")
	}
	wantNothing(t, s)
	if a := bare("utm_source=mail&title=width"); a.StatusCode != http.StatusAccepted {
		t.Errorf("other parameters: %s: %s", a.Status, a.Bytes)
	}
	if a := postForm(t, s, part{disposition(`name="title"`), []byte("width")}, image); a.StatusCode != http.StatusAccepted {
		t.Errorf("other fields: %s: %s", a.Status, a.Bytes)
	}
}
