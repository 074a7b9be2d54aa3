package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/service"
)

const (
	// maxParts bounds the fields of a form; a normal form has two.
	maxParts = 64
	// maxFieldBytes bounds the total size of a form's other fields.
	maxFieldBytes = 64 << 10
	// formOverhead bounds the size of a form without its image: preamble, boundaries, headers,
	// fields.
	formOverhead = 128 << 10
)

// decode reads a submit in whichever of its forms it comes: up to the image in its body, or
// the whole of one without an image. limit is the maximum size of an image, in bytes.
func decode(r *http.Request, h head, limit int64) (service.Submission, error) {
	switch {
	case h.source != nil:
		return fromSource(h.query, r.Body)
	case h.mediaType == "multipart/form-data":
		in, err := decodeForm(r.Body, h.boundary, h.names)
		if least := r.ContentLength - formOverhead; least > 0 {
			in.Announced = least
		}
		return in, err
	case h.mediaType == "application/json":
		return readAnnouncement(r.Body, h.names)
	case r.ContentLength > limit:
		return service.Submission{}, tooLarge(limit)
	}
	size := max(r.ContentLength, 0)
	return service.Submission{Size: size, Announced: size, Image: r.Body, Rest: h.itsParams, Webhook: h.itsWebhook}, nil
}

// fromSource is a submit whose query names the source of the image. It has no body.
func fromSource(q query, body io.Reader) (service.Submission, error) {
	if n, err := io.ReadFull(body, make([]byte, 1)); n > 0 {
		return service.Submission{}, errTwoImages
	} else if err != io.EOF {
		return service.Submission{}, formError(err)
	}
	return sourced(*q.source, q.params, q.webhook)
}

// sourced is a submit whose image is fetched.
func sourced(address string, params json.RawMessage, webhook string) (service.Submission, error) {
	if address == "" {
		return service.Submission{}, job.Errorf(job.Invalid, "source is empty; set it to the URL of the image")
	}
	return service.Submission{Source: address, Rest: func() (json.RawMessage, error) { return params, nil }, Webhook: func() string { return webhook }}, nil
}

var errTwoImages = job.Errorf(job.Invalid, "the request has a source and an image of its own; send one of them")

func tooLarge(max int64) error {
	return job.Errorf(job.TooLarge, "the image has more than %d bytes, the maximum of this service", max)
}

// form reads one multipart form front to back.
type form struct {
	body      io.Reader
	frame     *frame
	parts     *multipart.Reader
	names     paramNames
	count     int
	spent     int // bytes of fields read so far
	params    json.RawMessage
	hasParams bool
	webhook   *string // nil: none was seen
	image     bool    // it was seen
	file      string  // the first field with a file that is not the image; "": none
	source    string  // the URL of the image
	hasSource bool
}

// noImage is the error of a form without an image within its bounds.
func (f *form) noImage(otherwise string) error {
	if f.file != "" && !f.image {
		return job.Errorf(job.Invalid, "the form has its file in the field %.40q; the file belongs in a field named image, as in: curl -F image=@picture.jpg", f.file)
	}
	return job.Errorf(job.Invalid, "%s", otherwise)
}

// decodeForm reads the fields in front of the image.
func decodeForm(body io.Reader, boundary string, names paramNames) (service.Submission, error) {
	if boundary == "" || len(boundary) > 70 {
		return service.Submission{}, job.Errorf(job.Invalid, "the multipart form names no valid boundary in its Content-Type")
	}
	frame := &frame{r: body, left: formOverhead}
	f := &form{body: body, frame: frame, parts: multipart.NewReader(frame, boundary), names: names}
	frame.over = func() error {
		return f.noImage(fmt.Sprintf("the form has more than %d bytes beside its image; the file belongs in a field named image", formOverhead))
	}
	for {
		p, name, err := f.next()
		if err == io.EOF && f.hasSource {
			if err := f.epilogue(); err != nil {
				return service.Submission{}, err
			}
			return sourced(f.source, f.params, f.itsWebhook())
		}
		if err == io.EOF {
			return service.Submission{}, f.noImage("the form has no field named image; send the file as in: curl -F image=@picture.jpg")
		}
		if err != nil {
			return service.Submission{}, err
		}
		if name == "image" {
			if f.hasSource {
				return service.Submission{}, errTwoImages
			}
			f.image, frame.image = true, true
			return service.Submission{Image: formReader{p}, Rest: f.rest, Webhook: f.itsWebhook}, nil
		}
		if err := f.field(p, name); err != nil {
			return service.Submission{}, err
		}
	}
}

