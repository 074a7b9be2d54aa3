// Package preview shows accepted images to the developer who runs a server at debug
// level: in the desktop's viewer where there is a display, as a thumbnail in the terminal
// where there is one, and always as a log record. It is a job.Previewer: it never slows,
// fails or enlarges a submit. It is not for the cloud.
package preview

import (
	"bytes"
	"image"
	_ "image/gif"  // decoders of what is shown
	_ "image/jpeg" // "
	_ "image/png"  // "
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"

	_ "golang.org/x/image/bmp"  // decoders of what is shown
	_ "golang.org/x/image/tiff" // "
	_ "golang.org/x/image/webp" // "

	"claimcheck.example/internal/job"
)

const (
	// maxBytes and maxPixels bound the pictures that are kept and decoded. Larger ones are
	// only logged.
	maxBytes  = 16 << 20
	maxPixels = 40_000_000
	// maxWaiting bounds the pictures that wait; others are only logged.
	maxWaiting = 4
)

// Options say where to show pictures.
type Options struct {
	Logger *slog.Logger
	// Terminal receives thumbnails; nil for none.
	Terminal io.Writer
	// Columns is the terminal's width in characters.
	Columns int
	// Open opens a file in the desktop's viewer; nil without a display.
	Open func(path string) error
}

// Viewer shows pictures one after the other, independently of the submits. Close ends it.
type Viewer struct {
	o       Options
	queue   chan picture
	done    chan struct{}
	closing sync.Once
	dir     string // the last file for the desktop; only run uses it
}

type picture struct {
	job   job.Job
	bytes []byte
}

// New starts a viewer.
func New(o Options) *Viewer {
	v := &Viewer{o: o, queue: make(chan picture, maxWaiting), done: make(chan struct{})}
	go v.run()
	return v
}

// Close waits for the picture in progress. Do not call View after it.
func (v *Viewer) Close() {
	v.closing.Do(func() { close(v.queue) })
	<-v.done
}

func (v *Viewer) run() {
	defer close(v.done)
	for p := range v.queue {
		v.show(p)
	}
}

// Watch begins a copy of an upload.
func (v *Viewer) Watch() job.Preview { return &view{viewer: v} }

// view is the copy of one upload, up to maxBytes.
type view struct {
	viewer *Viewer
	buf    bytes.Buffer
	over   bool
}

func (w *view) Write(p []byte) (int, error) {
	if w.over = w.over || w.buf.Len()+len(p) > maxBytes; w.over {
		w.buf = bytes.Buffer{}
	} else {
		w.buf.Write(p)
	}
	return len(p), nil
}

func (w *view) Accepted(j *job.Job) {
	in := j.Input
	w.viewer.o.Logger.Debug("image accepted", "job_id", j.ID, "format", in.ContentType, "width", in.Width, "height", in.Height,
		"pixels", in.Pixels, "bytes", in.SizeBytes, "sha256", in.SHA256)
	if w.over || w.buf.Len() == 0 {
		return
	}
	select {
	case w.viewer.queue <- picture{*j, w.buf.Bytes()}:
	default: // too many wait: the log record must do
	}
}

func (w *view) Close() { w.buf = bytes.Buffer{} }

// show shows one picture. Its failures affect nothing else.
func (v *Viewer) show(p picture) {
	defer func() {
		if recover() != nil {
			v.o.Logger.Debug("image not shown: its decoder panicked", "job_id", p.job.ID)
		}
	}()
	if v.o.Open != nil {
		if err := v.open(p); err != nil {
			v.o.Logger.Debug("image not shown on the desktop", "job_id", p.job.ID, "error", err)
		}
	}
	if v.o.Terminal == nil {
		return
	}
	c, _, err := image.DecodeConfig(bytes.NewReader(p.bytes))
	if err != nil || int64(c.Width)*int64(c.Height) > maxPixels {
		v.o.Logger.Debug("image not shown in the terminal", "job_id", p.job.ID, "error", err)
		return
	}
	img, _, err := image.Decode(bytes.NewReader(p.bytes))
	if err != nil {
		v.o.Logger.Debug("image not shown in the terminal", "job_id", p.job.ID, "error", err)
		return
	}
	writeThumbnail(v.o.Terminal, img, v.o.Columns)
}

// open opens the picture in the desktop's viewer as a file in a new folder, which no
// other user can have created before, and leaves it there: the viewer may read it later.
func (v *Viewer) open(p picture) error {
	if v.dir == "" {
		dir, err := os.MkdirTemp("", "claimcheck-debug-")
		if err != nil {
			return err
		}
		v.dir = dir
	}
	path := filepath.Join(v.dir, p.job.ID.String()+extension(p.job.Input.ContentType))
	if err := os.WriteFile(path, p.bytes, 0o600); err != nil {
		return err
	}
	return v.o.Open(path)
}

func extension(contentType string) string {
	_, sub, _ := bytes.Cut([]byte(contentType), []byte("/"))
	return "." + string(sub)
}

// Desktop returns a function that opens a file in this machine's image viewer, or nil
// without a display. getenv is os.Getenv.
func Desktop(getenv func(string) string) func(path string) error {
	var name string
	var args []string
	switch {
	case runtime.GOOS == "darwin":
		name = "open"
	case runtime.GOOS == "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler"}
	case getenv("DISPLAY") != "" || getenv("WAYLAND_DISPLAY") != "":
		name = "xdg-open"
	default:
		return nil
	}
	if _, err := exec.LookPath(name); err != nil {
		return nil
	}
	return func(path string) error {
		cmd := exec.Command(name, append(args, path)...)
		if err := cmd.Start(); err != nil {
			return err
		}
		go cmd.Wait() // the viewer runs until the developer closes it
		return nil
	}
}
