package awslocal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"claimcheck.example/internal/awslocal/sqsserver"
)

// The identity that signs requests unless Options say otherwise. It opens servers on
// loopback only and is not a secret.
const (
	DefaultRegion    = "us-east-1"
	DefaultAccessKey = "local"
	DefaultSecretKey = "localsecret"
)

// Options configure Start. Dir is required.
type Options struct {
	// Dir is the data folder: objects below s3/, the queues in queues.bolt. Start creates
	// it. One running pair of servers owns it.
	Dir string
	// S3Addr and SQSAddr are the addresses to listen on; empty means "127.0.0.1:0".
	S3Addr, SQSAddr string
	// Region, AccessKey and SecretKey are those of signatures; each has a default.
	Region, AccessKey, SecretKey string
	// Origins are the origins whose pages may send writes, besides the servers' own. "*"
	// allows all, for tests of pages whose origins are not known beforehand.
	Origins []string
	// NoSync leaves syncing to the system: acknowledged data survives a killed process, but
	// not a power cut. For tests.
	NoSync bool
	// Logger receives internal errors; nil discards them. The S3 server prints panics and
	// internal errors to standard error by itself.
	Logger *slog.Logger
	// Observe is called with every request on arrival, before it takes effect, from many
	// goroutines; may be nil.
	Observe func(Call)
}

// ErrInUse means that another process, or another pair of servers of this one, owns the
// data folder. The wrapping error names the folder.
var ErrInUse = errors.New("it is in use by another server; stop that one or choose another folder")

// ErrAddrTaken means that another program listens on an address. The wrapping error names
// the service and the address.
var ErrAddrTaken = errors.New("the port is taken; stop what listens there or choose another")

// ErrRunning means that this process already runs a pair of servers.
var ErrRunning = errors.New("this process runs local S3 and SQS servers already; close them first")

// running holds one token while a pair of servers runs in this process.
var running = make(chan struct{}, 1)

// Servers is a running pair of S3 and SQS. End it with Close.
type Servers struct {
	options Options
	s3      *s3Server
	sqs     *sqsserver.Server
	s3Front *http.Server
	sqsHTTP *http.Server
	s3URL   string
	sqsURL  string
	origin  string // working directory before Start
	// unused are connections without a request so far. Clients open some ahead of need, and
	// a server that shuts down would wait 5 s for them.
	unused sync.Map
}

// Start starts S3 and SQS and returns when both answer.
//
// It makes the S3 data folder the working directory of the process, as the package
// comment explains, and Close changes back. Meanwhile do not change the working directory
// or use relative paths. A process can run one pair at a time (else [ErrRunning]).
//
// Start fails with [ErrInUse] when another server owns the folder, and with
// [ErrAddrTaken] when another program listens on an address. Canceling ctx ends the
// start, not the servers.
func Start(ctx context.Context, o Options) (_ *Servers, err error) {
	if o.Dir == "" {
		return nil, errors.New("start local servers: no data folder given")
	}
	o.setDefaults()
	select {
	case running <- struct{}{}:
	default:
		return nil, ErrRunning
	}
	var undo []func()
	defer func() {
		if err != nil {
			for i := len(undo) - 1; i >= 0; i-- {
				undo[i]()
			}
			<-running
		}
	}()

	origin, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("start local servers: %w", err)
	}
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, fmt.Errorf("start local servers: %w", err)
	}
	objects := filepath.Join(o.Dir, "s3")
	if err := os.MkdirAll(objects, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}

	s := &Servers{options: o, origin: origin}
	s.sqs, err = sqsserver.New(sqsserver.Options{
		Path:   filepath.Join(o.Dir, "queues.bolt"),
		NoSync: o.NoSync,
		Region: o.Region, AccessKey: o.AccessKey, SecretKey: o.SecretKey,
		Logger: o.Logger,
		Observe: func(operation, queue string) {
			o.Observe(Call{Service: "SQS", Operation: operation, Resource: queue})
		},
	})
	if errors.Is(err, sqsserver.ErrLocked) {
		return nil, fmt.Errorf("data folder %s: %w", o.Dir, ErrInUse)
	}
	if err != nil {
		return nil, err
	}
	undo = append(undo, func() { _ = s.sqs.Close() })

	s3Listener, err := listen(ctx, "S3", o.S3Addr)
	if err != nil {
		return nil, err
	}
	undo = append(undo, func() { _ = s3Listener.Close() })
	sqsListener, err := listen(ctx, "SQS", o.SQSAddr)
	if err != nil {
		return nil, err
	}
	undo = append(undo, func() { _ = sqsListener.Close() })

	s.s3, err = startS3(ctx, objects, o)
	if err != nil {
		return nil, errors.Join(err, os.Chdir(origin))
	}
	s.s3Front, s.s3URL = serve(s3Listener, guard(s.s3, o.Origins), &s.unused, o.Logger)
	s.sqsHTTP, s.sqsURL = serve(sqsListener, guard(s.sqs, o.Origins), &s.unused, o.Logger)
	return s, nil
}

func (o *Options) setDefaults() {
	for _, d := range []struct {
		field    *string
		standard string
	}{
		{&o.S3Addr, "127.0.0.1:0"},
		{&o.SQSAddr, "127.0.0.1:0"},
		{&o.Region, DefaultRegion},
		{&o.AccessKey, DefaultAccessKey},
		{&o.SecretKey, DefaultSecretKey},
	} {
		if *d.field == "" {
			*d.field = d.standard
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Observe == nil {
		o.Observe = func(Call) {}
	}
}

func listen(ctx context.Context, service, addr string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s on %s: %w", service, addr, ErrAddrTaken)
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot listen: %w", service, err)
	}
	return l, nil
}

// writeBytes is how much of an answer the kernel takes before its client reads it. By
// default it takes megabytes, and this process spends its time to read objects that no
// client fetches to their end.
const writeBytes = 256 << 10

// serve answers on l; until then connections wait in l's queue.
func serve(l net.Listener, h http.Handler, unused *sync.Map, logger *slog.Logger) (_ *http.Server, url string) {
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		ConnState: func(c net.Conn, state http.ConnState) {
			if state == http.StateNew {
				unused.Store(c, nil)
				if tcp, ok := c.(*net.TCPConn); ok {
					_ = tcp.SetWriteBuffer(writeBytes) // the connection works without it as well
				}
			} else {
				unused.Delete(c)
			}
		},
	}
	go func() { _ = server.Serve(l) }() // always http.ErrServerClosed: Close is the only end
	return server, "http://" + l.Addr().String()
}

// Close stops accepting requests, waits until those that run have ended or ctx ends, and
// closes the data folder. It restores the working directory.
func (s *Servers) Close(ctx context.Context) error {
	s.sqs.Drain()
	for c := range s.unused.Range {
		_ = c.(net.Conn).Close()
	}
	stopped := make(chan error, 2)
	for _, server := range []*http.Server{s.s3Front, s.sqsHTTP} {
		go func() {
			err := server.Shutdown(ctx)
			if err != nil {
				err = errors.Join(err, server.Close())
			}
			stopped <- err
		}()
	}
	err := errors.Join(<-stopped, <-stopped, s.s3.close(), s.sqs.Close(), os.Chdir(s.origin))
	<-running
	if err != nil {
		return fmt.Errorf("close local servers: %w", err)
	}
	return nil
}
