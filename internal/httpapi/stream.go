package httpapi

import (
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"claimcheck.example/internal/job"
)

const (
	// heartbeat is the interval of comments in a stream, so that no proxy closes it as idle.
	heartbeat = 15 * time.Second
	// streamLife bounds a stream. Its client comes again, with a token that is judged again.
	streamLife = 5 * time.Minute
	// retryFull is the reconnect time of a client for which there is no place.
	retryFull = 5 * time.Second
)

// wantsEvents reports whether the client prefers a stream of events to a JSON document.
func wantsEvents(h http.Header) bool {
	var events, document float64
	for entry := range strings.SplitSeq(strings.Join(h.Values("Accept"), ","), ",") {
		mediaType, params, err := mime.ParseMediaType(entry)
		if err != nil {
			continue
		}
		q, err := strconv.ParseFloat(params["q"], 64)
		if err != nil {
			q = 1
		}
		switch mediaType {
		case "text/event-stream":
			events = q
		case "application/json":
			document = q
		}
	}
	return events > 0 && events >= document
}

// stream answers GET /jobs/{job_id} with server-sent events (HTML Living Standard, 9.2): the
// status now and at each change, until the job is over. A client that names the last status
// that it has by Last-Event-ID gets what follows it. Where nothing can follow the answer is
// 204, which ends the reconnects of a browser.
func (a *api) stream(w http.ResponseWriter, r *request, id job.ID) error {
	watch, j, err := a.Service.Watch(r.Context(), r.who, id)
	if err != nil {
		return failing(id, err)
	}
	defer watch.Close()
	h := w.Header()
	h.Set("Cache-Control", "no-store, no-transform")
	h.Set("X-Accel-Buffering", "no") // for nginx
	e := &events{w: w, control: http.NewResponseController(w), idle: a.IdleTimeout, last: unquoted(r.Header.Get("Last-Event-ID"))}
	v := a.view(r.base, j)
	if j.Status.Over() && e.has(v) {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if !flushes(w) {
		return &statusError{job.Errorf(job.Invalid, "this server cannot stream; ask for application/json, and wait for the end of the job by Prefer: wait=60"), http.StatusNotAcceptable, "not_acceptable"}
	}
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Content-Type-Options", "nosniff")
	e.status(v)
	if j.Status.Over() {
		return nil
	}
	if !watch.Follows() { // others of this owner have all the places
		e.comeAgain(retryFull)
		return nil
	}
	for end := a.Now().Add(streamLife); e.failed == nil; {
		now, err := watch.Next(r.Context(), heartbeat)
		switch {
		case r.Context().Err() != nil || ends(err):
			return nil // the client has left, or learns the reason by its reconnect
		case now != nil:
			if e.status(a.view(r.base, now)); now.Status.Over() {
				return nil
			}
		case watch.Draining() || a.Now().After(end):
			e.comeAgain(time.Second)
			return nil
		default:
			e.comment()
		}
	}
	return nil
}

// ends reports whether an error of a watch ends it. Others, such as an outage of storage,
// pass.
func ends(err error) bool {
	switch job.KindOf(err) {
	case job.NotFound, job.Denied, job.Corrupt:
		return true
	}
	return false
}

// flushes reports whether what is written to w can be sent before its end.
func flushes(w http.ResponseWriter) bool {
	for {
		switch v := w.(type) {
		case http.Flusher, interface{ FlushError() error }:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return false
		}
	}
}

// events is a stream of events on its way to its client.
type events struct {
	w       io.Writer
	control *http.ResponseController
	idle    time.Duration // for which the client may take nothing
	last    string        // the identifier of the last event that the client has
	failed  error         // why the client gets no more
}

func unquoted(tag string) string { return strings.Trim(tag, `"`) }

// has reports whether the client has this status already.
func (e *events) has(v statusView) bool { return e.last == unquoted(statusTag(v)) }

// status sends a status, or only a comment if the client has it.
func (e *events) status(v statusView) {
	if e.has(v) {
		e.comment()
		return
	}
	tag := statusTag(v)
	e.last = unquoted(tag)
	e.send("event: status\nid: " + tag + "\ndata: " + string(encodeJSON(v))) // one line of JSON
}

// comment sends what no client sees.
func (e *events) comment() { e.send(":\n") }

// comeAgain asks the client to reconnect after about d, and is the last of the stream.
func (e *events) comeAgain(d time.Duration) {
	e.send("retry: " + strconv.FormatInt((d+rand.N(d)).Milliseconds(), 10) + "\n")
}

// send sends an event, whose end is an empty line, at once.
func (e *events) send(event string) {
	if e.failed != nil {
		return
	}
	// Up to the next one nothing is written; a deadline that has passed cannot be renewed.
	e.control.SetWriteDeadline(time.Now().Add(heartbeat + e.idle))
	if _, e.failed = io.WriteString(e.w, event+"\n"); e.failed == nil {
		e.failed = e.control.Flush()
	}
}
