package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"claimcheck.example/internal/awslocal"
)

// deadGoals are what a worker that calls dead receivers has to be beside one that calls none.
var deadGoals = []goal{{Figure: perSecond, Ratio: true, Bound: 0.95, AtLeast: true}}

// deadReceivers adds a row: how many jobs a worker does while 1,000 webhooks wait whose
// receivers accept the connection and never answer, beside a worker that sends no webhooks.
func (b *bench) deadReceivers(ctx context.Context, which side, name string, image []byte) error {
	hooks := []string{"WEBHOOK_KEY=whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "OUTBOUND_ALLOW=127.0.0.1"}
	if which == database {
		if err := b.harness.openHome(ctx); err != nil {
			return err
		}
	} else {
		queue, err := b.harness.webhookQueue(ctx)
		if err != nil {
			return err
		}
		hooks = append(hooks, "WEBHOOK_QUEUE_URL="+queue)
	}
	receiver, err := newMute()
	if err != nil {
		return err
	}
	defer receiver.close()
	dead := 1000
	if b.short {
		dead = 64
	}
	hooked := load{method: "POST", path: "/jobs?webhook=" + url.QueryEscape(receiver.url), body: image, want: 202}
	if err := b.submitLoad(ctx, which, hooked, dead, hooks...); err != nil {
		return err
	}
	if _, err := b.drain(ctx, which, name, dead, hooks...); err != nil {
		return err
	}
	var with, without []round
	for i := range b.rounds {
		for k := range 2 {
			n := b.queued()/b.rounds + 150
			if b.short {
				n = 64
			}
			if err := b.submit(ctx, which, image, n); err != nil {
				return err
			}
			if k == i%2 {
				r, err := b.drain(ctx, which, name, n)
				if err != nil {
					return err
				}
				without = append(without, r)
				continue
			}
			before := receiver.calls()
			r, err := b.drain(ctx, which, name, n, hooks...)
			if err != nil {
				return err
			}
			if receiver.calls() == before {
				return fmt.Errorf("%s: no receiver was called during a round", name)
			}
			with = append(with, r)
		}
	}
	b.addHomes(name, with, without, deadGoals, p50, p99)
	return nil
}

// webhookQueue makes a queue for webhooks beside that of the jobs.
func (s *harness) webhookQueue(ctx context.Context) (string, error) {
	client := sqs.New(sqs.Options{
		Region: awslocal.DefaultRegion, BaseEndpoint: &s.backend.SQSURL,
		Credentials: credentials.NewStaticCredentialsProvider(awslocal.DefaultAccessKey, awslocal.DefaultSecretKey, ""),
	})
	out, err := client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("webhooks")})
	return aws.ToString(out.QueueUrl), err
}

// mute is a server that takes every connection and never answers.
type mute struct {
	url string
	l   net.Listener

	mu    sync.Mutex // guards conns and n
	conns []net.Conn
	n     int // requests that have begun
}

func newMute() (*mute, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m := &mute{url: "http://" + l.Addr().String() + "/", l: l}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			m.mu.Lock()
			m.conns = append(m.conns, c)
			m.mu.Unlock()
			go m.take(c)
		}
	}()
	return m, nil
}

// take reads what comes until the other side gives up.
func (m *mute) take(c net.Conn) {
	var head [4]byte
	if _, err := io.ReadFull(c, head[:]); err == nil && bytes.Equal(head[:], []byte("POST")) {
		m.mu.Lock()
		m.n++
		m.mu.Unlock()
	}
	_, _ = io.Copy(io.Discard, c)
	c.Close()
}

func (m *mute) calls() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.n
}

func (m *mute) close() {
	m.l.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.conns {
		c.Close()
	}
}
