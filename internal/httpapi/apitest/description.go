package apitest

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"

	"claimcheck.example/internal/httpapi"
)

// Description is openapi.yaml, ready to be compared with answers.
type Description struct {
	doc *openapi3.T
	mux *http.ServeMux // of the described paths, which are patterns of a ServeMux
}

// Load reads the description and checks it for itself, its examples included. For the
// comparison every described object is closed: an answer's member that is not described
// is an error.
func Load() (*Description, error) {
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(httpapi.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	for _, s := range doc.Components.Schemas {
		if a := &s.Value.AdditionalProperties; len(s.Value.Properties) > 0 && a.Has == nil && a.Schema == nil {
			a.Has = new(bool)
		}
	}
	if err := doc.Validate(loader.Context, openapi3.EnableExamplesValidation(), openapi3.EnableSchemaFormatValidation()); err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	d := &Description{doc, http.NewServeMux()}
	for p := range doc.Paths.Map() {
		d.mux.Handle(pattern(p), http.NotFoundHandler())
	}
	return d, nil
}

// pattern is a described path as a ServeMux has it.
func pattern(p string) string {
	if strings.HasSuffix(p, "/") {
		return p + "{$}"
	}
	return p
}

// Routes returns the methods of each described path, as a ServeMux has its pattern.
func (d *Description) Routes() map[string][]string {
	routes := map[string][]string{}
	for p, item := range d.doc.Paths.Map() {
		for method := range item.Operations() {
			routes[pattern(p)] = append(routes[pattern(p)], method)
		}
		slices.Sort(routes[pattern(p)])
	}
	return routes
}

// Call is a method of a described path, which is as a ServeMux has its pattern.
type Call struct{ Method, Pattern string }

// Secured returns the calls that need a principal, sorted: all but those with an empty
// security.
func (d *Description) Secured() (calls []Call) {
	for p, item := range d.doc.Paths.Map() {
		for method, op := range item.Operations() {
			if op.Security == nil || len(*op.Security) > 0 {
				calls = append(calls, Call{method, pattern(p)})
			}
		}
	}
	slices.SortFunc(calls, func(a, b Call) int { return strings.Compare(a.Pattern+a.Method, b.Pattern+b.Method) })
	return calls
}

// ProblemTypes returns the types of problem documents, and how many examples there are
// of each.
func (d *Description) ProblemTypes() map[string]int {
	types := map[string]int{}
	for _, name := range d.doc.Components.Schemas["Problem"].Value.Properties["type"].Value.Enum {
		types[name.(string)] = 0
	}
	count := func(example any) {
		if m, ok := example.(map[string]any); ok {
			if name, ok := m["type"].(string); ok && m["title"] != nil { // no event of a webhook
				types[name]++
			}
		}
	}
	for _, r := range d.doc.Components.Responses {
		for _, content := range r.Value.Content {
			count(content.Example)
			for _, e := range content.Examples {
				count(e.Value.Value)
			}
		}
	}
	return types
}

// everywhere are the headers that need no description: they say how an answer travels,
// or which origins may read it.
var everywhere = []string{
	"Cache-Control", "Connection", "Content-Length", "Content-Type", "Date", "Vary", "X-Content-Type-Options",
	"Access-Control-Allow-Headers", "Access-Control-Allow-Methods", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Access-Control-Max-Age",
}

// Check returns what is not described about an answer.
func (d *Description) Check(resp *http.Response, body []byte) []error {
	req := resp.Request
	if req.Method == http.MethodOptions && resp.StatusCode == http.StatusNoContent {
		return nil // as said for every path
	}
	want, err := d.response(req, resp.StatusCode)
	if err != nil {
		return []error{err}
	}
	errs := checkHeaders(want, resp.Header)
	if req.Method == http.MethodHead {
		return errs
	}
	if err := checkBody(want, resp, body); err != nil {
		errs = append(errs, err)
	}
	return errs
}

// response finds what is said of a status of a request's path and method.
func (d *Description) response(req *http.Request, status int) (*openapi3.Response, error) {
	common := d.doc.Components.Responses
	if status == http.StatusTemporaryRedirect && path.Clean(req.URL.Path) != req.URL.Path {
		return common["NotClean"].Value, nil
	}
	_, matched := d.mux.Handler(&http.Request{Method: req.Method, URL: req.URL, Host: req.URL.Host})
	item := d.doc.Paths.Value(strings.TrimSuffix(matched, "{$}"))
	if item == nil {
		if status == http.StatusNotFound {
			return common["NotFound"].Value, nil
		}
		return nil, errors.New("the path is not described")
	}
	method := req.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	op := item.Operations()[method]
	if op == nil {
		if status == http.StatusMethodNotAllowed {
			return common["MethodNotAllowed"].Value, nil
		}
		return nil, errors.New("the method is not described")
	}
	r := op.Responses.Status(status)
	if r == nil {
		return nil, errors.New("the status is not described")
	}
	return r.Value, nil
}

func checkHeaders(want *openapi3.Response, got http.Header) (errs []error) {
	for name, ref := range want.Headers {
		if ref.Value.Required && got.Get(name) == "" {
			errs = append(errs, fmt.Errorf("header %s is missing", name))
		}
	}
	for name, values := range got {
		if slices.Contains(everywhere, name) {
			continue
		}
		ref := want.Headers[headerName(want, name)]
		if ref == nil {
			errs = append(errs, fmt.Errorf("header %s is not described", name))
			continue
		}
		for _, v := range values {
			if err := checkValue(ref.Value.Schema.Value, v); err != nil {
				errs = append(errs, fmt.Errorf("header %s: %w", name, err))
			}
		}
	}
	return errs
}

// headerName finds a header's name as it is described: the case of names means nothing.
func headerName(want *openapi3.Response, canonical string) string {
	for name := range want.Headers {
		if http.CanonicalHeaderKey(name) == canonical {
			return name
		}
	}
	return ""
}

func checkValue(s *openapi3.Schema, v string) error {
	if s.Type.Is(openapi3.TypeInteger) {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return err
		}
		return visit(s, float64(n))
	}
	return visit(s, v)
}

