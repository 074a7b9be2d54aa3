package sqsserver

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	bolt "go.etcd.io/bbolt"
)

// message is a message as it is stored; times are milliseconds since the epoch.
type message struct {
	number        int64                     // the record's key
	MessageID     string                    `json:"message_id"`
	Body          string                    `json:"body"`
	Attributes    map[string]attributeValue `json:"attributes,omitempty"`
	Group         string                    `json:"group,omitempty"`
	Trace         string                    `json:"trace,omitempty"`  // AWSTraceHeader
	Source        string                    `json:"source,omitempty"` // the queue from which it came to this dead-letter queue
	Sent          int64                     `json:"sent"`
	VisibleAt     int64                     `json:"visible_at"`
	Received      int                       `json:"received,omitempty"` // how often
	FirstReceived int64                     `json:"first_received,omitempty"`
	Receipt       string                    `json:"receipt,omitempty"` // of the last delivery
}

func (m *message) due() due {
	return due{at: m.VisibleAt, number: m.number, sent: m.Sent, received: int64(m.Received)}
}

// handle names one delivery of a message to the client.
func (m *message) handle(queueID int64) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d:%d:%s", queueID, m.number, m.Receipt))
}

// delivery is what a receipt handle says.
type delivery struct {
	queue, message int64
	receipt        string
}

// parseHandle returns a ReceiptHandleIsInvalid failure for what handle did not make.
func parseHandle(handle string) (delivery, *failure) {
	bad := func() (delivery, *failure) {
		return delivery{}, fail("ReceiptHandleIsInvalid", "The input receipt handle is invalid.")
	}
	text, err := base64.RawURLEncoding.DecodeString(handle)
	if err != nil {
		return bad()
	}
	parts := strings.Split(string(text), ":")
	if len(parts) != 3 || parts[2] == "" {
		return bad()
	}
	queueID, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil {
		return bad()
	}
	messageID, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return bad()
	}
	return delivery{queue: queueID, message: messageID, receipt: parts[2]}, nil
}

// outgoing is a message to be sent.
type outgoing struct {
	body       string
	attributes map[string]attributeValue
	group      string
	trace      string
	delay      time.Duration
}

