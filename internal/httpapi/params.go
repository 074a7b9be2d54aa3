package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"claimcheck.example/internal/job"
)

// maxParams bounds the params of a job, in bytes.
const maxParams = 16 << 10

// checkParams accepts one JSON object of bounded size, or no value.
func checkParams(raw []byte) (json.RawMessage, error) {
	if len(raw) > maxParams {
		return nil, job.Errorf(job.Invalid, "params has more than %d bytes", maxParams)
	}
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return nil, nil
	}
	if raw[0] != '{' || !json.Valid(raw) || !utf8.Valid(raw) { // json.Valid looks over bytes that are not UTF-8
		return nil, job.Errorf(job.Invalid, `params is not a JSON object; send something like {"width": 800}`)
	}
	return json.RawMessage(raw), nil
}

// examples are the params of the image processor and its operations, each as a member of
// params. %s is the client's value, if it is valid there.
var examples = map[string]string{
	"width": `{"width": %s}`, "height": `{"height": %s}`, "quality": `{"quality": %s}`, "format": `{"format": %s}`,
	"lossless": `{"lossless": %s}`, "animated": `{"animated": %s}`, "keep": `{"keep": ["icc"]}`, "ops": `{"ops": [{"rotate": 90}]}`,

	"fit": `{"ops": [{"fit": {"width": 800, "height": 600}}]}`, "fill": `{"ops": [{"fill": {"width": 400, "height": 400}}]}`,
	"resize": `{"ops": [{"resize": {"width": 800}}]}`, "crop": `{"ops": [{"crop": {"x": 0, "y": 0, "width": 400, "height": 300}}]}`,
	"rotate": `{"ops": [{"rotate": %s}]}`, "flip": `{"ops": [{"flip": %s}]}`, "grayscale": `{"ops": [{"grayscale": true}]}`,
	"blur": `{"ops": [{"blur": %s}]}`, "sharpen": `{"ops": [{"sharpen": {}}]}`,
}

// values replace a value that is missing or needs quotes.
var values = map[string]string{
	"width": "800", "height": "600", "quality": "80", "format": `"webp"`, "lossless": "true", "animated": "true",
	"rotate": "90", "flip": `"horizontal"`, "blur": "2",
}

// bracketed matches nested names of params: params[width], params.width.
var bracketed = regexp.MustCompile(`^params(?:\[|\.)"?'?([A-Za-z]+)`)

// number and word are the values that are shown unchanged.
var (
	number = regexp.MustCompile(`^[0-9]{1,5}(?:\.[0-9]{1,3})?$`)
	word   = regexp.MustCompile(`^[a-z]{1,10}$`)
)

// member returns the params that a client means by a name outside of params, or "" if the
// name is not one of the params.
func member(name, value string) string {
	inside := bracketed.FindStringSubmatch(name)
	if inside != nil {
		name = inside[1]
	}
	name = strings.ToLower(strings.TrimSuffix(name, "[]"))
	example, ok := examples[name]
	if !ok {
		if inside == nil {
			return ""
		}
		switch { // of another processor's params
		case number.MatchString(value):
		case word.MatchString(value):
			value = `"` + value + `"`
		default:
			value = `"..."`
		}
		return fmt.Sprintf(`{"%s": %s}`, inside[1], value)
	}
	if !strings.Contains(example, "%s") {
		return example
	}
	shown := values[name]
	switch {
	case strings.HasPrefix(shown, `"`) && word.MatchString(value):
		shown = `"` + value + `"`
	case shown == "true" && (value == "true" || value == "false"):
		shown = value
	case shown[0] >= '0' && shown[0] <= '9' && number.MatchString(value):
		shown = value
	}
	return fmt.Sprintf(example, shown)
}

// misplacedField refuses a form's field that belongs in params.
func misplacedField(name, value string) error {
	if m := member(name, value); m != "" {
		return job.Errorf(job.Invalid, `the form's field %.40q belongs in the field params, as in: curl -F image=@picture.jpg -F 'params=%s'`, name, m)
	}
	return nil
}

// misplacedQuery refuses a query's parameter that belongs in params. Params in the query are
// for a bare image only.
func misplacedQuery(query url.Values, bare bool) error {
	for _, name := range slices.Sorted(maps.Keys(query)) {
		m := member(name, query.Get(name))
		switch {
		case m != "" && bare:
			return job.Errorf(job.Invalid, `the query's parameter %.40q belongs in the parameter params, as in: POST /jobs?params=%s, which is %s`, name, url.QueryEscape(m), m)
		case m != "":
			return job.Errorf(job.Invalid, `the query's parameter %.40q belongs in params in the body, as in: params=%s`, name, m)
		case name == "webhook" && !bare:
			return job.Errorf(job.Invalid, `webhook is in the query, which is for a bare image; send it in the body, as in: curl -F image=@picture.jpg -F webhook=https://example.com/hooks/jobs`)
		case name == "params" && !bare:
			return job.Errorf(job.Invalid, `params are in the query, which is for a bare image; send them in the body, as in: curl -F image=@picture.jpg -F 'params={"width": 800}'`)
		}
	}
	return nil
}

// misplacedMembers refuses members of a JSON body that belong in params. It ignores a body that
// is not a JSON object.
func misplacedMembers(body []byte) error {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if m := member(name, strings.Trim(string(members[name]), `"`)); m != "" {
			return job.Errorf(job.Invalid, `the member %.40q belongs in params, as in: {"content_type": "image/jpeg", "size_bytes": 312000, "params": %s}`, name, m)
		}
	}
	return nil
}
