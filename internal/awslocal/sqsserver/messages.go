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

// message is a stored message; times are milliseconds since the epoch.
type message struct {
	number        int64                     // the record's key
	MessageID     string                    `json:"message_id"`
	Body          string                    `json:"body"`
	Attributes    map[string]attributeValue `json:"attributes,omitempty"`
	Group         string                    `json:"group,omitempty"`
	Trace         string                    `json:"trace,omitempty"`  // AWSTraceHeader
	Source        string                    `json:"source,omitempty"` // the queue that it was in before this dead-letter queue
	Sent          int64                     `json:"sent"`
	VisibleAt     int64                     `json:"visible_at"`
	Received      int                       `json:"received,omitempty"` // number of deliveries
	FirstReceived int64                     `json:"first_received,omitempty"`
	Receipt       string                    `json:"receipt,omitempty"` // of the last delivery
}

func (m *message) indexEntry() indexEntry {
	return indexEntry{at: m.VisibleAt, number: m.number, sent: m.Sent, received: int64(m.Received)}
}

// handle returns the receipt handle of the last delivery.
func (m *message) handle(queueID int64) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d:%d:%s", queueID, m.number, m.Receipt))
}

// delivery is the content of a receipt handle.
type delivery struct {
	queue, message int64
	receipt        string
}

// parseHandle fails with ReceiptHandleIsInvalid for any text that handle did not make.
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

// insert stores all messages or none, and returns their identifiers.
func (s *store) insert(queueID int64, all []outgoing) ([]string, error) {
	ids := make([]string, len(all))
	err := s.db.Update(func(tx *bolt.Tx) error {
		b, err := tableOf(tx, queueID)
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

// take delivers up to limit visible messages and hides them for visibility. It moves
// messages that have had the deliveries of the redrive policy to the dead-letter queue
// instead, whose name it then returns as redriven. When it takes no message, next is the
// time when the first one becomes visible, zero when there is none.
func (s *store) take(name string, limit int, visibility time.Duration) (taken []*message, redriven string, next time.Time, err error) {
	// Read first: a poll of an idle queue writes nothing.
	idle := true
	err = s.db.View(func(tx *bolt.Tx) error {
		_, b, err := queueAndTable(tx, name)
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
		q, b, err := queueAndTable(tx, name)
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
		var deliver, redrive []indexEntry
		for d := range b.visible(now) {
			switch {
			case limited && d.received >= int64(policy.max):
				redrive = append(redrive, d)
			case d.sent > oldest:
				deliver = append(deliver, d)
			}
			if len(deliver) == limit {
				break
			}
		}
		for _, d := range redrive {
			// As on the service, the message keeps its count and sending time.
			_, err := b.moveTo(d, dead, func(m *message) { m.Source, m.VisibleAt, m.Receipt = q.name, now.UnixMilli(), "" })
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

// deadLetters returns the queue's redrive policy and the messages of its dead-letter
// queue; ok is false when the queue has none, or when that was deleted.
func deadLetters(tx *bolt.Tx, q *queue) (policy redrivePolicy, dead messageTable, ok bool, err error) {
	policy, ok = q.redrive()
	if !ok {
		return policy, dead, false, nil
	}
	_, dead, err = queueAndTable(tx, policy.target)
	if _, missing := errors.AsType[*failure](err); missing {
		return policy, dead, false, nil
	}
	return policy, dead, err == nil, err
}

// delivered returns the message whose last delivery is d, or nil.
func delivered(tx *bolt.Tx, d delivery) (messageTable, *message, error) {
	b, err := tableOf(tx, d.queue)
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
// again and the delivery does not count.
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
			_, err = b.change(m.indexEntry(), func(m *message) {
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

// remove deletes the delivered message. As on the service, it does nothing for an
// outdated receipt or a deleted message.
func (s *store) remove(d delivery) error {
	return s.db.Update(func(tx *bolt.Tx) error {
		b, m, err := delivered(tx, d)
		if err != nil || m == nil {
			return err
		}
		return b.remove(m.indexEntry())
	})
}

// hide makes the delivered message invisible for visibility from now on. It fails for a
// message that is deleted, was delivered again, or is not in flight.
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
		_, err = b.change(m.indexEntry(), func(m *message) { m.VisibleAt = now.Add(visibility).UnixMilli() })
		return err
	})
}

// counts are the three message counts of a queue. Here they are exact.
type counts struct{ visible, inFlight, delayed int64 }

func (s *store) counts(q *queue) (c counts, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		b, err := tableOf(tx, q.id)
		if err != nil {
			return err
		}
		now := s.now()
		oldest := now.Add(-q.seconds("MessageRetentionPeriod")).UnixMilli()
		for d := range b.all() {
			switch {
			case d.sent <= oldest: // about to be deleted
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

// expire deletes the messages that are older than their queue's retention. Until then
// they are neither delivered nor counted.
func (s *store) expire() error {
	all, err := s.queues()
	if err != nil {
		return err
	}
	for _, q := range all {
		oldest := s.now().Add(-q.seconds("MessageRetentionPeriod")).UnixMilli()
		err := s.db.Update(func(tx *bolt.Tx) error {
			b, err := tableOf(tx, q.id)
			if _, missing := errors.AsType[*failure](err); missing {
				return nil // deleted meanwhile
			}
			if err != nil {
				return err
			}
			var old []indexEntry
			for d := range b.all() {
				if d.sent <= oldest {
					old = append(old, d)
				}
			}
			for _, d := range old {
				if err := b.remove(d); err != nil {
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
