package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"claimcheck.example/internal/client"
	"claimcheck.example/internal/imageinfo"
)

// submitCmd leaves images and, when asked to, waits for the results. It speaks the
// public API alone.
type submitCmd struct {
	server
	Files       []string          `arg:"" name:"file" predictor:"file" help:"The images: files, https URLs that the server fetches, - for standard input, or folders with --recursive."`
	Recursive   bool              `short:"r" help:"Submit all images in the named folders and the folders below them, except hidden ones. The results get the same folders."`
	Param       map[string]string `placeholder:"NAME=VALUE" mapsep:"none" help:"A parameter for the processor, such as width=800; repeatable."`
	Params      string            `placeholder:"JSON" help:"All parameters as one JSON object."`
	Webhook     string            `placeholder:"URL" help:"Post the end of each job to this URL."`
	CancelAfter time.Duration     `placeholder:"DURATION" help:"Cancel each job that is not over after this time, such as 10m, in whole seconds."`
	Wait        bool              `help:"Wait until each job ends."`
	Output      string            `short:"o" type:"path" placeholder:"DIR" help:"Write the results into this folder, and create it if it does not exist. Results are named after the images, and equal names are numbered. Implies --wait."`
	Force       bool              `help:"Overwrite existing files."`
	Jobs        int               `short:"j" default:"4" help:"Number of images in progress at once (default ${default})."`
	Key         string            `placeholder:"NAME" help:"Name this batch: a repeated command with the same name creates no second job for the same image, as long as the service keeps the first."`
	JSON        bool              `name:"json" help:"Print the outcome of each image as a JSON object, one per line."`
}

// outcome is what became of one image.
type outcome struct {
	File   string      `json:"file"`
	URL    string      `json:"url,omitempty"`    // of the job
	Job    *client.Job `json:"job,omitempty"`    // the job as of the last answer
	Output string      `json:"output,omitempty"` // the result's file, or its URL
	Error  string      `json:"error,omitempty"`
}

// Run submits all files, some at once. One that fails holds up no other.
func (c submitCmd) Run(ctx context.Context, s streams) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	params, err := c.params()
	if err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	images, stems, err := c.images(ctx, s)
	if err != nil {
		return err
	}
	if slices.Contains(c.Files, "-") { // it is long until standard input has been read
		if err := api.Reachable(ctx); err != nil {
			return err
		}
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	b := &batch{
		submitCmd: c, api: api, params: params, s: s, stop: stop,
		many: len(c.Files) > 1 || c.Recursive, show: newProgress(s, len(images), c.Wait || c.Output != ""),
	}
	var begun atomic.Int64
	var group errgroup.Group
	group.SetLimit(c.Jobs)
	for i, file := range images {
		group.Go(func() error {
			if ctx.Err() == nil {
				begun.Add(1)
				o, err := b.process(ctx, file, stems[i])
				b.tell(ctx, o, err)
			}
			return nil
		})
	}
	_ = group.Wait()
	b.show.end()
	if left := len(images) - int(begun.Load()); left > 0 {
		fmt.Fprintf(s.err, "claimcheck: %d of %d images were not begun; %s\n", left, len(images), c.howToResume())
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case b.failed:
		return errSomeFailed
	}
	return nil
}

// howToResume says how to submit what an ended batch has left.
func (c submitCmd) howToResume() string {
	if c.Key == "" {
		return "a batch with a name, by --key, can be repeated without a second job for any image"
	}
	again := "--key " + c.Key
	if c.Output != "" && !c.Force {
		again += " and --force"
	}
	return "repeat the command with " + again + " to submit them without a second job for any image"
}

