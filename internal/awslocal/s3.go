package awslocal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"

	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3api"
	"github.com/versity/versitygw/s3api/middlewares"
	"github.com/versity/versitygw/s3response"

	"claimcheck.example/internal/early"
)

const (
	maxCopyBytes   = 5 << 30 // of one CopyObject, S3's limit
	maxParts       = 10_000  // of one upload, S3's limit
	maxConnections = 1024
)

// s3Server is versitygw behind an http.Handler. The gateway can only listen by itself,
// does not report its port, and does not drain when it stops. So it listens on a Unix
// socket beside its data, and the front server does the rest.
type s3Server struct {
	gateway   *s3api.S3ApiServer
	backend   backend.Backend
	transport *http.Transport
	proxy     *httputil.ReverseProxy
	observe   func(Call)
	served    chan error // the gateway's result
}

// startS3 starts the gateway over dir and returns when it listens. It makes dir the
// working directory.
func startS3(ctx context.Context, dir string, o Options) (*s3Server, error) {
	if err := (meta.XattrMeta{}).Test(dir); err != nil {
		return nil, fmt.Errorf("data folder %s: its file system has no extended attributes, which hold the objects' metadata: %w", dir, err)
	}
	disk, err := posix.New(dir, meta.XattrMeta{}, posix.PosixOpts{
		CopyObjectThreshold: maxCopyBytes,
		ForceNoObjLockFile:  true, // one process owns the folder
	})
	if err != nil {
		return nil, fmt.Errorf("open S3 data folder: %w", err)
	}
	if err := reopen(dir); err != nil {
		return nil, fmt.Errorf("open S3 data folder: %w", err)
	}
	var be backend.Backend = whole{disk}
	if !o.NoSync {
		be = &synced{Backend: be, root: dir}
	}
	listening := make(chan struct{})
	gateway, err := s3api.New(be,
		middlewares.RootUserConfig{Access: o.AccessKey, Secret: o.SecretKey}, o.Region,
		auth.NewIAMServiceSingle(auth.Account{Access: o.AccessKey, Secret: o.SecretKey, Role: auth.RoleAdmin}),
		nil, nil, nil, nil,
		s3api.WithQuiet(), s3api.WithKeepAlive(), s3api.WithMpMaxParts(maxParts),
		s3api.WithConcurrencyLimiter(maxConnections, maxConnections),
		s3api.WithOnListen(func() { close(listening) }))
	if err != nil {
		be.Shutdown()
		return nil, fmt.Errorf("set up S3: %w", err)
	}
	// The path is relative to the working directory, as all paths of the gateway are, since
	// an absolute one can be too long for a socket's address.
	socket := filepath.Join("..", "s3.sock")
	s := &s3Server{
		gateway: gateway,
		backend: be,
		observe: o.Observe,
		served:  make(chan error, 1),
		transport: &http.Transport{
			// The gateway refuses an upload before its end, and hangs up.
			DialContext: early.Answers(func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", socket)
			}),
			MaxIdleConnsPerHost: maxConnections,
			DisableCompression:  true,
		},
	}
	s.proxy = &httputil.ReverseProxy{
		Transport: s.transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", "s3.local"
			r.Out.Host = r.In.Host // the signature includes it
			// The gateway does not read a chunked body that it refuses, and would read it as
			// the next request of the connection.
			r.Out.Close = r.In.ContentLength != 0
		},
		ModifyResponse: func(r *http.Response) error {
			stripChunkedEncoding(r)
			readRefused(r)
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			o.Logger.Debug("S3 request broke off", "method", r.Method, "error", err)
			w.WriteHeader(http.StatusServiceUnavailable)
		},
	}
	go func() { s.served <- gateway.ServeMultiPort([]string{socket}) }()
	select {
	case <-listening:
		// The gateway reports that it listens before it knows its listener, and a shutdown in
		// between would be lost. An answer proves that it knows.
		if err := s.answers(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("start S3: %w", err), s.close())
		}
		return s, nil
	case err := <-s.served:
		be.Shutdown()
		return nil, fmt.Errorf("start S3: %w", err)
	case <-ctx.Done():
		return nil, errors.Join(fmt.Errorf("start S3: %w", context.Cause(ctx)), s.close())
	}
}

