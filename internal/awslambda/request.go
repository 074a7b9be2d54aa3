package awslambda

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdaurl"
)

// lastWords is the largest part of an invocation's time that is reserved for ending an
// answer properly, which Lambda does not do when its own time is over.
const lastWords = time.Second

func (f *Function) request(ctx context.Context, e *events.LambdaFunctionURLRequest) (any, error) {
	ctx, cancel := ending(ctx)
	x := &exchange{cancel: cancel, flush: f.Flush, ended: make(chan struct{}), unknown: true}
	head := e.RequestContext.HTTP.Method == http.MethodHead
	length := bodyLength(e)
	answer, err := lambdaurl.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(x.ended)
		// A handler aborts an answer by this panic.
		defer func() {
			if v := recover(); v == http.ErrAbortHandler {
				x.broken.Store(true)
			} else if v != nil {
				panic(v)
			}
		}()
		r.ContentLength = length // the wrapper does not set it
		w = unbuffered{w}
		if head {
			w = bodiless{w}
		}
		f.API.ServeHTTP(w, r)
	}))(ctx, e)
	if err != nil { // the handler did not run
		cancel()
		return malformed(), nil
	}
	x.body = answer.Body
	if n, err := strconv.ParseInt(answer.Headers["Content-Length"], 10, 64); err == nil && !head {
		x.left, x.unknown = n, false
	}
	answer.Body = x
	return answer, nil
}

// ending returns a context that ends shortly before ctx.
func ending(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-min(lastWords, time.Until(deadline)/10)))
}

// bodyLength returns the length of a request's body, in bytes.
func bodyLength(e *events.LambdaFunctionURLRequest) int64 {
	if !e.IsBase64Encoded {
		return int64(len(e.Body))
	}
	padding := strings.Count(e.Body[max(0, len(e.Body)-2):], "=")
	return int64(base64.StdEncoding.DecodedLen(len(e.Body)) - padding)
}

// malformed is the answer for an invalid path.
func malformed() *events.LambdaFunctionURLStreamingResponse {
	return &events.LambdaFunctionURLStreamingResponse{
		StatusCode: http.StatusBadRequest,
		Headers:    map[string]string{"Content-Type": "application/problem+json"},
		Body:       strings.NewReader(`{"type":"about:blank","title":"Bad Request","status":400,"detail":"the path of this URL is malformed"}` + "\n"),
	}
}

// exchange is the body of an answer to Lambda. Lambda's client reads it to the end and
// closes it before it asks for the next event.
type exchange struct {
	body    io.Reader
	left    int64         // bytes announced and not yet read
	unknown bool          // whether left is unknown
	broken  atomic.Bool   // the handler aborted the answer
	ended   chan struct{} // closed when the handler has returned
	cancel  context.CancelFunc
	flush   func()
}

// Read returns an error at the end of an incomplete answer, so that the client sees a
// failure.
func (x *exchange) Read(p []byte) (int, error) {
	n, err := x.body.Read(p)
	x.left -= int64(n)
	switch {
	case err != io.EOF:
	case x.broken.Load():
		return n, errors.New("the answer broke off")
	case !x.unknown && x.left > 0:
		return n, fmt.Errorf("the answer broke off, %d bytes early", x.left)
	}
	return n, err
}

// Close waits for the handler, whose client may have gone, and flushes.
func (x *exchange) Close() error {
	x.cancel()
	if c, ok := x.body.(io.Closer); ok {
		c.Close()
	}
	<-x.ended
	x.flush()
	return nil
}

// unbuffered is an answer each of whose writes goes to Lambda at once.
type unbuffered struct{ http.ResponseWriter }

// Flush implements http.Flusher.
func (unbuffered) Flush() {}

// bodiless drops the body of an answer to HEAD, as net/http's server does.
type bodiless struct{ http.ResponseWriter }

func (w bodiless) Write(p []byte) (int, error) {
	if _, err := w.ResponseWriter.Write(nil); err != nil {
		return 0, err
	}
	return len(p), nil
}
