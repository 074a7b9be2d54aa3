package sqsserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/uuid"
)

const (
	// maxRequestBytes bounds a request's body: a batch of 1 MiB in its worst escaping.
	maxRequestBytes = 8 << 20
	// expireEvery is the time between two deletions of expired messages.
	expireEvery = time.Minute
)

// Options configure New. Path, Region, AccessKey and SecretKey are required.
type Options struct {
	// Path is the bbolt file, which New creates.
	Path string
	// NoSync leaves syncing to the system: acknowledged messages survive a killed process,
	// but not a power cut.
	NoSync bool
	// Region, AccessKey and SecretKey are those of signatures.
	Region, AccessKey, SecretKey string
	// Logger receives internal failures; nil discards them.
	Logger *slog.Logger
	// Now is the clock of visibility and retention; nil is time.Now.
	Now func() time.Time
	// Observe is called with each authenticated request before it takes effect; may
	// be nil. Queue is the queue's name, empty where the operation has none.
	Observe func(operation, queue string)
}

// Server is the http.Handler of one SQS endpoint.
type Server struct {
	store      *store
	verifier   *verifier
	operations map[string]operation
	logger     *slog.Logger
	observe    func(operation, queue string)
	notifier   notifier

	drain     chan struct{} // closed by Drain
	drainOnce sync.Once
	stop      context.CancelFunc
	swept     chan struct{} // closed when the sweeper has ended
}

// New opens the database and returns its server. It fails with [ErrLocked] when another
// server has the database open. End the server with Close.
func New(o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Observe == nil {
		o.Observe = func(string, string) {}
	}
	st, err := openStore(o.Path, !o.NoSync, o.Now)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{
		store: st,
		verifier: &verifier{
			credentials: aws.Credentials{AccessKeyID: o.AccessKey, SecretAccessKey: o.SecretKey},
			region:      o.Region,
			now:         time.Now,
		},
		operations: operations(),
		logger:     o.Logger,
		observe:    o.Observe,
		drain:      make(chan struct{}),
		stop:       stop,
		swept:      make(chan struct{}),
	}
	go s.sweep(ctx)
	return s, nil
}

// Drain ends waiting long polls, and makes new ones return at once, so that an
// http.Server in front can shut down soon.
func (s *Server) Drain() {
	s.drainOnce.Do(func() { close(s.drain) })
}

// Close drains and closes the database. No request may run any more.
func (s *Server) Close() error {
	s.Drain()
	s.stop()
	<-s.swept
	return s.store.close()
}

// sweep deletes expired messages until ctx ends.
func (s *Server) sweep(ctx context.Context) {
	defer close(s.swept)
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	for {
		if err := s.store.expire(); err != nil {
			s.logger.Error("expiring messages", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// request is the part of the HTTP request that operations see.
type request struct {
	ctx context.Context
	// base is the URL under which the client reached the server.
	base string
}

// operation is one action of the API, for both protocols.
type operation struct {
	input func() any
	run   func(s *Server, r request, input any) (any, error)
}

func operationOf[I, O any](run func(s *Server, r request, input *I) (*O, error)) operation {
	return operation{
		input: func() any { return new(I) },
		run: func(s *Server, r request, input any) (any, error) {
			out, err := run(s, r, input.(*I))
			if err != nil {
				return nil, err // not a typed nil in an interface
			}
			return out, nil
		},
	}
}

func operations() map[string]operation {
	return map[string]operation{
		"CreateQueue":                  operationOf((*Server).createQueue),
		"GetQueueUrl":                  operationOf((*Server).getQueueURL),
		"ListQueues":                   operationOf((*Server).listQueues),
		"ListDeadLetterSourceQueues":   operationOf((*Server).listSourceQueues),
		"DeleteQueue":                  operationOf((*Server).deleteQueue),
		"PurgeQueue":                   operationOf((*Server).purgeQueue),
		"GetQueueAttributes":           operationOf((*Server).getQueueAttributes),
		"SetQueueAttributes":           operationOf((*Server).setQueueAttributes),
		"TagQueue":                     operationOf((*Server).tagQueue),
		"UntagQueue":                   operationOf((*Server).untagQueue),
		"ListQueueTags":                operationOf((*Server).listQueueTags),
		"SendMessage":                  operationOf((*Server).sendMessage),
		"SendMessageBatch":             operationOf((*Server).sendMessageBatch),
		"ReceiveMessage":               operationOf((*Server).receiveMessage),
		"DeleteMessage":                operationOf((*Server).deleteMessage),
		"DeleteMessageBatch":           operationOf((*Server).deleteMessageBatch),
		"ChangeMessageVisibility":      operationOf((*Server).changeVisibility),
		"ChangeMessageVisibilityBatch": operationOf((*Server).changeVisibilityBatch),
	}
}

// ServeHTTP answers one request in its own protocol.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "SQS takes POST only", http.StatusMethodNotAllowed)
		return
	}
	p := protocolOf(r)
	out, err := s.answer(r, p)
	if err != nil {
		f, ok := errors.AsType[*failure](err)
		if !ok {
			s.logger.Error("queue server failed", "operation", p.action(), "error", err)
			f = internalFailure()
		}
		p.writeFailure(w, f)
		return
	}
	received, _ := out.(*receiveOutput)
	if received != nil && r.Context().Err() != nil {
		received.undo()
		return
	}
	if err := p.write(w, out); err != nil && received != nil {
		received.undo()
	}
}

func (s *Server) answer(r *http.Request, p protocol) (any, error) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxRequestBytes))
	if err != nil {
		return nil, fail("InvalidParameterValue", "the request's body could not be read, or has more than %d bytes", maxRequestBytes)
	}
	if f := s.verifier.verify(r, body); f != nil {
		return nil, f
	}
	if err := p.parse(body); err != nil {
		return nil, err
	}
	op, ok := s.operations[p.action()]
	if !ok {
		return nil, fail("InvalidAction", "The action %.60q is not valid for this endpoint.", p.action())
	}
	input := op.input()
	if err := p.decode(input); err != nil {
		return nil, err
	}
	s.observe(p.action(), queueOfInput(input))
	return op.run(s, request{ctx: r.Context(), base: "http://" + r.Host}, input)
}

