package app_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	_ "golang.org/x/image/webp"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/test/overlap"
)

var thousand = flag.Bool("thousand", false, "send a thousand images through each processor, not sixty")

// asProgram, as its first argument, has the test's binary be the program of exec: instead.
const asProgram = "quarter-turn"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == asProgram {
		beProgram()
	}
	os.Exit(overlap.Run(m))
}

// beProgram turns the image on standard input by a quarter, bills its pixels as units, and
// says of what it cannot read that it is not a picture.
func beProgram() {
	turned, pixels, err := quarterTurn(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, notAPicture)
		os.Exit(65)
	}
	err = os.WriteFile(os.Getenv("CLAIMCHECK_UNITS"), fmt.Append(nil, pixels), 0o600)
	if err == nil {
		_, err = os.Stdout.Write(turned)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

const notAPicture = "This is not a picture that I know"

func quarterTurn(r io.Reader) (turned []byte, pixels int, err error) {
	in, _, err := image.Decode(r)
	if err != nil {
		return nil, 0, err
	}
	b := in.Bounds()
	out := image.NewNRGBA(image.Rect(0, 0, b.Dy(), b.Dx()))
	for y := range b.Dy() {
		for x := range b.Dx() {
			out.Set(b.Dy()-1-y, x, in.At(b.Min.X+x, b.Min.Y+y))
		}
	}
	var buf bytes.Buffer
	err = png.Encode(&buf, out)
	return buf.Bytes(), b.Dx() * b.Dy(), err
}

// modelServer is an HTTP server that does the same as the program. Now and then it has no
// time for a job's first attempt.
type modelServer struct {
	mu   sync.Mutex // guards busy
	busy map[string]bool
}

func (s *modelServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if id := r.Header.Get("X-Job-Id"); r.Header.Get("X-Attempt") == "1" && strings.HasSuffix(id, "7") {
		s.mu.Lock()
		s.busy[id] = true
		s.mu.Unlock()
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	turned, pixels, err := quarterTurn(r.Body)
	if err != nil {
		http.Error(w, notAPicture, http.StatusUnprocessableEntity)
		return
	}
	w.Header().Set("Content-Type", "image/png")
	w.Header().Set("X-Billable-Units", fmt.Sprint(pixels))
	_, _ = w.Write(turned) // who hung up needs no answer
}

// sample is an image to be submitted.
type sample struct {
	name   string
	bytes  []byte
	w, h   int // upright
	pixels int // of all frames
	alpha  bool
	broken bool // in a way that only shows when its pixels are read
	refuse int  // the status that a submit answers, if it is not accepted
}

// mixed returns the nth sample of an endless mix.
func mixed(t *testing.T, n int) sample {
	t.Helper()
	w, h := 20+n%97, 20+n%61
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetNRGBA(x, y, color.NRGBA{uint8(x * 255 / w), uint8(y * 255 / h), uint8((x ^ y ^ n) * 7), 255})
		}
	}
	s := sample{w: w, h: h, pixels: w * h}
	var buf bytes.Buffer
	var err error
	file := func(name string) {
		s.bytes, err = os.ReadFile(awstest.Path(name))
		if err == nil {
			var c image.Config
			c, _, err = image.DecodeConfig(bytes.NewReader(s.bytes))
			s.w, s.h, s.pixels = c.Width, c.Height, c.Width*c.Height
		}
	}
	switch n % 15 {
	case 0, 1:
		s.name, err = "jpeg", jpeg.Encode(&buf, m, nil)
	case 2, 3:
		s.name, err = "png", png.Encode(&buf, m)
	case 4:
		s.name, err = "gif", gif.Encode(&buf, m, nil)
	case 5:
		s.name, err = "tiff", tiff.Encode(&buf, m, &tiff.Options{Compression: tiff.Deflate})
	case 6:
		s.name, err = "bmp", bmp.Encode(&buf, m)
	case 7:
		s.name = "webp"
		file("../processor/imaging/imagingtest/testdata/reference/lossy.webp")
	case 8:
		s.name = "gray jpeg"
		gray := image.NewGray(m.Bounds())
		for i := range gray.Pix {
			gray.Pix[i] = uint8(i * n)
		}
		err = jpeg.Encode(&buf, gray, nil)
	case 9:
		s.name, s.alpha = "png with transparency", true
		m.SetNRGBA(3, 3, color.NRGBA{})
		err = png.Encode(&buf, m)
	case 10:
		s.name = "animation"
		g := &gif.GIF{}
		for range 3 {
			p := image.NewPaletted(m.Bounds(), color.Palette{color.White, color.Black, color.NRGBA{uint8(n), 0, 0, 255}})
			p.Pix[n%len(p.Pix)] = 1
			g.Image, g.Delay = append(g.Image, p), append(g.Delay, 10)
		}
		s.pixels *= 3
		err = gif.EncodeAll(&buf, g)
	case 11:
		s.name, s.broken = "png with a flipped bit", true
		if err = png.Encode(&buf, m); err == nil {
			buf.Bytes()[bytes.Index(buf.Bytes(), []byte("IDAT"))+20] ^= 0x10
		}
	case 12:
		s.name, s.broken = "jpeg of noise", true
		if err = jpeg.Encode(&buf, m, nil); err == nil {
			scan := buf.Bytes()[bytes.Index(buf.Bytes(), []byte{0xff, 0xda})+14:]
			copy(scan, bytes.Repeat([]byte{0x7f, 0x3c, 0xa5}, 8))
			buf.Truncate(buf.Len() - len(scan)/2)
			buf.Write([]byte{0xff, 0xd9})
		}
	case 13:
		s.name, s.refuse = "text", http.StatusUnsupportedMediaType
		fmt.Fprintf(&buf, "sample %d is not a picture", n)
	case 14:
		s.name, s.refuse = "cut off png", http.StatusUnsupportedMediaType
		if err = png.Encode(&buf, m); err == nil {
			buf.Truncate(20)
		}
	}
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	if s.bytes == nil {
		s.bytes = buf.Bytes()
	}
	return s
}

// result is what is to come of a sample.
type result struct {
	contentType string
	w, h        int
	message     string // of a failed job
	units       float64
}

// asked returns params for the built-in processor, and what is to come of them.
func asked(n int, s sample) (params string, want result) {
	usual := "image/jpeg"
	if s.alpha || s.name == "animation" || strings.HasPrefix(s.name, "png") || s.name == "gif" {
		usual = "image/png"
	}
	box := func(width, height float64) (int, int) {
		scale := min(1, width/float64(s.w), height/float64(s.h))
		return max(1, int(math.Round(float64(s.w)*scale))), max(1, int(math.Round(float64(s.h)*scale)))
	}
	switch n / 15 % 6 {
	case 0:
		want.contentType = usual
		want.w, want.h = box(1024, 1024)
	case 1:
		params, want.contentType = `{"width": 16}`, usual
		want.w, want.h = box(16, math.Inf(1))
	case 2:
		params, want.contentType = `{"width": 12, "height": 10, "format": "webp"}`, "image/webp"
		want.w, want.h = box(12, 10)
	case 3:
		params, want = `{"ops": [{"crop": {"x": 1, "y": 2, "width": 8, "height": 9}}, {"rotate": 90}], "format": "gif"}`, result{contentType: "image/gif", w: 9, h: 8}
	case 4:
		params, want = `{"ops": [{"fill": {"width": 33, "height": 21}}, {"grayscale": true}, {"sharpen": {}}], "format": "jpeg", "quality": 60}`, result{contentType: "image/jpeg", w: 33, h: 21}
	case 5:
		params, want = `{"ops": [{"resize": {"width": 140, "height": 30}}, {"blur": 1.5}, {"flip": "vertical"}], "format": "tiff"}`, result{contentType: "image/tiff", w: 140, h: 30}
	}
	if s.broken {
		want = result{message: "the image is damaged or cut off"}
	}
	return params, want
}

// TestMixedImages sends a mix of images through the whole service and each processor, and
// accounts for the outcome of every one: what came out, what failed with which words,
// what was not accepted, and what it is billed in sum.
func TestMixedImages(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	model := &modelServer{busy: map[string]bool{}}
	server := httptest.NewServer(model)
	t.Cleanup(server.Close)
	turned := func(refusal string) func(int, sample) (string, result) {
		return func(_ int, s sample) (string, result) {
			if s.broken {
				return "", result{message: refusal}
			}
			return "", result{contentType: "image/png", w: s.h, h: s.w, units: float64(s.w * s.h)}
		}
	}
	processors := []struct {
		name, spec string
		ask        func(int, sample) (string, result)
	}{
		{"image", "image", asked},
		{"exec", "exec:" + self + " " + asProgram, turned(notAPicture)},
		{"http", server.URL + "/turn", turned("the processor refused the image (status 422): " + notAPicture)},
	}
	for _, p := range processors {
		t.Run(p.name, func(t *testing.T) {
			s := apptest.Start(t, "PROCESSOR="+p.spec, "CONCURRENCY=4")
			s.StartWorker(t)
			count := 60
			if *thousand {
				count = 1000
			}
			begun := time.Now()
			sum := &total{}
			var crowd sync.WaitGroup
			next := make(chan int)
			for range 8 {
				crowd.Go(func() {
					for n := range next {
						carry(t, s, model, n, p.ask, sum)
					}
				})
			}
			for n := range count {
				next <- n
			}
			close(next)
			crowd.Wait()
			took := time.Since(begun)
			if got := sum.Completed + sum.Failed + sum.refused; got != count {
				t.Errorf("%d of %d are accounted for", got, count)
			}
			t.Logf("%d images in %s, %.0f a second: %d completed (%d at the second attempt), %d failed, %d not accepted",
				count, took.Round(time.Millisecond), float64(count)/took.Seconds(), sum.Completed, sum.again, sum.Failed, sum.refused)
			sum.compare(t, s)
		})
	}
}

