package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"

	"claimcheck.example/internal/imageinfo"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/service"
)

// Uploads accepts direct uploads if storage has no address of its own for them.
type Uploads interface {
	// AcceptInput stores the body of a request that storage has signed: the query has the
	// signature, which covers the job, the type and the size.
	AcceptInput(ctx context.Context, id job.ID, query url.Values, contentType string, size int64, body io.Reader) error
}

// upload answers PUT /jobs/{job_id}/upload: a direct upload. The signature in the URL
// authorizes the caller.
func (a *api) upload(w http.ResponseWriter, r *request) error {
	id, err := job.ParseID(r.PathValue("job_id"))
	if err != nil {
		return err
	}
	if a.Uploads == nil {
		return job.Errorf(job.NotFound, "this path accepts no uploads; PUT the image to the url of the job's upload")
	}
	switch {
	case r.ContentLength < 0:
		return &statusError{job.Errorf(job.Invalid, "the request has no Content-Length; send one"), http.StatusLengthRequired, "length_required"}
	case r.ContentLength > a.MaxImageBytes:
		return job.Errorf(job.TooLarge, "the image has more than %d bytes, the maximum of this service", a.MaxImageBytes)
	}
	err = a.Uploads.AcceptInput(r.Context(), id, r.URL.Query(), r.Header.Get("Content-Type"), r.ContentLength, r.Body)
	if job.KindOf(err) == job.Conflict { // as S3 answers a second upload
		return &statusError{err, http.StatusPreconditionFailed, "precondition_failed"}
	}
	if _, ok := errors.AsType[*job.Error](err); err != nil && !ok {
		return job.Wrap(job.Invalid, err, "the body broke off before its end; PUT it again")
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// announcement is the body of a submit without its image.
type announcement struct {
	ContentType string          `json:"content_type"`
	SizeBytes   int64           `json:"size_bytes"`
	SHA256      string          `json:"sha256"`
	Source      *from           `json:"source"` // in the place of the three above
	Params      json.RawMessage `json:"params"`
	CancelAfter *int            `json:"cancel_after"`
	Webhook     string          `json:"webhook"`
}

// from is the member source of a JSON body.
type from struct {
	URL string `json:"url"`
}

// maxAnnouncement bounds such a body, in bytes.
const maxAnnouncement = maxParams + 4<<10

// readAnnouncement reads a submit with a JSON body: the image will be uploaded directly, or
// is fetched from a source.
func readAnnouncement(from io.Reader, names paramNames) (service.Submission, error) {
	body, err := io.ReadAll(io.LimitReader(from, maxAnnouncement+1))
	if err != nil {
		return service.Submission{}, formError(err)
	}
	if len(body) > maxAnnouncement {
		return service.Submission{}, job.Errorf(job.Invalid, "the JSON body has more than %d bytes; it must announce the image, not carry it", maxAnnouncement)
	}
	return parseAnnouncement(body, names)
}

func parseAnnouncement(body []byte, names paramNames) (service.Submission, error) {
	const want = `send {"content_type": "image/tiff", "size_bytes": 734003200} or {"source": {"url": "https://..."}}, with sha256, params, cancel_after and webhook if you like`
	var in announcement
	if err := names.misplacedMembers(body); err != nil {
		return service.Submission{}, err
	}
	if err := strictJSON(body, &in); err != nil {
		// The error may quote a key of any length.
		return service.Submission{}, job.Errorf(job.Invalid, "the JSON body is not an announcement of an image (%.80s); %s", err, want)
	}
	params := in.Params
	if string(params) == "null" {
		params = nil
	}
	params, err := checkParams(params)
	if err != nil {
		return service.Submission{}, err
	}
	after := 0
	if in.CancelAfter != nil {
		if after, err = checkCancelAfter("cancel_after", *in.CancelAfter); err != nil {
			return service.Submission{}, err
		}
	}
	if in.Source != nil {
		if in.ContentType != "" || in.SizeBytes != 0 || in.SHA256 != "" {
			return service.Submission{}, job.Errorf(job.Invalid, "the JSON body announces an image and has a source; send one of them")
		}
		s, err := sourced(in.Source.URL, params, in.Webhook)
		s.CancelAfter = after
		return s, err
	}
	sum, err := announcedDigest(in.SHA256)
	if err != nil {
		return service.Submission{}, err
	}
	return service.Submission{SHA256: sum, ContentType: imageinfo.MediaType(in.ContentType), Size: in.SizeBytes, CancelAfter: after, Rest: func() (json.RawMessage, error) { return params, nil }, Webhook: func() string { return in.Webhook }}, nil
}

// commit answers POST /jobs/{job_id}/commit: the image has been uploaded.
func (a *api) commit(w http.ResponseWriter, r *request) error {
	id, err := job.ParseID(r.PathValue("job_id"))
	if err != nil {
		return err
	}
	j, err := a.Service.Commit(r.Context(), r.who, id, a.Trace(r.Context()))
	if err != nil {
		return failing(id, err)
	}
	a.writeReceipt(w, r, j)
	return nil
}
