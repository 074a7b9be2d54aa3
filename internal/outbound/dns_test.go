package outbound_test

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// zone is a DNS server. Each look-up of addresses takes the next answer of its list, and
// the last one stays.
type zone struct {
	mu      sync.Mutex // guards what follows
	answers [][]netip.Addr
	asked   int
}

// resolver starts the server, and returns a resolver that asks it.
func (z *zone) resolver(t *testing.T) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if out, ok := z.answer(buf[:n]); ok {
				conn.WriteTo(out, from)
			}
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// look counts a look-up, which is a question for A and one for AAAA: that for A counts.
func (z *zone) look(isA bool) []netip.Addr {
	z.mu.Lock()
	defer z.mu.Unlock()
	now := z.answers[min(z.asked, len(z.answers)-1)]
	if isA {
		z.asked++
	}
	return now
}

func (z *zone) answer(query []byte) ([]byte, bool) {
	var p dnsmessage.Parser
	h, err := p.Start(query)
	if err != nil {
		return nil, false
	}
	q, err := p.Question()
	if err != nil {
		return nil, false
	}
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: h.ID, Response: true, Authoritative: true, RecursionAvailable: true})
	b.StartQuestions()
	b.Question(q)
	b.StartAnswers()
	rh := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class}
	for _, addr := range z.look(q.Type == dnsmessage.TypeA) {
		switch {
		case q.Type == dnsmessage.TypeA && addr.Is4():
			b.AResource(rh, dnsmessage.AResource{A: addr.As4()})
		case q.Type == dnsmessage.TypeAAAA && addr.Is6():
			b.AAAAResource(rh, dnsmessage.AAAAResource{AAAA: addr.As16()})
		}
	}
	out, err := b.Finish()
	return out, err == nil
}
