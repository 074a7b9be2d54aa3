package app

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"claimcheck.example/internal/awsclient"
	"claimcheck.example/internal/config"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/limiter"
	"claimcheck.example/internal/pgstore"
	"claimcheck.example/internal/proof"
	"claimcheck.example/internal/s3store"
	"claimcheck.example/internal/sqsqueue"
)

// documents is everything that a backend for documents has: the documents themselves, the
// list of them, and the usage records.
type documents interface {
	job.Documents
	job.Index
	job.Ledger
	job.Lists
	job.EventLogs
	// ReadUsageOfAll yields the usage records of the days from..to, owner by owner, for
	// each owner day by day. It ends at the first error.
	ReadUsageOfAll(ctx context.Context, from, to time.Time) iter.Seq2[[]byte, error]
	Ready(context.Context) error
}

// prover is a backend for documents that must be proved before it is used.
type prover interface {
	Proved(context.Context) error
}

// objects is everything that a backend for images and results has.
type objects interface {
	job.Objects
	job.Presigner
	Ready(context.Context) error
}

// queue is everything that a backend for messages has.
type queue interface {
	job.Queue
	// DeadLetters returns the queue of the messages that this one has given up.
	DeadLetters(context.Context) (job.DeadLetters, error)
	// Depth counts the messages.
	Depth(context.Context) (job.Depth, error)
}

// backends are where the jobs of a process live. Documents, objects and queue are chosen
// apart from each other.
type backends struct {
	documents documents
	objects   objects
	queue     queue
	webhooks  queue            // it may be queue
	limiter   *limiter.Limiter // of the memory of uploads
	databases databases
	sweeps    []sweep // what no backend does by itself
}

const (
	// smallUpload is the size up to which an upload is a small one.
	smallUpload = 256 << 10
	// largeUploads is how many large uploads are read at once, each into a buffer that is
	// as large as a part.
	largeUploads = 12
)

// newLimiter returns the budget of the memory of uploads: a submit waits for its turn as
// long as its client can wait for an answer.
func newLimiter(c *config.Config, partBytes int) *limiter.Limiter {
	return limiter.New(limiter.Options{
		Small: limiter.Share{Bytes: smallUpload, Uploads: c.MaxUploads, Wait: 5 * time.Second},
		Large: limiter.Share{Bytes: int64(partBytes), Uploads: min(largeUploads, c.MaxUploads), Wait: 30 * time.Second},
	})
}

// newOutputs returns the places of the outputs that are sent at once. Each holds a buffer, a
// connection of its client and one of the storage.
func newOutputs(c *config.Config) *limiter.Pool {
	return limiter.NewPool(limiter.PoolOptions{Places: c.MaxOutputs, Wait: 10 * time.Second, Of: "outputs"})
}

// openBackends chooses the backends by the locations in c. It dials no backend, and loads the AWS
// settings only for what lives on AWS.
func openBackends(c *config.Config, tel *Telemetry, role Role, load func() (aws.Config, error)) (*backends, error) {
	b := &backends{databases: databases{}}
	memory := s3store.NewMemory(s3store.MemoryOptions{
		Small: c.MaxUploads, Large: largeUploads, SmallBytes: smallUpload, Spare: func() (func(), bool) { return b.limiter.TryAcquire() },
	})
	b.limiter = newLimiter(c, memory.PartBytes())
	clients := newAWSClients(tel, load)
	clients.passesOn = role != RoleWorker
	o := opener{aws: clients, databases: b.databases, with: c.Documents(), memory: memory, uploadKeys: c.UploadKeys, wait: c.ExitWhenIdle, noGroups: !c.MessageGroups}
	var err error
	if b.documents, err = o.documents(c.Documents()); err == nil {
		b.objects, err = o.objects(c.Objects())
	}
	if err == nil {
		b.queue, err = o.queue(c.Queue())
	}
	if err == nil {
		b.webhooks, err = o.webhooks(c, b.queue)
	}
	if err != nil {
		b.databases.close()
		return nil, err
	}
	b.sweeps = sweepsOf(c, b)
	return b, nil
}

// proofWait is how long a start waits for the finding of a store under a custom endpoint.
const proofWait = 5 * time.Second

// proved refuses documents in a store that is not proved. A store that does not answer now
// is asked again before the first write, which it then refuses.
func (b *backends) proved(ctx context.Context) error {
	p, ok := b.documents.(prover)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, proofWait)
	defer cancel()
	if err := p.Proved(ctx); errors.Is(err, proof.ErrUnproved) {
		return err
	}
	return nil
}

