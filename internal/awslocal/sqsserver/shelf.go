package sqsserver

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	bolt "go.etcd.io/bbolt"
)

var (
	// shelvesBucket has one bucket for each queue's number, and in its sequence the
	// highest number that a message ever had in any queue.
	shelvesBucket = []byte("messages")
	recordsBucket = []byte("records")
	duesBucket    = []byte("dues")
)

// shelf is where one queue's messages lie. A message is invisible until it is due; it is
// in flight when it is invisible and was received before, delayed when it is invisible
// and was not.
//
//	records  number → the message, JSON
//	dues     due time, number → sending time, how often received
//
// Numbers are big-endian, times milliseconds since the epoch: both sort as they count.
type shelf struct {
	numbers       *bolt.Bucket // whose sequence numbers the messages
	records, dues *bolt.Bucket
}

func shelfKey(queueID int64) []byte { return bigEndian(queueID) }

// shelfOf returns the queue's shelf, or a QueueDoesNotExist failure.
func shelfOf(tx *bolt.Tx, queueID int64) (shelf, error) {
	all := tx.Bucket(shelvesBucket)
	b := all.Bucket(shelfKey(queueID))
	if b == nil {
		return shelf{}, noSuchQueue()
	}
	return shelf{all, b.Bucket(recordsBucket), b.Bucket(duesBucket)}, nil
}

// queueAndShelf returns the queue and its shelf, or a QueueDoesNotExist failure.
func queueAndShelf(tx *bolt.Tx, name string) (*queue, shelf, error) {
	q, err := queueNamed(tx, name)
	if err != nil {
		return nil, shelf{}, err
	}
	b, err := shelfOf(tx, q.id)
	return q, b, err
}

func makeShelf(tx *bolt.Tx, queueID int64) error {
	b, err := tx.Bucket(shelvesBucket).CreateBucket(shelfKey(queueID))
	if err != nil {
		return err
	}
	if _, err := b.CreateBucket(recordsBucket); err != nil {
		return err
	}
	_, err = b.CreateBucket(duesBucket)
	return err
}

func dropShelf(tx *bolt.Tx, queueID int64) error {
	return tx.Bucket(shelvesBucket).DeleteBucket(shelfKey(queueID))
}

// add gives a new message a number and puts it on the shelf.
func (b shelf) add(m *message) error {
	number, err := b.numbers.NextSequence()
	if err != nil {
		return err
	}
	m.number = int64(number)
	return b.put(m)
}

// put puts a message on the shelf that does not lie there.
func (b shelf) put(m *message) error {
	value, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := b.records.Put(bigEndian(m.number), value); err != nil {
		return err
	}
	return b.dues.Put(m.due().key(), m.due().value())
}

// get returns the message with the number, or nil when there is none.
func (b shelf) get(number int64) (*message, error) {
	value := b.records.Get(bigEndian(number))
	if value == nil {
		return nil, nil
	}
	var m message
	if err := json.Unmarshal(value, &m); err != nil {
		return nil, fmt.Errorf("record of message %d: %w", number, err)
	}
	m.number = number
	return &m, nil
}

// change lets edit change the message, and returns it.
func (b shelf) change(d due, edit func(m *message)) (*message, error) { return b.hand(d, b, edit) }

// hand moves the message, which must lie here, to another shelf as edit changes it.
func (b shelf) hand(d due, to shelf, edit func(m *message)) (*message, error) {
	m, err := b.get(d.number)
	if err != nil {
		return nil, err
	}
	if err := b.drop(d); err != nil {
		return nil, err
	}
	edit(m)
	return m, to.put(m)
}

// drop takes the message off the shelf.
func (b shelf) drop(d due) error {
	if err := b.dues.Delete(d.key()); err != nil {
		return err
	}
	return b.records.Delete(bigEndian(d.number))
}

// all yields every message on the shelf, the first due first. The shelf must not be
// changed meanwhile.
func (b shelf) all() iter.Seq[due] {
	return func(yield func(due) bool) {
		c := b.dues.Cursor()
		for key, value := c.First(); key != nil; key, value = c.Next() {
			if !yield(parseDue(key, value)) {
				return
			}
		}
	}
}

// visible yields those of all that are visible at now.
func (b shelf) visible(now time.Time) iter.Seq[due] {
	return func(yield func(due) bool) {
		for d := range b.all() {
			if d.at > now.UnixMilli() || !yield(d) {
				return
			}
		}
	}
}

// nextAfter returns when the first message becomes due that is not due at now; zero when
// there is none.
func (b shelf) nextAfter(now time.Time) time.Time {
	key, _ := b.dues.Cursor().Seek(bigEndian(now.UnixMilli() + 1))
	if key == nil {
		return time.Time{}
	}
	return time.UnixMilli(parseDue(key, make([]byte, 16)).at)
}

// due is what the index knows of a message.
type due struct {
	at, number, sent int64
	received         int64
}

func (d due) key() []byte { return append(bigEndian(d.at), bigEndian(d.number)...) }

func (d due) value() []byte { return append(bigEndian(d.sent), bigEndian(d.received)...) }

func parseDue(key, value []byte) due {
	number := func(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) }
	return due{at: number(key), number: number(key[8:]), sent: number(value), received: number(value[8:])}
}

func bigEndian(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }
