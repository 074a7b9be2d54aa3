package vips_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"claimcheck.example/internal/imageinfo"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging"
	"claimcheck.example/internal/processor/imaging/imagingtest"
	"claimcheck.example/internal/processor/imaging/vips"
	"claimcheck.example/internal/processor/imaging/vips/vipstest"
	"claimcheck.example/internal/processor/processortest"
)

// libvips returns the processor with the real engine.
func libvips(t *testing.T, opts vips.Options) (*imaging.Processor, *vips.Engine) {
	t.Helper()
	opts.Path = vipstest.Build(t)
	e := open(t, opts)
	return imaging.New(e, e.Describe().Capabilities, opts.Limits), e
}

// scene is a picture with a different colour in each corner.
func scene(w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetNRGBA(x, y, color.NRGBA{R: uint8(255 * x / w), G: uint8(255 * y / h), B: 60, A: 255})
		}
	}
	return m
}

// TestSuite runs the suite of all engines against libvips.
func TestSuite(t *testing.T) {
	t.Parallel()
	path := vipstest.Build(t)
	imagingtest.Suite(t, func(limits imaging.Limits) imaging.Engine {
		return open(t, vips.Options{Path: path, Limits: limits, Processes: 1})
	})
}

// TestCases sends files as people have them through libvips: it reads all of them.
func TestCases(t *testing.T) {
	t.Parallel()
	_, e := libvips(t, vips.Options{})
	t.Run("files", func(t *testing.T) { imagingtest.Cases(t, e, nil) })
}

// TestEveryFormatThereAndBack writes each format that this libvips has, and reads it again.
func TestEveryFormatThereAndBack(t *testing.T) {
	t.Parallel()
	p, e := libvips(t, vips.Options{})
	want := scene(320, 200)
	for _, format := range e.Describe().Writes {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			r, file, err := processortest.Run(t, p, imagingtest.PNG(t, want), fmt.Sprintf(`{"ops": [], "format": %q}`, format))
			if err != nil {
				t.Fatal(err)
			}
			info, err := imageinfo.ReadInfo(bytes.NewReader(file), int64(len(file)), 0)
			if err != nil || info.ContentType != r.ContentType || r.Width != 320 || r.Height != 200 {
				t.Errorf("got %d x %d %s, %+v, %v", r.Width, r.Height, r.ContentType, info, err)
			}
			_, back, err := processortest.Run(t, p, file, `{"ops": [], "format": "png"}`)
			if err != nil {
				t.Fatal(err)
			}
			most := 3.0
			if format == "gif" { // of 256 colours
				most = 6
			}
			if d := imagingtest.Difference(t, imagingtest.Picture(t, back), want); d > most {
				t.Errorf("the mean difference is %.2f of 255", d)
			}
		})
	}
}

// TestAnimations keeps all frames of an animation, and the time of each.
func TestAnimations(t *testing.T) {
	t.Parallel()
	p, _ := libvips(t, vips.Options{})
	src := &gif.GIF{LoopCount: 3}
	for i := range 4 {
		frame := image.NewPaletted(image.Rect(0, 0, 60, 40), color.Palette{color.Transparent, color.White, color.RGBA{uint8(60 * i), 0, 200, 255}})
		for x := range 60 * 40 {
			frame.Pix[x] = 2
		}
		src.Image, src.Delay, src.Disposal = append(src.Image, frame), append(src.Delay, 10+i), append(src.Disposal, gif.DisposalBackground)
	}
	var file bytes.Buffer
	if err := gif.EncodeAll(&file, src); err != nil {
		t.Fatal(err)
	}
	_, webp, err := processortest.Run(t, p, file.Bytes(), `{"animated": true, "format": "webp", "lossless": true, "ops": []}`)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := imageinfo.ReadInfo(bytes.NewReader(webp), int64(len(webp)), 0); err != nil || info.Frames != 4 {
		t.Errorf("webp: got %+v, %v, want 4 frames", info, err)
	}
	for name, data := range map[string][]byte{"gif": file.Bytes(), "webp": webp} {
		r, body, err := processortest.Run(t, p, data, `{"animated": true, "format": "gif", "ops": [{"rotate": 90}, {"fit": {"width": 20}}]}`)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := gif.DecodeAll(bytes.NewReader(body))
		if err != nil || len(got.Image) != 4 || got.Config.Width != 20 || got.Config.Height != 30 || r.Height != 30 {
			t.Fatalf("%s: got %d frames of %d x %d, %v", name, len(got.Image), got.Config.Width, got.Config.Height, err)
		}
		if !slices.Equal(got.Delay, src.Delay) {
			t.Errorf("%s: got delays %v, want %v", name, got.Delay, src.Delay)
		}
		for i, frame := range got.Image {
			r, _, b, _ := frame.At(frame.Bounds().Dx()/2, frame.Bounds().Dy()/2).RGBA()
			if d := int(r>>8) - 60*i; d < -6 || d > 6 || b>>8 < 190 {
				t.Errorf("%s: frame %d is of %d, %d", name, i, r>>8, b>>8)
			}
		}
		// Without "animated" the result is the first frame.
		_, still, err := processortest.Run(t, p, data, `{"format": "gif", "ops": []}`)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := gif.DecodeAll(bytes.NewReader(still)); err != nil || len(got.Image) != 1 || got.Config.Height != 40 {
			t.Errorf("%s: not animated: %v", name, err)
		}
	}
	small, _ := libvips(t, vips.Options{Limits: imaging.Limits{MaxPixels: 60*40*4 - 1}})
	if _, _, err := processortest.Run(t, small, file.Bytes(), `{"animated": true}`); job.KindOf(err) != job.TooLarge {
		t.Errorf("an animation of too many pixels: %v", err)
	}
	if _, _, err := processortest.Run(t, p, file.Bytes(), `{"animated": true, "ops": [{"resize": {"width": 7000, "height": 7000}}]}`); job.KindOf(err) != job.TooLarge {
		t.Errorf("an animation that becomes one of too many pixels: %v", err)
	}
}

func TestWallsHold(t *testing.T) {
	t.Parallel()
	_, e := libvips(t, vips.Options{Processes: 1})
	holds, missing := e.Walls()
	if !slices.Contains(holds, "seccomp") || !slices.Contains(holds, "no_new_privs") {
		t.Errorf("the engine says that %v hold, and %v do not", holds, missing)
	}
	pid := child(t, e)
	status, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"NoNewPrivs:\t1\n", "Seccomp:\t2\n"} {
		if !strings.Contains(string(status), line) {
			t.Errorf("process %s has no %q", pid, line)
		}
	}
	threads, err := filepath.Glob("/proc/" + pid + "/task/*/status")
	if err != nil || len(threads) < 2 {
		t.Fatalf("threads: %v, %v", threads, err)
	}
	for _, name := range threads {
		if status, err := os.ReadFile(name); err == nil && !strings.Contains(string(status), "Seccomp:\t2\n") {
			t.Errorf("thread %s is outside of the filter", name)
		}
	}
}

// child returns the number of the engine's only process.
func child(t *testing.T, e *vips.Engine) string {
	t.Helper()
	pids := vips.Pids(e)
	if len(pids) != 1 {
		t.Fatalf("got processes %v, want one", pids)
	}
	return strconv.Itoa(pids[0])
}

// TestKilledEngineCostsOneJob kills a process in the middle of a picture.
func TestKilledEngineCostsOneJob(t *testing.T) {
	t.Parallel()
	p, e := libvips(t, vips.Options{Processes: 1})
	file := imagingtest.JPEG(t, scene(2000, 1500))
	var once sync.Once
	half := io.MultiReader(bytes.NewReader(file[:len(file)/2]), onRead(func() {
		once.Do(func() { kill(t, child(t, e)) })
	}), bytes.NewReader(file[len(file)/2:]))
	r, err := p.Process(t.Context(), job.Task{Image: half, Attempt: 1, Progress: func(float64, string) {}})
	if err == nil {
		_, err = io.ReadAll(r.Body)
		r.Body.Close()
	}
	if err == nil || job.KindOf(err) != job.Unknown || !strings.Contains(job.MessageOf(err), "signal: killed") {
		t.Errorf("got %v (%q), want a job that may be tried again", err, job.MessageOf(err))
	}
	if _, _, err := processortest.Run(t, p, file, ""); err != nil {
		t.Errorf("the job after: %v", err)
	}
}

func kill(t *testing.T, pid string) {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err != nil {
		t.Error(err)
		return
	}
	process, err := os.FindProcess(n)
	if err == nil {
		err = process.Kill()
	}
	if err != nil {
		t.Error(err)
	}
}

// oriented is a JPEG with an EXIF orientation.
func oriented(data []byte, orientation byte) []byte {
	exif := "Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00" + string(orientation) + "\x00\x00\x00\x00\x00\x00"
	segment := append(binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(len(exif)+2)), exif...)
	return slices.Concat(data[:2], segment, data[2:])
}

// TestTurnsAndPartsAgreeWithTheEmbeddedEngine applies operations to a picture in each of
// the eight orientations, with libvips and with the engine in Go.
func TestTurnsAndPartsAgreeWithTheEmbeddedEngine(t *testing.T) {
	t.Parallel()
	p, _ := libvips(t, vips.Options{})
	reference := embeddedProcessor()
	file := imagingtest.JPEG(t, scene(480, 400))
	for i, ops := range []string{
		`[]`,
		`[{"fit": {"width": 90, "height": 90}}]`,
		`[{"fill": {"width": 60, "height": 100}}]`,
		`[{"crop": {"x": 20, "y": 30, "width": 300, "height": 200}}]`,
		`[{"crop": {"x": 120, "y": 30, "width": 280, "height": 370}}, {"resize": {"width": 50, "height": 40}}]`,
		`[{"rotate": 90}, {"crop": {"x": 20, "y": 30, "width": 300, "height": 200}}, {"flip": "horizontal"}]`,
		`[{"flip": "vertical"}, {"rotate": 270}, {"crop": {"x": 7, "width": 99, "height": 55}}, {"rotate": 180}]`,
		`[{"resize": {"width": 100, "height": 300}}, {"blur": 3}]`,
		`[{"fit": {"width": 200}}, {"sharpen": {"sigma": 2, "amount": 2}}, {"grayscale": true}]`,
		`[{"resize": {"width": 900, "height": 900}}]`,
	} {
		for orientation := byte(1 + i%2); orientation <= 8; orientation += 2 {
			params := `{"format": "png", "ops": ` + ops + `}`
			data := oriented(file, orientation)
			_, got, err := processortest.Run(t, p, data, params)
			if err != nil {
				t.Fatalf("%s, orientation %d: %v", ops, orientation, err)
			}
			_, want, err := processortest.Run(t, reference, data, params)
			if err != nil {
				t.Fatal(err)
			}
			if d := imagingtest.Difference(t, imagingtest.Picture(t, got), imagingtest.Picture(t, want)); d > 2 {
				t.Errorf("%s, orientation %d: the mean difference is %.2f of 255", ops, orientation, d)
			}
		}
	}
}

// TestOperationsAgreeWithTheEmbeddedEngine applies the first example of each operation in
// docs/image.md to a picture of fine lines, by itself, before a change of size and after it:
// each operation works on the result of the one before.
func TestOperationsAgreeWithTheEmbeddedEngine(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../../docs/image.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?m)^\\| `[a-z]+` \\|.*\\| `(\\{\"[a-z]+\": .*\\})` \\|$").FindAllStringSubmatch(string(page), -1)
	if len(examples) < 9 {
		t.Fatalf("docs/image.md has %d examples of operations", len(examples))
	}
	p, _ := libvips(t, vips.Options{})
	reference := embeddedProcessor()
	lines := scene(240, 200)
	for i := 2; i < len(lines.Pix); i += 4 { // columns of more blue and of less
		lines.Pix[i] = uint8(60 + i/4%2*70)
	}
	data := imagingtest.PNG(t, lines)
	const smaller = `{"resize": {"width": 80, "height": 60}}`
	for _, example := range examples {
		for _, ops := range []string{example[1], example[1] + ", " + smaller, smaller + ", " + example[1]} {
			params := `{"ops": [` + ops + `]}`
			_, got, err := processortest.Run(t, p, data, params)
			if err != nil {
				t.Fatalf("%s: %v", ops, err)
			}
			_, want, err := processortest.Run(t, reference, data, params)
			if err != nil {
				t.Fatalf("%s: %v", ops, err)
			}
			if d := imagingtest.Difference(t, imagingtest.Picture(t, got), imagingtest.Picture(t, want)); d > 2 {
				t.Errorf("%s: the mean difference is %.2f of 255", ops, d)
			}
		}
	}
}

func TestDamagedAndCutOffFilesAreRefused(t *testing.T) {
	t.Parallel()
	p, e := libvips(t, vips.Options{Processes: 1})
	pid := child(t, e)
	picture := scene(300, 200)
	whole, png := imagingtest.JPEG(t, picture), imagingtest.PNG(t, picture)
	tests := map[string][]byte{
		"half a JPEG":                whole[:len(whole)/2],
		"a JPEG cut off in its head": whole[:100],
		"half a PNG":                 png[:len(png)/2],
		"zeros in a JPEG":            slices.Concat(whole[:len(whole)/2], make([]byte, 64), whole[len(whole)/2+64:]),
	}
	for _, format := range e.Describe().Writes {
		_, file, err := processortest.Run(t, p, imagingtest.PNG(t, picture), `{"ops": [], "format": "`+format+`"}`)
		if err != nil {
			t.Fatal(err)
		}
		tests["half of a "+format] = file[:len(file)/2]
	}
	for name, data := range tests {
		_, body, err := processortest.Run(t, p, data, `{"ops": []}`)
		if job.KindOf(err) != job.Invalid || job.MessageOf(err) != "the image is damaged or cut off" {
			t.Errorf("%s: got %v and %d bytes, want it refused", name, err, len(body))
		}
	}
	if now := child(t, e); now != pid {
		t.Errorf("a file has cost the process %s; the next is %s", pid, now)
	}
}

func TestMetadataAreStripped(t *testing.T) {
	t.Parallel()
	p, e := libvips(t, vips.Options{})
	data := oriented(imagingtest.JPEG(t, scene(64, 64)), 6)
	for _, format := range e.Describe().Writes {
		_, body, err := processortest.Run(t, p, data, `{"format": "`+format+`"}`)
		if err != nil || bytes.Contains(body, []byte("Exif")) || bytes.Contains(body, []byte("eXIf")) || bytes.Contains(body, []byte("EXIF")) || bytes.Contains(body, []byte("http://ns.adobe.com")) {
			t.Errorf("%s: %v, with metadata: %.200q", format, err, body)
		}
	}
	_, body, err := processortest.Run(t, p, data, `{"keep": ["exif"]}`)
	if info, ierr := imageinfo.ReadInfo(bytes.NewReader(body), int64(len(body)), 0); err != nil || ierr != nil || info.Orientation != 1 {
		t.Errorf("kept: %v, %v, orientation %d, want 1", err, ierr, info.Orientation)
	}
	if m, err := jpeg.Decode(bytes.NewReader(body)); err != nil || m.Bounds().Dx() != 64 {
		t.Errorf("kept: %v", err)
	}
}
