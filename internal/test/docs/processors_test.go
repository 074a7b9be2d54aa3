package docs_test

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/shlex"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor"
	"claimcheck.example/internal/processor/imaging/imagingtest"
	"claimcheck.example/internal/test/program"
)

// TestREADMEProcessors runs each PROCESSOR of the README on a photograph, with and
// without params, and on a file that is not an image.
func TestREADMEProcessors(t *testing.T) {
	t.Parallel()
	page := readPage(t, "README.md")
	script := filepath.Join(t.TempDir(), "grey.py")
	if err := os.WriteFile(script, []byte(fenced(t, page[strings.Index(page, "The file `grey.py`"):], "python")), 0o600); err != nil {
		t.Fatal(err)
	}
	model := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path != "/predict" || r.Header.Get("Content-Type") != "image/jpeg" || !bytes.HasPrefix(body, []byte{0xff, 0xd8}) {
			w.WriteHeader(http.StatusUnprocessableEntity)
			return
		}
		width := 320
		if strings.Contains(r.Header.Get("X-Params"), "100") {
			width = 100
		}
		writePicture(w, width)
	}))
	t.Cleanup(model.Close)
	tests := map[string]struct {
		program string
		grey    bool
		plain   bool // the result has no profile
	}{
		"exec:convert":                {program: "convert"},
		"exec:vipsthumbnail":          {program: "vipsthumbnail", plain: true},
		"exec:python3":                {grey: true, plain: true},
		"http://model.internal:9000/": {},
	}
	found := map[string]bool{}
	for c := range strings.Lines(page) {
		if c = strings.TrimSpace(c); !strings.HasPrefix(c, "PROCESSOR=") {
			continue
		}
		words, err := shlex.Split(c)
		if err != nil {
			t.Errorf("%q: %v", c, err)
			continue
		}
		spec := strings.TrimPrefix(words[0], "PROCESSOR=")
		if rest := strings.Join(words[1:], " "); rest != "go run ./cmd/claimcheck local" {
			t.Errorf("%q is for %q; TestFirstLine runs another command", c, rest)
		}
		name := ""
		for n := range tests {
			if strings.HasPrefix(spec, n) {
				name, found[n] = n, true
			}
		}
		t.Run(spec, func(t *testing.T) {
			t.Parallel()
			tt, ok := tests[name]
			if !ok {
				t.Fatal("the README shows a processor that this test does not know")
			}
			spec := strings.ReplaceAll(spec, "http://model.internal:9000", model.URL)
			if tt.grey {
				spec = strings.NewReplacer("python3 ", python(t)+" ", "$PWD/grey.py", script).Replace(spec)
			}
			if tt.program != "" {
				spec = strings.Replace(spec, tt.program, program.Need(t, tt.program), 1)
			}
			p, err := processor.New(spec, processor.Options{Env: []string{"PATH=/usr/bin:/bin:" + os.Getenv("PATH")}})
			if err != nil {
				t.Fatal(err)
			}
			file := func(params string, picture []byte) ([]byte, error) {
				res, err := p.Process(t.Context(), job.Task{
					Input: job.Media{ContentType: "image/jpeg"}, Image: bytes.NewReader(picture), Params: json.RawMessage(params),
					Attempt: 1, Progress: func(float64, string) {},
				})
				if err != nil {
					return nil, err
				}
				defer res.Body.Close()
				return io.ReadAll(res.Body)
			}
			run := func(params string, picture []byte) (image.Image, error) {
				body, err := file(params, picture)
				if err != nil {
					return nil, err
				}
				img, _, err := image.Decode(bytes.NewReader(body))
				return img, err
			}
			for params, want := range map[string]int{"": 320, `{"size": 100}`: 100} {
				img, err := run(params, apptest.Photograph(t))
				if err != nil {
					t.Fatalf("params %q: %v", params, err)
				}
				if b := img.Bounds(); max(b.Dx(), b.Dy()) != want {
					t.Errorf("params %q: the result has %v, want %d at its longer side", params, b, want)
				} else if strings.HasPrefix(name, "exec:") && b.Dx() > b.Dy() {
					t.Errorf("params %q: the result has %v: it is not upright", params, b)
				}
				if _, ok := img.(*image.Gray); tt.grey && !ok {
					t.Errorf("the result is %T, want grey", img)
				}
			}
			if tt.plain {
				wide := imagingtest.File(t, "reference", "p3.jpg")
				body, err := file(`{"size": 192}`, wide)
				if err != nil {
					t.Fatal(err)
				}
				if bytes.Contains(body, []byte("ICC_PROFILE")) || bytes.Contains(body, []byte("iCCP")) {
					t.Error("the result has the profile of a picture in Display P3")
				}
				got, _, err := image.Decode(bytes.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				want := imagingtest.Picture(t, imagingtest.File(t, "reference", "want-p3.png"))
				if d := imagingtest.Difference(t, got, want); !tt.grey && d > 4.5 { // 3.6 are JPEG's losses; without a conversion it is 5.6
					t.Errorf("of a picture in Display P3 the mean difference is %.2f of 255: it is not converted", d)
				}
			}
			if _, err := run("", []byte("no image")); err == nil {
				t.Error("what is not an image gives a result")
			} else if want := job.Invalid; (tt.grey || tt.program == "") && job.KindOf(err) != want {
				t.Errorf("what is not an image ends with %v (%v), want %v", err, job.KindOf(err), want)
			}
		})
	}
	for name := range tests {
		if !found[name] {
			t.Errorf("the README does not show %s", name)
		}
	}
}

func writePicture(w io.Writer, width int) {
	img := image.NewGray(image.Rect(0, 0, width, 10))
	img.Set(0, 0, color.White)
	_ = png.Encode(w, img)
}
