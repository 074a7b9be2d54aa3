// Package claimcheck is the service as a function: Google's buildpack imports this
// package and serves what it registers, the HTTP function "Claimcheck".
//
// This is the only Go file of its folder: the buildpack reads every Go file there, tests
// included, and refuses a second package.
package claimcheck

import (
	"os"

	"github.com/GoogleCloudPlatform/functions-framework-go/functions"

	"claimcheck.example/internal/app"
)

// init registers the function and nothing more; it is built when the first request
// comes, so that importing this package costs nothing.
func init() {
	functions.HTTP("Claimcheck", app.NewFunction(os.Environ, os.Exit).ServeAndFlush)
}