// insert stores the messages, all or none, and returns their identifiers.
func (s *store) insert(queueID int64, all []outgoing) ([]string, error) {
	ids := make([]string, len(all))
	err := s.db.Update(func(tx *bolt.Tx) error {
		b, err := shelfOf(tx, queueID)
		if err != nil {
			return err
		}
		now := s.now()
		for i, m := range all {
			ids[i] = uuid.NewString()
			err := b.add(&message{
				MessageID: ids[i], Body: m.body, Attributes: m.attributes, Group: m.group, Trace: m.trace,
				Sent: now.UnixMilli(), VisibleAt: now.Add(m.delay).UnixMilli(),
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return ids, err
}

// take delivers at most limit visible messages and hides them for visibility. Messages
// that were received as often as the redrive policy allows go to the dead-letter queue
// instead; redriven is that queue's name when any went. When nothing was taken, next is
// when the first message becomes visible, zero when there is none.
func (s *store) take(name string, limit int, visibility time.Duration) (taken []*message, redriven string, next time.Time, err error) {
	// A look first, since a poll of an idle queue has nothing to write.
	idle := true
	err = s.db.View(func(tx *bolt.Tx) error {
		_, b, err := queueAndShelf(tx, name)
		if err != nil {
			return err
		}
		now := s.now()
		for range b.visible(now) {
			idle = false
			break
		}
		next = b.nextAfter(now)
		return nil
	})
	if err != nil || idle {
		return nil, "", next, err
	}
	err = s.db.Update(func(tx *bolt.Tx) error {
		q, b, err := queueAndShelf(tx, name)
		if err != nil {
			return err
		}
		if visibility < 0 {
			visibility = q.seconds("VisibilityTimeout")
		}
		now := s.now()
		oldest := now.Add(-q.seconds("MessageRetentionPeriod")).UnixMilli()
		policy, dead, limited, err := deadLetters(tx, q)
		if err != nil {
			return err
		}
		var deliver, bury []due
		for d := range b.visible(now) {
			switch {
			case limited && d.received >= int64(policy.max):
				bury = append(bury, d)
			case d.sent > oldest:
				deliver = append(deliver, d)
			}
			if len(deliver) == limit {
				break
			}
		}
		for _, d := range bury {
			// With its count and its sending time, as the service does.
			_, err := b.hand(d, dead, func(m *message) { m.Source, m.VisibleAt, m.Receipt = q.name, now.UnixMilli(), "" })
			if err != nil {
				return err
			}
			redriven = policy.target
		}
		for _, d := range deliver {
			m, err := b.change(d, func(m *message) {
				m.Received++
				m.VisibleAt = now.Add(visibility).UnixMilli()
				m.Receipt = rand.Text()
				if m.FirstReceived == 0 {
					m.FirstReceived = now.UnixMilli()
				}
			})
			if err != nil {
				return err
			}
			taken = append(taken, m)
		}
		next = b.nextAfter(now)
		return nil
	})
	slices.SortFunc(taken, func(a, b *message) int { return cmp.Compare(a.number, b.number) })
	return taken, redriven, next, err
}

// deadLetters returns the queue's redrive policy and the shelf of its dead-letter queue;
// ok is false when it has none, or one that was deleted.
func deadLetters(tx *bolt.Tx, q *queue) (policy redrivePolicy, dead shelf, ok bool, err error) {
	policy, ok = q.redrive()
	if !ok {
		return policy, dead, false, nil
	}
	_, dead, err = queueAndShelf(tx, policy.target)
	if _, missing := errors.AsType[*failure](err); missing {
		return policy, dead, false, nil
	}
	return policy, dead, err == nil, err
}

// delivered returns the message if its last delivery is d, or nil.
func delivered(tx *bolt.Tx, d delivery) (shelf, *message, error) {
	b, err := shelfOf(tx, d.queue)
	if err != nil {
		return b, nil, err
	}
	m, err := b.get(d.message)
	if err != nil || m == nil || m.Receipt != d.receipt {
		return b, nil, err
	}
	return b, m, nil
}

// untake takes back a delivery that did not reach its client: the message is visible
// again and the delivery was none.
func (s *store) untake(queueID int64, all []*message) error {
	return s.db.Update(func(tx *bolt.Tx) error {
		for _, gone := range all {
			b, m, err := delivered(tx, delivery{queueID, gone.number, gone.Receipt})
			if err != nil {
				return err
			}
			if m == nil {
				continue
			}
			_, err = b.change(m.due(), func(m *message) {
				m.Received--
				m.VisibleAt, m.Receipt = s.now().UnixMilli(), ""
				if m.Received == 0 {
					m.FirstReceived = 0
				}
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// remove deletes the delivered message. A stale receipt, or one of a message that is
// gone, does nothing, as on the service.
func (s *store) remove(d delivery) error {
	return s.db.Update(func(tx *bolt.Tx) error {
		b, m, err := delivered(tx, d)
		if err != nil || m == nil {
			return err
		}
		return b.drop(m.due())
	})
}

// hide makes the delivered message invisible for visibility from now on. It fails for a
// message that is gone or was delivered again, and for one that is not in flight.
func (s *store) hide(d delivery, visibility time.Duration) error {
	return s.db.Update(func(tx *bolt.Tx) error {
		b, m, err := delivered(tx, d)
		now := s.now()
		switch {
		case err != nil:
			return err
		case m == nil:
			return invalidParameter("ReceiptHandle", "(handle)", "Message does not exist or is not available for visibility timeout change.")
		case m.VisibleAt <= now.UnixMilli():
			return failCompat("MessageNotInflight", "The specified message isn't in flight.")
		}
		_, err = b.change(m.due(), func(m *message) { m.VisibleAt = now.Add(visibility).UnixMilli() })
		return err
	})
}

// counts are the three numbers of a queue's messages. Here they are exact.
type counts struct{ visible, inFlight, delayed int64 }

func (s *store) counts(q *queue) (c counts, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		b, err := shelfOf(tx, q.id)
		if err != nil {
			return err
		}
		now := s.now()
		oldest := now.Add(-q.seconds("MessageRetentionPeriod")).UnixMilli()
		for d := range b.all() {
			switch {
			case d.sent <= oldest: // as good as gone
			case d.at <= now.UnixMilli():
				c.visible++
			case d.received > 0:
				c.inFlight++
			default:
				c.delayed++
			}
		}
		return nil
	})
	return c, err
}

// expire deletes the messages that are past their queue's retention. Until then they
// are neither delivered nor counted.
func (s *store) expire() error {
	all, err := s.queues()
	if err != nil {
		return err
	}
	for _, q := range all {
		oldest := s.now().Add(-q.seconds("MessageRetentionPeriod")).UnixMilli()
		err := s.db.Update(func(tx *bolt.Tx) error {
			b, err := shelfOf(tx, q.id)
			if _, missing := errors.AsType[*failure](err); missing {
				return nil // deleted meanwhile
			}
			if err != nil {
				return err
			}
			var old []due
			for d := range b.all() {
				if d.sent <= oldest {
					old = append(old, d)
				}
			}
			for _, d := range old {
				if err := b.drop(d); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// move sends the visible messages of one queue on as new messages: to target, or
// each to the queue that it came from when target is empty. It returns how many went.
func (s *store) move(from *queue, target string) (moved int64, err error) {
	err = s.db.Update(func(tx *bolt.Tx) error {
		b, err := shelfOf(tx, from.id)
		if err != nil {
			return err
		}
		now := s.now()
		for _, d := range slices.Collect(b.visible(now)) {
			m, err := b.get(d.number)
			if err != nil {
				return err
			}
			_, to, err := queueAndShelf(tx, cmp.Or(target, m.Source))
			if _, missing := errors.AsType[*failure](err); missing {
				continue // it stays
			}
			if err != nil {
				return err
			}
			_, err = b.hand(d, to, func(m *message) {
				*m = message{
					number: m.number, MessageID: uuid.NewString(), Body: m.Body, Attributes: m.Attributes, Group: m.Group, Trace: m.Trace,
					Sent: now.UnixMilli(), VisibleAt: now.UnixMilli(),
				}
			})
			if err != nil {
				return err
			}
			moved++
		}
		return nil
	})
	return moved, err
}
