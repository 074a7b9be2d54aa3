package httpapi

import (
	_ "embed"
	"net/http"
	"sync"
)

//go:embed openapi.yaml
var openAPI []byte

// OpenAPI returns the description of the API, OpenAPI 3.1 in YAML. The caller must not change
// it.
func OpenAPI() []byte { return openAPI }

var theDescription = sync.OnceValue(func() document { return newDocument("application/yaml", "", openAPI) }) // RFC 9512

// openapi answers GET /openapi.yaml.
func (a *api) openapi(w http.ResponseWriter, r *request) error {
	theDescription().answer(w, r)
	return nil
}