// rest reads the body after the image to its end, and returns the params.
func (f *form) rest() (json.RawMessage, error) {
	f.frame.image = false
	for {
		p, name, err := f.next()
		if err == io.EOF {
			return f.params, f.epilogue()
		}
		if err != nil {
			return nil, err
		}
		if name == "image" {
			return nil, job.Errorf(job.Invalid, "the form has two fields named image; submit one job for each image")
		}
		if err := f.field(p, name); err != nil {
			return nil, err
		}
	}
}

// itsWebhook returns the field webhook of a form that was read to its end.
func (f *form) itsWebhook() string {
	if f.webhook == nil {
		return ""
	}
	return *f.webhook
}

// epilogue reads the body after the closing boundary. Only a body that was read to its end is
// known to be complete and leaves its connection usable for the next request.
func (f *form) epilogue() error {
	n, err := io.Copy(io.Discard, io.LimitReader(f.body, maxFieldBytes+1))
	if err != nil {
		return formError(err)
	}
	if n > maxFieldBytes {
		return job.Errorf(job.Invalid, "more than %d bytes follow the form's closing boundary", maxFieldBytes)
	}
	return nil
}

// next returns the next part, and the name of its field.
func (f *form) next() (p *multipart.Part, name string, err error) {
	if f.count++; f.count > maxParts {
		return nil, "", job.Errorf(job.Invalid, "the form has more than %d fields", maxParts)
	}
	p, err = f.parts.NextRawPart()
	if err == io.EOF {
		return nil, "", err
	}
	if err != nil {
		return nil, "", formError(err)
	}
	if name, err = fieldName(p); err != nil {
		return nil, "", err
	}
	if name == "image" || name == "params" || name == "webhook" || name == "source" {
		err = asItIs(p, name)
	}
	return p, name, err
}

// field reads a field other than the image, and ignores unknown ones.
func (f *form) field(p *multipart.Part, name string) error {
	if name == "params" && f.hasParams {
		return job.Errorf(job.Invalid, "the form has two fields named params")
	}
	if name == "webhook" && f.webhook != nil {
		return job.Errorf(job.Invalid, "the form has two fields named webhook")
	}
	if name != "params" && f.file == "" && isFile(p) {
		f.file = name
	}
	value, err := io.ReadAll(io.LimitReader(p, maxFieldBytes+1))
	if err != nil {
		return formError(err)
	}
	if f.spent += len(value); f.spent > maxFieldBytes {
		return f.noImage(fmt.Sprintf("the form's fields beside the image have more than %d bytes, at %.40q; the file belongs in a field named image", maxFieldBytes, name))
	}
	switch {
	case name == "webhook":
		address := strings.TrimSpace(string(value))
		f.webhook = &address
		return nil
	case name == "source" && f.hasSource:
		return job.Errorf(job.Invalid, "the form has two fields named source")
	case name == "source" && f.image:
		return errTwoImages
	case name == "source":
		f.hasSource, f.source = true, strings.TrimSpace(string(value))
		return nil
	case name != "params":
		return f.names.misplacedField(name, string(value))
	}
	f.hasParams = true
	f.params, err = checkParams(value)
	return err
}

// frame bounds the bytes of a form that are read in addition to its image. Package multipart
// would keep up to 10 MiB of headers for each part, and skip an endless preamble.
type frame struct {
	r     io.Reader
	left  int
	image bool         // what is read now is the image's
	over  func() error // words that more was read
}

func (f *frame) Read(p []byte) (int, error) {
	if f.image {
		return f.r.Read(p)
	}
	if f.left == 0 {
		return 0, f.over()
	}
	n, err := f.r.Read(p[:min(len(p), f.left)])
	f.left -= n
	return n, err
}

// formReader is the image's part of a form.
type formReader struct{ p *multipart.Part }

func (r formReader) Read(b []byte) (int, error) {
	n, err := r.p.Read(b)
	if err != nil && err != io.EOF {
		err = formError(err)
	}
	return n, err
}

// formError turns an error in a form into a sentence for the client; errors with a kind keep it.
func formError(err error) error {
	if job.KindOf(err) != job.Unknown {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return job.Wrap(job.Invalid, err, "the form broke off before its closing boundary; send it again")
	}
	return job.Wrap(job.Invalid, err, "the multipart form is malformed")
}

// strictJSON decodes one JSON object whose keys are all known. Clients see its errors.
func strictJSON(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		what := "the whole"
		if wrong.Field != "" {
			what = wrong.Field
		}
		return fmt.Errorf("%s is of the wrong type: %s", what, wrong.Value)
	}
	if err == io.EOF {
		return errors.New("it is empty")
	}
	if err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more than one JSON value")
	}
	return nil
}