// protocol is one of the two wire formats, for one request.
type protocol interface {
	// parse reads the outer form of the body.
	parse(body []byte) error
	// action returns the operation's name; for a query request only after parse.
	action() string
	decode(into any) error
	// write fails when the client is known not to have received the answer.
	write(w http.ResponseWriter, out any) error
	writeFailure(w http.ResponseWriter, f *failure)
}

// protocolOf chooses the protocol as the service does, by X-Amz-Target.
func protocolOf(r *http.Request) protocol {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		_, action, _ := strings.Cut(target, ".")
		return &jsonProtocol{name: action, requestID: uuid.NewString()}
	}
	return &queryProtocol{path: r.URL.Path, requestID: uuid.NewString()}
}

type jsonProtocol struct {
	name      string
	requestID string
	body      []byte
}

func (p *jsonProtocol) parse(body []byte) error {
	p.body = body
	return nil
}

func (p *jsonProtocol) action() string { return p.name }

func (p *jsonProtocol) decode(into any) error {
	if err := json.Unmarshal(p.body, into); err != nil {
		return fail("SerializationException", "the body is not the JSON that %s takes", p.name)
	}
	return nil
}

func (p *jsonProtocol) write(w http.ResponseWriter, out any) error {
	b, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("marshal answer: %w", err)
	}
	p.header(w)
	return writeAll(w, http.StatusOK, b)
}

func (p *jsonProtocol) writeFailure(w http.ResponseWriter, f *failure) {
	fault := "Sender"
	if !f.sender() {
		fault = "Receiver"
	}
	p.header(w)
	w.Header().Set("X-Amzn-Query-Error", f.code+";"+fault)
	b, _ := json.Marshal(map[string]string{"__type": "com.amazonaws.sqs#" + f.shape, "message": f.message})
	_ = writeAll(w, f.status, b)
}

func (p *jsonProtocol) header(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("X-Amzn-Requestid", p.requestID)
}

type queryProtocol struct {
	path      string // of the URL; a client may post to the queue itself
	requestID string
	form      url.Values
}

func (p *queryProtocol) parse(body []byte) error {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return fail("MalformedQueryString", "the body is not a form")
	}
	if form.Get("QueueUrl") == "" && strings.Count(p.path, "/") == 2 {
		form.Set("QueueUrl", p.path)
	}
	p.form = form
	return nil
}

func (p *queryProtocol) action() string { return p.form.Get("Action") }

func (p *queryProtocol) decode(into any) error { return decodeQuery(p.form, into) }

func (p *queryProtocol) write(w http.ResponseWriter, out any) error {
	w.Header().Set("Content-Type", "text/xml")
	return writeAll(w, http.StatusOK, encodeQuery(p.action(), out, p.requestID))
}

func (p *queryProtocol) writeFailure(w http.ResponseWriter, f *failure) {
	w.Header().Set("Content-Type", "text/xml")
	_ = writeAll(w, f.status, encodeQueryFailure(f, p.requestID))
}

// writeAll writes and flushes, so that it notices a broken connection.
func writeAll(w http.ResponseWriter, status int, b []byte) error {
	w.Header().Set("Content-Length", fmt.Sprint(len(b)))
	w.WriteHeader(status)
	if _, err := w.Write(b); err != nil {
		return err
	}
	return http.NewResponseController(w).Flush()
}
