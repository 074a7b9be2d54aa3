package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// attack is one way to shut others out. Begin returns once all of it is under way; end takes
// it back and waits for its goroutines.
type attack struct {
	name  string
	begin func(ctx context.Context, s *harness, strength int) (end func(), err error)
}

var attacks = []attack{
	{"headers alone", headersAlone},
	{"streams of headers alone", streamsAlone},
	{"slow small uploads", func(ctx context.Context, s *harness, n int) (func(), error) {
		return s.slowUploads(ctx, n, 200<<10, 6<<10)
	}},
	{"slow large uploads", func(ctx context.Context, s *harness, n int) (func(), error) {
		return s.slowUploads(ctx, n, 8<<20, 300<<10)
	}},
	{"waits", waits},
	{"stalled outputs", stalledOutputs},
}

// firstWrite bounds how long one connection's first bytes are waited for.
const firstWrite = 100 * time.Millisecond

// open opens n connections, each with text sent, and keeps them until end is called. After
// that each sends 1.2 KiB a second where trickle is set.
func (s *harness) open(ctx context.Context, n int, trickle bool, text func(i int) string) (end func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	end = func() { cancel(); all.Wait() }
	for i := range n {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.address)
		if err != nil {
			end()
			return nil, err
		}
		context.AfterFunc(ctx, func() { c.Close() })
		if err := c.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
			end()
			return nil, err
		}
		// An upload that waits for its turn is not read: what the kernel does not take stays.
		c.SetWriteDeadline(time.Now().Add(firstWrite))
		if _, err := io.WriteString(c, text(i)); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			end()
			return nil, fmt.Errorf("connection %d: %w", i, err)
		}
		c.SetWriteDeadline(time.Time{})
		if trickle {
			all.Go(func() {
				tick := time.NewTicker(time.Second)
				defer tick.Stop()
				for {
					select {
					case <-ctx.Done():
						return
					case <-tick.C:
						if _, err := c.Write(make([]byte, 1200)); err != nil {
							return // the server has broken it off
						}
					}
				}
			})
		}
	}
	return end, nil
}

func headersAlone(ctx context.Context, s *harness, n int) (func(), error) {
	return s.open(ctx, n, false, func(int) string { return s.head("POST /jobs", "Content-Type: image/png", "Content-Length: 200000") })
}

// streamsAlone opens n streams of HTTP/2 whose bodies never come.
func streamsAlone(ctx context.Context, s *harness, n int) (func(), error) {
	ctx, cancel := context.WithCancel(ctx)
	t := &http.Transport{Protocols: new(http.Protocols)}
	t.Protocols.SetUnencryptedHTTP2(true)
	var all sync.WaitGroup
	for range n {
		body, never := io.Pipe()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/jobs", body)
		if err != nil {
			cancel()
			return nil, err
		}
		req.Header.Set("Authorization", s.attacker)
		req.Header.Set("Content-Type", "image/png")
		all.Go(func() {
			defer never.Close()
			if r, err := t.RoundTrip(req); err == nil {
				r.Body.Close()
			}
		})
	}
	return func() { cancel(); all.Wait(); t.CloseIdleConnections() }, nil
}

// slowUploads sends the first bytes of images, and goes on at a trickle.
func (s *harness) slowUploads(ctx context.Context, n, size, first int) (func(), error) {
	return s.open(ctx, n, true, func(int) string {
		return s.head("POST /jobs", "Content-Type: image/png", fmt.Sprint("Content-Length: ", size)) + string(s.large[:min(first, size)])
	})
}

// waits has a job that awaits an upload which never comes, and waits for its end, on twice
// as many connections.
func waits(ctx context.Context, s *harness, n int) (func(), error) {
	r, err := s.call(ctx, s.attacker, http.MethodPost, s.url+"/jobs", []byte(`{"content_type": "image/png", "size_bytes": 1000}`), "Content-Type", "application/json")
	if err != nil {
		return nil, err
	}
	path := strings.TrimPrefix(r.Header.Get("Location"), s.url)
	if path == "" {
		return nil, errors.New("the announcement has no location")
	}
	return s.open(ctx, 2*n, false, func(int) string { return s.head("GET "+path, "Prefer: wait=60") })
}

// stalledOutputs asks for outputs and takes nothing of them, on twice as many connections.
func stalledOutputs(ctx context.Context, s *harness, n int) (func(), error) {
	path := strings.TrimPrefix(s.outputs[s.attacker], s.url)
	return s.open(ctx, 2*n, false, func(int) string { return s.head("GET " + path) })
}

// head is a request's of the attacker.
func (s *harness) head(line string, header ...string) string {
	return line + " HTTP/1.1\r\nHost: " + s.address + "\r\nAuthorization: " + s.attacker + "\r\n" + strings.Join(append(header, "", ""), "\r\n")
}
