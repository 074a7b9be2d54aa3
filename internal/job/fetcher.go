package job

import (
	"context"
	"io"
)

// Fetcher fetches images from URLs that clients name. An implementation must judge each
// address that it connects to, because the client chooses it.
//
// The errors have the kind Invalid for a URL or an address that is not allowed, Upstream for
// what the server there does wrong, and Canceled when ctx ends. Their sentences are for the
// client, and say nothing about the network of this service.
type Fetcher interface {
	// Check refuses a URL without connecting to it.
	Check(url string) error
	// Fetch returns what is at the URL, and its announced length in bytes or -1. The caller
	// bounds what it reads, and closes it. All of it ends with ctx.
	Fetch(ctx context.Context, url string) (content io.ReadCloser, size int64, err error)
}
