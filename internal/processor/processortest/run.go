// Package processortest runs a processor on one image, in tests.
package processortest

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	"claimcheck.example/internal/job"
)

// Run processes data, with params unless they are empty, and returns the result and its
// body.
func Run(t testing.TB, p job.Processor, data []byte, params string) (*job.Result, []byte, error) {
	t.Helper()
	r, err := p.Process(t.Context(), job.Task{
		Input:    job.Media{SizeBytes: int64(len(data))},
		Image:    bytes.NewReader(data),
		Params:   json.RawMessage(params),
		Attempt:  1,
		Progress: func(float64, string) {},
	})
	if err != nil {
		return nil, nil, err
	}
	body, err := io.ReadAll(r.Body)
	if cerr := r.Body.Close(); err == nil {
		err = cerr
	}
	return r, body, err
}

// ReadFile returns a file of testdata.
func ReadFile(t testing.TB, name ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(name...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
