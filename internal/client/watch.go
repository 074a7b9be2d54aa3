package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// silence is how long a stream may say nothing. A server says something every 15 s.
const silence = 45 * time.Second

// Watch calls changed with the status of a job now and at each change, until the job is over or
// changed returns an error. It reads the server's stream of events and reconnects where that
// breaks off. With a server that cannot stream it waits for the end of the job.
func (c *Client) Watch(ctx context.Context, job string, changed func(*Job) error) error {
	u, tell, err := c.find(job)
	if err != nil {
		return err
	}
	f := &follower{c: c, url: u, changed: changed, retry: time.Second}
	for failures := 1; ; failures++ {
		seen := f.id
		over, err := f.read(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case over:
			return err
		case errors.Is(err, errNoStream):
			return c.watchByWaits(ctx, job, changed)
		case f.id != seen || err == nil: // it got somewhere
			failures = 0
		case failures == maxTries || !passes(err):
			return tell(err)
		}
		if err := pause(ctx, max(f.retry, backoff(max(failures, 1)))); err != nil {
			return err
		}
	}
}

// watchByWaits is Watch with the status now and at the end alone.
func (c *Client) watchByWaits(ctx context.Context, job string, changed func(*Job) error) error {
	for _, wait := range []bool{false, true} {
		j, err := c.Status(ctx, job, wait)
		if err != nil {
			return err
		}
		if err := changed(j); err != nil || j.Over() {
			return err
		}
	}
	return nil
}

// errNoStream says that the server does not answer with a stream.
var errNoStream = errors.New("the server does not stream")

// passes reports whether a request may succeed later.
func passes(err error) bool {
	p, isProblem := errors.AsType[*Problem](err)
	return !isProblem || p.Status == http.StatusTooManyRequests || p.Status >= 500
}

// follower reads one job's stream, over several connections.
type follower struct {
	c       *Client
	url     string
	changed func(*Job) error
	id      string        // of the last event
	retry   time.Duration // before the next connection
}

// read reads one connection to its end. over says that there is nothing more to read.
func (f *follower) read(ctx context.Context) (over bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	header := map[string]string{"Accept": "text/event-stream"}
	if f.id != "" {
		header["Last-Event-ID"] = f.id
	}
	resp, err := f.c.send(ctx, request{method: http.MethodGet, url: f.url, header: header})
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	switch contentType := resp.Header.Get("Content-Type"); {
	case resp.StatusCode == http.StatusNoContent:
		return true, nil // the last event is the one that we have
	case resp.StatusCode == http.StatusNotAcceptable, resp.StatusCode/100 == 2 && !strings.HasPrefix(contentType, "text/event-stream"):
		return false, errNoStream
	case resp.StatusCode != http.StatusOK:
		raw, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		f.retry = max(time.Second, retryAfter(resp))
		return false, problemOf(resp, raw)
	}
	mute := time.AfterFunc(silence, func() { cancel(errors.New("the stream is silent")) })
	defer mute.Stop()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxAnswer)
	var e event
	for lines.Scan() {
		mute.Reset(silence)
		switch name, value, _ := strings.Cut(lines.Text(), ":"); name {
		case "id":
			e.id = strings.TrimPrefix(value, " ")
		case "data":
			e.data += strings.TrimPrefix(value, " ")
		case "retry":
			if ms, err := strconv.Atoi(strings.TrimSpace(value)); err == nil {
				f.retry = min(time.Duration(max(ms, 0))*time.Millisecond, time.Minute)
			}
		case "": // a comment, or the end of an event
			if lines.Text() != "" || e.data == "" {
				continue
			}
			if over, err := f.take(e); over || err != nil {
				return true, err
			}
			e = event{}
		}
	}
	if err := lines.Err(); err != nil {
		return false, fmt.Errorf("the stream of %s broke off: %w", resp.Request.URL.Host, err)
	}
	return false, nil
}

type event struct{ id, data string }

func (f *follower) take(e event) (over bool, err error) {
	j := &Job{}
	if json.Unmarshal([]byte(e.data), j) != nil {
		return false, &Problem{Status: http.StatusOK, Detail: strange}
	}
	j.URL, f.id = f.url, e.id
	return j.Over(), f.changed(j)
}
