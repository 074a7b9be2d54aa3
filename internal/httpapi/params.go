package httpapi

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/url"
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

// misplacedField refuses a form's field that belongs in params.
func (names paramNames) misplacedField(name, value string) error {
	if m := names.params(name, value); m != "" {
		return job.Errorf(job.Invalid, `the form's field %.40q belongs in the field params, as in: curl -F image=@picture.jpg -F 'params=%s'`, name, m)
	}
	return nil
}

// misplacedQuery refuses a query's parameter that belongs in params. Params in the query are
// for a bare image only.
func (names paramNames) misplacedQuery(query url.Values, bare bool) error {
	for _, name := range slices.Sorted(maps.Keys(query)) {
		m := names.params(name, query.Get(name))
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
func (names paramNames) misplacedMembers(body []byte) error {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if m := names.params(name, strings.Trim(string(members[name]), `"`)); m != "" {
			return job.Errorf(job.Invalid, `the member %.40q belongs in params, as in: {"content_type": "image/jpeg", "size_bytes": 312000, "params": %s}`, name, m)
		}
	}
	return nil
}