// opener opens backends by their locations. A new backend is one more case here.
type opener struct {
	aws        *awsClients
	databases  databases
	with       config.Location // where the documents are
	memory     *s3store.Memory // nil for the default
	uploadKeys []string
	wait       time.Duration // of a Receive; zero for the default
	noGroups   bool
}

func (o opener) documents(at config.Location) (documents, error) {
	switch at.Scheme() {
	case "s3":
		return o.store(at, s3store.ForDocuments)
	case "postgres":
		return o.databases.documents(at)
	}
	return nil, fmt.Errorf("cannot keep documents in %s", at)
}

func (o opener) objects(at config.Location) (objects, error) {
	switch at.Scheme() {
	case "s3":
		return o.store(at, s3store.ForBytes)
	case "file":
		return openFolder(at, o.uploadKeys)
	}
	return nil, fmt.Errorf("cannot keep images in %s", at)
}

func (o opener) queue(at config.Location) (queue, error) {
	switch at.Scheme() {
	case "http", "https":
		return o.aws.queue(string(at), sqsqueue.Options{Wait: o.wait, NoGroups: o.noGroups})
	case "postgres":
		return o.databases.queue(at, pgstore.QueueOptions{Wait: o.wait, Documents: at == o.with})
	}
	return nil, fmt.Errorf("cannot send messages to %s", at)
}

// webhooks opens the queue of webhooks, which may be that of the jobs.
func (o opener) webhooks(c *config.Config, jobs queue) (queue, error) {
	at, shared := c.WebhookQueue()
	switch {
	case shared:
		return jobs, nil
	case at.Scheme() == "postgres":
		return o.databases.queue(at, pgstore.QueueOptions{Name: "webhooks", Wait: o.wait})
	}
	return o.queue(at)
}

func (o opener) store(at config.Location, proof s3store.Proof) (*s3store.Store, error) {
	return o.aws.store(at.Bucket(), s3store.Options{Memory: o.memory, Proof: proof})
}

// awsClients makes clients of S3 and SQS, one store for each bucket.
type awsClients struct {
	load   func() (aws.Config, error)
	tel    *Telemetry
	stores map[string]*s3store.Store
	// passesOn says that this process passes outputs on to clients, which may be slow.
	passesOn bool
}

func newAWSClients(tel *Telemetry, load func() (aws.Config, error)) *awsClients {
	return &awsClients{load: sync.OnceValues(load), tel: tel, stores: map[string]*s3store.Store{}}
}

func (a *awsClients) store(bucket string, o s3store.Options) (*s3store.Store, error) {
	if s := a.stores[bucket]; s != nil {
		return s, nil
	}
	cfg, err := a.load()
	if err != nil {
		return nil, err
	}
	traced := a.tel.providers.AWS()
	s := s3store.New(s3.NewFromConfig(cfg, s3store.ClientOptions, func(o *s3.Options) {
		o.TracerProvider, o.HTTPClient = traced, a.http(o.HTTPClient)
	}), bucket, o)
	a.stores[bucket] = s
	return s, nil
}

// http returns the HTTP client of S3.
func (a *awsClients) http(given aws.HTTPClient) aws.HTTPClient {
	if a.passesOn {
		return awsclient.HTTP(given, boundUnread)
	}
	return given
}

func (a *awsClients) queue(url string, o sqsqueue.Options) (queue, error) {
	cfg, err := a.load()
	if err != nil {
		return nil, err
	}
	traced := a.tel.providers.AWS()
	return sqsQueue{sqsqueue.New(sqs.NewFromConfig(cfg, sqsqueue.ClientOptions, func(o *sqs.Options) { o.TracerProvider = traced }), url, o)}, nil
}

// sqsQueue returns dead letters as an interface.
type sqsQueue struct{ *sqsqueue.Queue }

func (q sqsQueue) DeadLetters(ctx context.Context) (job.DeadLetters, error) {
	return q.Queue.DeadLetters(ctx)
}

// store returns documents and objects as one store.
func (b *backends) store() job.Store { return &store{b.documents, b.objects} }

type store struct {
	documents
	objects
}

// Ready asks both halves at once, and a store that is both of them once.
func (s *store) Ready(ctx context.Context) error {
	if any(s.documents) == any(s.objects) {
		return s.documents.Ready(ctx)
	}
	images := make(chan error, 1)
	go func() { images <- s.objects.Ready(ctx) }()
	return errors.Join(s.documents.Ready(ctx), <-images)
}
