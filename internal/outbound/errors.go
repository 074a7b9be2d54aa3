package outbound

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"

	"claimcheck.example/internal/job"
)

func upstream(format string, args ...any) *job.Error {
	return job.Errorf(job.Upstream, format, args...)
}

// status describes a status by its number and a standard phrase: the phrase of the other
// side may be anything.
func status(code int) string {
	if text := http.StatusText(code); text != "" {
		return fmt.Sprintf("%d %s", code, text)
	}
	return fmt.Sprint(code)
}

// explain gives an error of a request its kind and a sentence. The URL, which package
// net/http adds to its errors, is taken off.
func explain(ctx context.Context, err error) error {
	if e, ok := errors.AsType[*job.Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*job.Error](context.Cause(ctx)); ok {
		return e
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if ctx.Err() != nil {
		return job.Wrap(job.Canceled, err, "the caller left before the server answered")
	}
	return job.Wrap(job.Upstream, err, sentence(err))
}

func sentence(err error) string {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "the host name does not resolve"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the certificate of the server is not valid for this host"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return "the server does not speak TLS"
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return "the server refuses the TLS connection"
	}
	timeout, isTimeout := errors.AsType[net.Error](err)
	isTimeout = isTimeout && timeout.Timeout()
	dial, isDial := errors.AsType[*net.OpError](err)
	isDial = isDial && dial.Op == "dial"
	switch {
	case isDial && errors.Is(err, syscall.ECONNREFUSED):
		return "the server refuses the connection"
	case isDial:
		return "the server cannot be reached"
	case isTimeout:
		return "the server does not answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the server breaks off the connection"
	}
	return "the server does not answer by the rules of HTTP"
}
