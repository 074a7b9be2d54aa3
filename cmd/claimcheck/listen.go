package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"claimcheck.example/internal/webhook"
)

// listenCmd is a receiver of webhooks for development.
type listenCmd struct {
	server
	Port    int    `default:"8001" help:"Port of the receiver on 127.0.0.1 (default ${default}); 0 chooses a free one."`
	Forward string `placeholder:"URL" help:"Pass each verified webhook on to this URL, and answer as it does."`
}

// Help is the text of --help in addition to the flags.
func (listenCmd) Help() string {
	return `Verifies each webhook by the public keys of --server (GET /webhook-key), prints one line of JSON for it, and answers 204. It answers 400 to what it cannot verify.

The service must be allowed to call this machine. claimcheck local is; for another service of yours on this machine, start server and worker with

    OUTBOUND_ALLOW=127.0.0.1`
}

const (
	// maxEvent bounds the body of a webhook, in bytes.
	maxEvent = 1 << 20
	// forwardTime is less than the service waits for an answer.
	forwardTime = 12 * time.Second
)

// Run answers until ctx ends.
func (c listenCmd) Run(ctx context.Context, s streams) error {
	if c.Port < 0 || c.Port > 65535 {
		return wrongLine("--port: %d is not a port (0 to 65535)", c.Port)
	}
	if u, err := url.Parse(c.Forward); c.Forward != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		return wrongLine("--forward is not a URL such as http://localhost:3000/hooks")
	}
	api, err := c.client()
	if err != nil {
		return err
	}
	keys, err := api.WebhookKeys(ctx)
	if err != nil {
		return err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", loopback(c.Port))
	if err != nil {
		return fmt.Errorf("cannot listen on port %d; choose another with --port: %w", c.Port, err)
	}
	if _, err := fmt.Fprintf(s.err, "Submit with webhook=http://%s/\n", l.Addr()); err != nil {
		l.Close()
		return err
	}
	server := &http.Server{Handler: &eventReceiver{keys: keys, forward: c.Forward, out: s.out}, ReadTimeout: 15 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err = server.Shutdown(stop)
	if serr := <-ended; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return err
}

// eventReceiver verifies webhooks, prints them and passes them on.
type eventReceiver struct {
	keys    []string
	forward string

	mu  sync.Mutex // guards out
	out io.Writer
}

// printedEvent is the line of a webhook.
type printedEvent struct {
	ID       string          `json:"webhook_id"`
	Verified bool            `json:"verified"`
	Error    string          `json:"error,omitempty"`
	Answer   int             `json:"answer"` // the status that the service gets
	Event    json.RawMessage `json:"event,omitempty"`
}

func (r *eventReceiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxEvent))
	p := printedEvent{ID: req.Header.Get("Webhook-Id"), Answer: http.StatusNoContent}
	if err == nil {
		err = webhook.Verify(r.keys, req.Header, body, time.Now())
	}
	if p.Verified = err == nil && json.Valid(body); p.Verified {
		p.Event = body
	} else {
		p.Answer = http.StatusBadRequest
	}
	if p.Verified && r.forward != "" {
		p.Answer, err = r.passOn(req, body)
	}
	if err != nil {
		p.Error = err.Error()
	}
	w.WriteHeader(p.Answer)
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = json.NewEncoder(r.out).Encode(p) // the receiver goes on without its reader
}

// passOn posts a webhook to another receiver, and returns its status.
func (r *eventReceiver) passOn(from *http.Request, body []byte) (int, error) {
	ctx, cancel := context.WithTimeout(from.Context(), forwardTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.forward, bytes.NewReader(body))
	if err != nil {
		return http.StatusBadGateway, err
	}
	for _, name := range []string{"Content-Type", "Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"} {
		req.Header.Set(name, from.Header.Get(name))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return http.StatusBadGateway, err
	}
	resp.Body.Close()
	return resp.StatusCode, nil
}