// check finds out before any image is submitted what would be in the way of its result.
func (c submitCmd) check() error {
	switch stdin := slices.Index(c.Files, "-"); {
	case c.Jobs < 1:
		return wrongLine("--jobs must be at least 1")
	case c.CancelAfter < 0 || c.CancelAfter%time.Second != 0:
		return wrongLine("--cancel-after must be whole seconds, such as 90s or 10m")
	case stdin >= 0 && slices.Contains(c.Files[stdin+1:], "-"):
		return wrongLine("standard input is one image; name it only once")
	case filepath.Base(c.Output) == "-":
		return wrongLine("--output must be a folder; claimcheck output -o - writes a result to standard output")
	case c.Output == "":
		return nil
	}
	if err := os.MkdirAll(c.Output, 0o777); err != nil { // less the umask
		return fmt.Errorf("--output: %w", err)
	}
	probe, err := os.CreateTemp(c.Output, ".claimcheck-*")
	if err != nil {
		return fmt.Errorf("--output: %w", err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// params makes one JSON object of --params and --param.
func (c submitCmd) params() (string, error) {
	if len(c.Param) == 0 && c.Params == "" {
		return "", nil
	}
	all := map[string]json.RawMessage{}
	if c.Params != "" {
		if err := json.Unmarshal([]byte(c.Params), &all); err != nil {
			return "", wrongLine(`--params is not a JSON object such as {"width": 800}: %w`, err)
		}
		if all == nil {
			return "", wrongLine(`--params is null, and not a JSON object such as {"width": 800}`)
		}
	}
	for name, value := range c.Param {
		raw := json.RawMessage(value) // a number, true, a list
		if !json.Valid(raw) {
			raw, _ = json.Marshal(value)
		}
		all[name] = raw
	}
	b, err := json.Marshal(all)
	return string(b), err
}

// batch is one run of the command.
type batch struct {
	submitCmd
	api    *client.Client
	params string
	s      streams
	many   bool // images, so that each line names its own
	show   *progress
	stop   context.CancelCauseFunc // ends the batch, because no reader or no server is left

	mu     sync.Mutex // guards failed, and the streams
	failed bool
}

// tell prints what became of an image.
func (b *batch) tell(ctx context.Context, o outcome, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.show.done(err == nil)
	if _, ok := errors.AsType[*client.Unreachable](err); ok {
		b.stop(err)
	}
	gone, unreachable := errors.AsType[*client.Unreachable](context.Cause(ctx))
	if unreachable && err != nil && o.URL == "" {
		if !b.JSON {
			return // the end of the batch says it once
		}
		err = gone
	}
	if err != nil {
		b.failed = true
		o.Error = advise(err).Error()
		if ctx.Err() != nil && !errors.Is(err, errUnfinished) && (!unreachable || err != error(gone)) {
			o.Error = "interrupted; nothing was submitted"
			switch {
			case o.Job != nil && o.Job.Over():
				o.Error = "interrupted; the job is " + o.Job.Status
			case o.URL != "":
				o.Error = "interrupted; the job is accepted and goes on"
			}
		}
	}
	b.show.around(func() {
		var unheard error
		switch {
		case b.JSON:
			unheard = json.NewEncoder(b.s.out).Encode(o)
		case err != nil:
			b.complain(o, o.Error)
		case o.Output != "":
			unheard = b.print(o.Output, o.File, b.Output == "")
		default:
			unheard = b.print(o.URL, o.File, true)
		}
		if unheard != nil { // what is known of the job is not to be lost with it
			b.failed = true
			what := fmt.Sprintf("standard output cannot be written: %v", unheard)
			if o.Error != "" {
				what = o.Error + "; " + what
			}
			b.complain(o, what)
			b.stop(errSomeFailed)
		}
	})
}

// print prints what an image has become, and beside a URL, of which there are many, which
// image that is.
func (b *batch) print(what, file string, isURL bool) error {
	if b.many && isURL {
		what += "\t" + file
	}
	_, err := fmt.Fprintln(b.s.out, what)
	return err
}

// complain says what went wrong with an image, and which job is its.
func (b *batch) complain(o outcome, what string) {
	if o.URL != "" {
		what += " (" + o.URL + ")"
	}
	fmt.Fprintf(b.s.err, "claimcheck: %s: %s\n", o.File, what)
}

// process takes one image as far as was asked for; its result gets a name of this stem.
// The outcome tells how far it came.
func (b *batch) process(ctx context.Context, file, stem string) (o outcome, err error) {
	o.File = file
	img, err := b.open(ctx, file)
	if err != nil {
		return o, err
	}
	defer img.close()
	if err := b.checkFolder(stem, img.ContentType); err != nil {
		return o, err
	}
	check, err := b.submit(ctx, img.Image)
	o.URL = check.URL
	if err != nil {
		return o, err
	}
	if ctx.Err() != nil {
		return o, context.Cause(ctx)
	}
	if !b.Wait && b.Output == "" {
		return o, nil
	}
	if o.Job, err = b.api.Status(ctx, check.ID, true); err != nil {
		return o, err
	}
	if o.Job.Failed() {
		return o, fmt.Errorf("the job is %s: %s", o.Job.Status, o.Job.Message)
	}
	o.Output = o.Job.Location
	if b.Output == "" {
		return o, nil
	}
	r, err := b.api.Output(ctx, check.ID)
	if err != nil {
		return o, err
	}
	defer r.Body.Close()
	path := filepath.Join(b.Output, nameOf(r))
	if stem != "" {
		path = filepath.Join(b.Output, stem+filepath.Ext(path))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil { // less the umask
		return o, err
	}
	if err := keep(ctx, path, r, b.Force); err != nil {
		return o, err
	}
	o.Output = path
	return o, nil
}

// checkFolder refuses an image whose result, under its likely name, would not fit into the
// folder of results, before a job is made for nothing.
func (b *batch) checkFolder(stem, contentType string) error {
	if b.Output == "" || b.Force || stem == "" {
		return nil
	}
	var asked struct{ Format string }
	_ = json.Unmarshal([]byte(b.params), &asked) // params of another processor say something else
	ending := endings[contentType]
	if asked.Format != "" {
		ending = endings["image/"+asked.Format]
	}
	path := filepath.Join(b.Output, stem+ending)
	if _, err := os.Lstat(path); err != nil || ending == "" {
		return nil
	}
	return errExists(path)
}

// endings of results' names, as the server gives them.
var endings = map[string]string{
	"image/jpeg": ".jpg", "image/png": ".png", "image/gif": ".gif", "image/webp": ".webp", "image/tiff": ".tiff", "image/bmp": ".bmp",
}

const (
	// patience is how long an interrupted submit waits for the answer to an image that has
	// gone up whole, and for each other last word.
	patience = 5 * time.Second
	// haste is how long it waits for an answer that may come before the image is whole, such
	// as the offer of a direct upload, which has made a job.
	haste = time.Second
)

// halting is an image of which no more is read once halt is called, until ctx ends.
type halting struct {
	io.ReaderAt
	ctx    context.Context
	halted atomic.Bool
}

func (h *halting) ReadAt(p []byte, off int64) (int, error) {
	if h.halted.Load() {
		<-h.ctx.Done()
		return 0, context.Cause(h.ctx)
	}
	return h.ReaderAt.ReadAt(p, off)
}

// errUnfinished is what an interruption has left behind.
var errUnfinished = errors.New("interrupted")

// submit leaves an image. An interruption stops it only as long as the image has not
// gone up whole: then the server may have made the job, and it is to be known. A direct
// upload that is stopped is withdrawn.
func (b *batch) submit(interrupted context.Context, img client.Image) (check client.Check, err error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(interrupted))
	defer cancel()
	var whole atomic.Bool
	whole.Store(img.Source != "") // of which nothing is sent
	content := &halting{ReaderAt: img.Content, ctx: ctx}
	img.Content = content
	show := b.show.file()
	img.Progress = func(sent int64) {
		if show != nil {
			show(sent)
		}
		if sent == img.Size {
			whole.Store(true)
		}
	}
	defer context.AfterFunc(interrupted, func() {
		content.halted.Store(true)
		_, gone := errors.AsType[*client.Unreachable](context.Cause(interrupted))
		if gone && !whole.Load() {
			cancel()
		} else if whole.Load() {
			time.AfterFunc(patience, cancel)
		} else {
			time.AfterFunc(haste, cancel)
		}
	})()
	check, err = b.api.Submit(ctx, img)
	switch {
	case err == nil || interrupted.Err() == nil:
		return check, err
	case check.ID != "":
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		if b.api.Delete(ctx, check.ID) == nil {
			return client.Check{}, context.Cause(interrupted)
		}
		return check, fmt.Errorf("%w; the job waits for its image, and fails if the image does not arrive", errUnfinished)
	case whole.Load():
		return check, fmt.Errorf("%w before the server answered; the server may have accepted the image", errUnfinished)
	}
	return check, context.Cause(interrupted)
}

// stemOf is what the result of an image is called, without its ending, which is known when
// it comes. What comes from standard input has no name.
func stemOf(file string) string {
	if file == "-" {
		return ""
	}
	if isURL(file) {
		if u, err := url.Parse(file); err == nil {
			file = path.Base("/" + u.Path)
		}
		if file == "/" {
			file = "output"
		}
	}
	return strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
}

// numbered makes equal names differ: the second becomes name-2, so that no result replaces
// another's, also where case makes no difference.
func numbered(stems []string) []string {
	names, taken := make([]string, len(stems)), map[string]int{} // how often, in lower case
	for i, stem := range stems {
		if stem == "" {
			continue
		}
		names[i] = stem
		for low := strings.ToLower(stem); taken[strings.ToLower(names[i])] > 0; {
			taken[low]++
			names[i] = fmt.Sprintf("%s-%d", stem, taken[low])
		}
		taken[strings.ToLower(names[i])]++
	}
	return names
}

// isURL reports whether an image is fetched by the server.
func isURL(file string) bool {
	return strings.HasPrefix(file, "https://") || strings.HasPrefix(file, "http://")
}

// source is an image to submit, and what to do when that is over.
type source struct {
	client.Image
	close func()
}

// open makes an image ready to be read as often as it takes.
func (b *batch) open(ctx context.Context, file string) (source, error) {
	if isURL(file) {
		src := source{Image: client.Image{Source: file, Params: b.params, Webhook: b.Webhook, CancelAfter: b.CancelAfter, Key: uuid.NewString()}, close: func() {}}
		var err error
		if b.Key != "" {
			src.Key, err = b.keyOf(strings.NewReader(file), int64(len(file)))
		}
		return src, err
	}
	f, err := b.spool(ctx, file)
	if err != nil {
		return source{}, err
	}
	src := source{close: func() { f.Close() }}
	info, err := f.Stat()
	if err == nil {
		src.Image = client.Image{Content: f, Size: info.Size(), Params: b.params, Webhook: b.Webhook, CancelAfter: b.CancelAfter, Key: uuid.NewString()}
		src.ContentType, err = contentType(f, info.Size())
	}
	if err == nil && b.Key != "" {
		src.Key, err = b.keyOf(f, info.Size())
	}
	if err != nil {
		src.close()
		return source{}, err
	}
	return src, nil
}

// spool opens a file. Standard input, which can be read but once, becomes one that
// vanishes when it is closed.
func (b *batch) spool(ctx context.Context, file string) (*os.File, error) {
	if file != "-" {
		// Opened first, a pipe would wait for its writer.
		switch info, err := os.Stat(file); {
		case err == nil && info.IsDir():
			return nil, errors.New("it is a folder; name the images in it, or submit all of them with --recursive")
		case err == nil && !info.Mode().IsRegular():
			return nil, errors.New("it is not a file; pipe it into standard input, written -")
		}
		return os.Open(file)
	}
	f, err := os.CreateTemp("", "claimcheck-stdin-")
	if err != nil {
		return nil, err
	}
	os.Remove(f.Name())
	read := make(chan error, 1)
	go func() {
		_, err := io.Copy(f, b.s.in)
		read <- err
	}()
	select {
	case err = <-read:
		if err == nil {
			return f, nil
		}
		err = fmt.Errorf("standard input cannot be read: %w", err)
	case <-ctx.Done(): // what reads it ends with the process
		err = context.Cause(ctx)
	}
	f.Close()
	return nil, err
}

// contentType tells what an image is by its content.
func contentType(f io.ReaderAt, size int64) (string, error) {
	if size == 0 {
		return "", errors.New("it is empty")
	}
	head := make([]byte, min(size, imageinfo.HeadSize))
	if _, err := f.ReadAt(head, 0); err != nil && err != io.EOF {
		return "", err
	}
	kind := imageinfo.Detect(head)
	if kind == "" {
		return "", errors.New("its content is not an image")
	}
	return kind, nil
}

// keyOf is the idempotency key of an image in a named batch: of the batch's name, the
// image's bytes and what is to be done with it.
func (b *batch) keyOf(f io.ReaderAt, size int64) (string, error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "%d\n%s\n%d\n%s\n", len(b.Key), b.Key, len(b.params), b.params)
	if b.Webhook != "" {
		fmt.Fprintf(sum, "webhook %d\n%s\n", len(b.Webhook), b.Webhook)
	}
	if _, err := io.Copy(sum, io.NewSectionReader(f, 0, size)); err != nil {
		return "", err
	}
	return "batch-" + hex.EncodeToString(sum.Sum(nil)), nil
}
