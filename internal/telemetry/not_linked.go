//go:build !logapi || !otlp

package telemetry

import "fmt"

// notLinked is the error of a binary without the tag.
func notLinked(what, tag string) error {
	return fmt.Errorf("%s is %w: build it with -tags %s", what, ErrNotLinked, tag)
}
