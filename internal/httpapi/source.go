package httpapi

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/service"
)

// readQuery reads a submit whose query names the source of the image. It has no body.
func readQuery(r *http.Request) (service.Submission, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return service.Submission{}, job.Wrap(job.Invalid, err, "the query string is malformed")
	}
	if err := misplacedQuery(q, true); err != nil {
		return service.Submission{}, err
	}
	if n, err := io.ReadFull(r.Body, make([]byte, 1)); n > 0 {
		return service.Submission{}, errTwoImages
	} else if err != io.EOF {
		return service.Submission{}, formError(err)
	}
	for _, name := range []string{"source", "params", "webhook"} {
		if len(q[name]) > 1 {
			return service.Submission{}, job.Errorf(job.Invalid, "%s is given twice", name)
		}
	}
	params, err := checkParams([]byte(q.Get("params")))
	if err != nil {
		return service.Submission{}, err
	}
	return sourced(q.Get("source"), params, q.Get("webhook"))
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