// answers waits for any answer of the gateway.
func (s *s3Server) answers(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://s3.local/", nil)
	if err != nil {
		return err
	}
	a, err := s.transport.RoundTrip(r)
	if err != nil {
		return err
	}
	return a.Body.Close()
}

func (s *s3Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.observe(s3Call(r))
	if r.ContentLength != 0 {
		r.Body = io.NopCloser(r.Body) // the server closes it: see readRefused
	}
	s.proxy.ServeHTTP(metadataWriter{w}, r)
}

// metadataWriter writes the names of user metadata in lower case, as S3 does: the SDK for
// Python passes them on unchanged.
type metadataWriter struct{ http.ResponseWriter }

func (w metadataWriter) WriteHeader(status int) {
	header := w.Header()
	for name, values := range header {
		if strings.HasPrefix(name, "X-Amz-Meta-") {
			delete(header, name)
			header[strings.ToLower(name)] = values
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController flush.
func (w metadataWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// stripChunkedEncoding removes the transfer coding from the stored Content-Encoding: S3
// does not store it, the gateway does.
func stripChunkedEncoding(r *http.Response) {
	if r.Header.Get("Content-Encoding") == "aws-chunked" {
		r.Header.Del("Content-Encoding")
	}
}

// maxRefused bounds what is read of a refused upload, in bytes.
const maxRefused = 64 << 20

// readRefused reads the rest of an upload that the gateway refuses: a connection that is
// closed while its client sends is reset, and the client does not see why.
func readRefused(r *http.Response) {
	if body := r.Request.Body; r.StatusCode >= 300 && body != nil {
		_, _ = io.CopyN(io.Discard, body, maxRefused)
	}
}

// close stops the gateway. The front server has been shut down before, so no request
// runs.
func (s *s3Server) close() error {
	s.transport.CloseIdleConnections()
	err := s.gateway.ShutDown()
	<-s.served
	s.backend.Shutdown()
	return err
}

// reopen renames uploads back that a killed process was completing. Under the other name
// the gateway would report that another request is completing them.
func reopen(dir string) error {
	busy, err := filepath.Glob(filepath.Join(dir, "*", posix.MetaTmpMultipartDir, "*", "*.inprogress"))
	if err != nil {
		return err
	}
	for _, name := range busy {
		id, _, _ := strings.Cut(filepath.Base(name), ".")
		if err := os.Rename(name, filepath.Join(filepath.Dir(name), id)); err != nil {
			return err
		}
	}
	return nil
}

// whole refuses a body that is shorter than announced, which the gateway would store.
type whole struct{ backend.Backend }

func (w whole) PutObject(ctx context.Context, in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	if in.ContentLength != nil { // for a chunked body its decoded length
		body := &exactly{in.Body, *in.ContentLength}
		in.Body = body
		if sums, ok := body.Reader.(middlewares.ChecksumReader); ok {
			in.Body = exactSums{body, sums}
		}
	}
	return w.Backend.PutObject(ctx, in)
}

type exactly struct {
	io.Reader
	left int64
}

func (e *exactly) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p)
	if e.left -= int64(n); err == io.EOF && e.left > 0 {
		err = errors.New("the body is shorter than announced")
	}
	return n, err
}

// exactSums keeps the methods that the gateway needs of a body with a checksum.
type exactSums struct {
	*exactly
	sums middlewares.ChecksumReader
}

func (e exactSums) Algorithm() string { return e.sums.Algorithm() }
func (e exactSums) Checksum() string  { return e.sums.Checksum() }
