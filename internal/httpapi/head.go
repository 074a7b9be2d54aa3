package httpapi

import (
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"claimcheck.example/internal/job"
)

// head is what a submit says in front of its body.
type head struct {
	key         string // the idempotency key; empty for none
	cancelAfter int    // seconds; zero for never
	mediaType   string // of the body
	boundary    string // of a form's parts
	names       paramNames
	query
}

// query is what the query of a submit says about a bare image, or instead of a body.
type query struct {
	source  *string // the URL of the image; nil for none
	params  json.RawMessage
	webhook string
}

// readHead refuses a submit whose head alone is wrong. The end of the body becomes an error
// where its digest is another than announced.
func (a *api) readHead(r *request) (h head, err error) {
	h.names = a.names
	if h.key, err = idempotencyKey(r.Header); err != nil {
		return head{}, err
	}
	if h.cancelAfter, err = cancelAfter(r.Header); err != nil {
		return head{}, err
	}
	if h.mediaType, h.boundary, err = contentType(r.Header); err != nil {
		return head{}, err
	}
	if h.query, err = readQuery(r.URL.RawQuery, h.mediaType, a.names); err != nil {
		return head{}, err
	}
	switch {
	case r.ContentLength == 0 && h.source == nil:
		return head{}, job.Errorf(job.Invalid, "the body is empty; send an image, as in: curl -F image=@picture.jpg")
	case r.ContentLength > a.MaxImageBytes+formOverhead && h.mediaType == "multipart/form-data":
		return head{}, job.Errorf(job.TooLarge, "the form is larger than an image of %d bytes, the maximum of this service; the file belongs in a field named image, as in: curl -F image=@picture.jpg", a.MaxImageBytes)
	case r.ContentLength > a.MaxImageBytes+formOverhead:
		return head{}, tooLarge(a.MaxImageBytes)
	}
	if h.hasImage() {
		if err := checkImageType(r.Header, h.mediaType); err != nil {
			return head{}, err
		}
	}
	return h, checkDigest(r.Request)
}

// hasImage reports whether the image is in the body, rather than announced or fetched.
func (h head) hasImage() bool { return h.source == nil && h.mediaType != "application/json" }

// checkImageType refuses a body that holds no image, and a coded one.
func checkImageType(h http.Header, mediaType string) error {
	coding := strings.Join(h.Values("Content-Encoding"), ", ")
	switch {
	case coding != "" && coding != "identity":
		return job.Errorf(job.Unsupported, "Content-Encoding %.40q is not supported; send the image without a content coding", coding)
	case mediaType == "multipart/form-data", mediaType == "application/octet-stream", strings.HasPrefix(mediaType, "image/"):
		return nil
	}
	return job.Errorf(job.Unsupported,
		"bodies of type %.80q are not supported; send multipart/form-data with a file field named image, or the bare image with Content-Type image/*", mediaType)
}

// idempotencyKey reads the header of that name: 1 to 255 visible characters.
func idempotencyKey(h http.Header) (string, error) {
	values := h.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	if len(values) > 1 || len(key) < 1 || len(key) > 255 {
		return "", job.Errorf(job.Invalid, "Idempotency-Key must be one value of 1 to 255 characters")
	}
	return key, nil
}

// cancelAfter reads the header Cancel-After: a number of seconds, zero where there is none.
func cancelAfter(h http.Header) (seconds int, err error) {
	values := h.Values("Cancel-After")
	if len(values) == 0 {
		return 0, nil
	}
	n, err := strconv.ParseUint(values[0], 10, 31)
	if err != nil || len(values) > 1 {
		n = 0
	}
	return checkCancelAfter("Cancel-After", int(n))
}

// checkCancelAfter holds a number of seconds to its range. The name is the client's.
func checkCancelAfter(name string, seconds int) (int, error) {
	if seconds < 1 || seconds > job.MaxCancelAfter {
		return 0, job.Errorf(job.Invalid, "%s must be one whole number of seconds from 1 to %d", name, job.MaxCancelAfter)
	}
	return seconds, nil
}

// contentType reads the media type of a body, and the boundary of a form's parts.
func contentType(h http.Header) (mediaType, boundary string, err error) {
	values := h.Values("Content-Type")
	switch {
	case len(values) > 1:
		return "", "", job.Errorf(job.Invalid, "the request has more than one Content-Type")
	case h.Get("Content-Type") == "":
		return "application/octet-stream", "", nil
	}
	mediaType, params, err := mime.ParseMediaType(values[0])
	if err != nil {
		return "", "", job.Wrap(job.Invalid, err, "the Content-Type header is malformed")
	}
	return mediaType, params["boundary"], nil
}

// readQuery reads the query of a submit. A form and a JSON body have in themselves what the
// query of a bare image or of a source says.
func readQuery(raw, mediaType string, names paramNames) (query, error) {
	q, err := url.ParseQuery(raw)
	bare := q.Has("source") || mediaType != "multipart/form-data" && mediaType != "application/json"
	if err != nil && bare {
		return query{}, job.Wrap(job.Invalid, err, "the query string is malformed")
	}
	if err := names.misplacedQuery(q, bare); err != nil || !bare {
		return query{}, err
	}
	for _, name := range []string{"source", "params", "webhook"} {
		if len(q[name]) > 1 {
			return query{}, job.Errorf(job.Invalid, "the query has %s twice", name)
		}
	}
	params, err := checkParams([]byte(q.Get("params")))
	if err != nil {
		return query{}, err
	}
	out := query{params: params, webhook: q.Get("webhook")}
	if q.Has("source") {
		source := q.Get("source")
		out.source = &source
	}
	return out, nil
}

func (q query) itsParams() (json.RawMessage, error) { return q.params, nil }

func (q query) itsWebhook() string { return q.webhook }