// total is what a run comes to, as the bill has it.
type total struct {
	mu             sync.Mutex // guards what follows
	bill           `json:"total"`
	refused, again int
}

type bill struct {
	Jobs      int     `json:"jobs"`
	Completed int     `json:"completed"`
	Failed    int     `json:"failed"`
	BytesIn   int     `json:"bytes_in"`
	BytesOut  int     `json:"bytes_out"`
	Pixels    int     `json:"pixels"`
	Units     float64 `json:"units"`
}

// carry brings a sample to its end, and adds it to the sum.
func carry(t *testing.T, s *apptest.System, model *modelServer, n int, ask func(int, sample) (string, result), sum *total) {
	in := mixed(t, n)
	params, want := ask(n, in)
	what := fmt.Sprintf("%d, %s, %s", n, in.name, params)
	var fields []string
	if params != "" {
		fields = []string{"params", params}
	}
	a := s.Submit(t, in.bytes, fields...)
	if in.refuse != 0 || a.StatusCode != http.StatusAccepted {
		if a.StatusCode != in.refuse {
			t.Errorf("%s: the submit gets %d %s", what, a.StatusCode, a.Bytes)
		}
		sum.mu.Lock()
		defer sum.mu.Unlock()
		sum.refused++
		return
	}
	var j struct {
		ID            string `json:"job_id"`
		Status        string
		Message       string
		Attempts      int
		Input, Output struct {
			ContentType string `json:"content_type"`
			SizeBytes   int    `json:"size_bytes"`
		}
	}
	ended := apptest.Await(t, a.Header.Get("Location"))
	if err := json.Unmarshal(ended.Bytes, &j); err != nil {
		t.Error(err)
		return
	}
	attempts := 1
	model.mu.Lock()
	if model.busy[j.ID] {
		attempts = 2
	}
	model.mu.Unlock()
	if j.Message != want.message || (j.Status == "completed") != (want.message == "") || j.Attempts != attempts || j.Input.SizeBytes != len(in.bytes) {
		t.Errorf("%s: in the end %s", what, ended.Bytes)
	}
	if j.Status == "completed" {
		out := apptest.Get(t, ended.Header.Get("Location"))
		m, format, err := image.Decode(bytes.NewReader(out.Bytes))
		if err != nil {
			t.Errorf("%s: the output of %d bytes: %v", what, len(out.Bytes), err)
		} else if b := m.Bounds(); b.Dx() != want.w || b.Dy() != want.h || "image/"+format != want.contentType || out.Header.Get("Content-Type") != want.contentType ||
			j.Output.ContentType != want.contentType || j.Output.SizeBytes != len(out.Bytes) {
			t.Errorf("%s: got %s as %s of %v and %d bytes, want %+v; the status says %s", what, format, out.Header.Get("Content-Type"), b, len(out.Bytes), want, ended.Bytes)
		}
	}
	sum.mu.Lock()
	defer sum.mu.Unlock()
	sum.Jobs++
	sum.BytesIn += len(in.bytes)
	sum.Pixels += in.pixels
	sum.Units += want.units
	sum.again += attempts - 1
	if j.Status == "completed" {
		sum.Completed++
		sum.BytesOut += j.Output.SizeBytes
	} else {
		sum.Failed++
	}
}

// compare holds the sum against the bill; a record follows the end of its job.
func (sum *total) compare(t *testing.T, s *apptest.System) {
	t.Helper()
	var got total
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); {
		if err := json.Unmarshal(apptest.Get(t, s.URL+"/usage").Bytes, &got); err != nil {
			t.Fatal(err)
		}
		if got.Jobs >= sum.Jobs {
			break
		}
	}
	if got.bill != sum.bill {
		t.Errorf("the bill is %+v, the sum of the jobs %+v", got.bill, sum.bill)
	}
}
