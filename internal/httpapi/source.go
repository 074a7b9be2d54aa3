package httpapi

import (
	"encoding/json"
	"io"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/service"
)

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

// from is the member source of a JSON body.
type from struct {
	URL string `json:"url"`
}