func checkBody(want *openapi3.Response, resp *http.Response, body []byte) error {
	if len(want.Content) == 0 {
		if len(body) > 0 {
			return errors.New("a body is not described")
		}
		return nil
	}
	contentType := resp.Header.Get("Content-Type")
	if contentType == "" && len(body) == 0 && resp.StatusCode == http.StatusTemporaryRedirect {
		return nil // ServeMux words a redirect for GET alone
	}
	content := want.Content.Get(contentType)
	if content == nil {
		return fmt.Errorf("a body of type %q is not described", contentType)
	}
	if mt, _, _ := mime.ParseMediaType(contentType); mt != "application/json" && mt != "application/problem+json" || content == want.Content["*/*"] {
		return nil
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return err
	}
	if err := visit(content.Schema.Value, v); err != nil {
		return err
	}
	if m, ok := v.(map[string]any); ok && mediaIsProblem(contentType) && m["status"] != float64(resp.StatusCode) {
		return fmt.Errorf("the problem is of status %v", m["status"])
	}
	return nil
}

func mediaIsProblem(contentType string) bool { return contentType == "application/problem+json" }

// visit holds a value against a schema. With the keywords of JSON Schema 2020-12 the library
// compiles the schema for each value, which takes most of the time of a test with many
// requests.
func visit(s *openapi3.Schema, v any) error {
	options := []openapi3.SchemaValidationOption{openapi3.EnableFormatValidation(), openapi3.MultiErrors(), openapi3.VisitAsResponse()}
	if needs2020(s) {
		options = append(options, openapi3.EnableJSONSchema2020())
	}
	return s.VisitJSON(v, options...)
}

// known has the answers of needs2020 by schema.
var known sync.Map

// needs2020 reports whether a schema or a part of it has a keyword that only JSON Schema
// 2020-12 knows.
func needs2020(s *openapi3.Schema) bool {
	if needs, ok := known.Load(s); ok {
		return needs.(bool)
	}
	needs := openapi3.NewSchemaRef("", s).WalkSubtree(func(_ string, ref *openapi3.SchemaRef) error {
		if v := ref.Value; v != nil && (v.Const != nil || len(v.PrefixItems) > 0 || v.Contains != nil || len(v.PatternProperties) > 0 || len(v.DependentSchemas) > 0 ||
			v.PropertyNames != nil || v.UnevaluatedItems.Has != nil || v.UnevaluatedItems.Schema != nil || v.UnevaluatedProperties.Has != nil ||
			v.UnevaluatedProperties.Schema != nil || v.If != nil || len(v.DependentRequired) > 0 || len(v.Defs) > 0 || v.ContentSchema != nil) {
			return errors.New("found")
		}
		return nil
	}) != nil
	known.Store(s, needs)
	return needs
}
