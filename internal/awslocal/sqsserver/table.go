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
	// tablesBucket has one bucket for each queue's number; its sequence is the highest
	// message number of all queues.
	tablesBucket     = []byte("messages")
	recordsBucket    = []byte("records")
	visibilityBucket = []byte("dues") // the name in existing files
)

// messageTable holds the messages of one queue. A message is invisible until its time; it
// is in flight when it is invisible and was received before, delayed when it is invisible
// and was not.
//
//	records  number → the message, JSON
//	dues     time of visibility, number → sending time, number of deliveries
//
// Numbers are big-endian, times milliseconds since the epoch, so byte order is numeric order.
type messageTable struct {
	numbers             *bolt.Bucket // whose sequence numbers the messages
	records, visibility *bolt.Bucket
}

func tableKey(queueID int64) []byte { return bigEndian(queueID) }

// tableOf returns the queue's messages, or a QueueDoesNotExist failure.
func tableOf(tx *bolt.Tx, queueID int64) (messageTable, error) {
	all := tx.Bucket(tablesBucket)
	b := all.Bucket(tableKey(queueID))
	if b == nil {
		return messageTable{}, noSuchQueue()
	}
	return messageTable{all, b.Bucket(recordsBucket), b.Bucket(visibilityBucket)}, nil
}

// queueAndTable returns the queue and its messages, or a QueueDoesNotExist failure.
func queueAndTable(tx *bolt.Tx, name string) (*queue, messageTable, error) {
	q, err := queueNamed(tx, name)
	if err != nil {
		return nil, messageTable{}, err
	}
	b, err := tableOf(tx, q.id)
	return q, b, err
}

func createTable(tx *bolt.Tx, queueID int64) error {
	b, err := tx.Bucket(tablesBucket).CreateBucket(tableKey(queueID))
	if err != nil {
		return err
	}
	if _, err := b.CreateBucket(recordsBucket); err != nil {
		return err
	}
	_, err = b.CreateBucket(visibilityBucket)
	return err
}

func deleteTable(tx *bolt.Tx, queueID int64) error {
	return tx.Bucket(tablesBucket).DeleteBucket(tableKey(queueID))
}

// add numbers and stores a new message.
func (t messageTable) add(m *message) error {
	number, err := t.numbers.NextSequence()
	if err != nil {
		return err
	}
	m.number = int64(number)
	return t.put(m)
}

// put stores a message that the table does not have.
func (t messageTable) put(m *message) error {
	value, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := t.records.Put(bigEndian(m.number), value); err != nil {
		return err
	}
	return t.visibility.Put(m.indexEntry().key(), m.indexEntry().value())
}

// get returns the message with the number, or nil when there is none.
func (t messageTable) get(number int64) (*message, error) {
	value := t.records.Get(bigEndian(number))
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

// change edits and returns the message.
func (t messageTable) change(d indexEntry, edit func(m *message)) (*message, error) {
	return t.moveTo(d, t, edit)
}

// moveTo edits a message of this table and moves it to another.
func (t messageTable) moveTo(d indexEntry, to messageTable, edit func(m *message)) (*message, error) {
	m, err := t.get(d.number)
	if err != nil {
		return nil, err
	}
	if err := t.remove(d); err != nil {
		return nil, err
	}
	edit(m)
	return m, to.put(m)
}

// remove deletes the message.
func (t messageTable) remove(d indexEntry) error {
	if err := t.visibility.Delete(d.key()); err != nil {
		return err
	}
	return t.records.Delete(bigEndian(d.number))
}

// all yields all messages in the order of their visibility. The table must not change
// meanwhile.
func (t messageTable) all() iter.Seq[indexEntry] {
	return func(yield func(indexEntry) bool) {
		c := t.visibility.Cursor()
		for key, value := c.First(); key != nil; key, value = c.Next() {
			if !yield(parseIndexEntry(key, value)) {
				return
			}
		}
	}
}

// visible yields the messages that are visible at now.
func (t messageTable) visible(now time.Time) iter.Seq[indexEntry] {
	return func(yield func(indexEntry) bool) {
		for d := range t.all() {
			if d.at > now.UnixMilli() || !yield(d) {
				return
			}
		}
	}
}

// nextAfter returns the time when the next message becomes visible after now; zero when
// there is none.
func (t messageTable) nextAfter(now time.Time) time.Time {
	key, _ := t.visibility.Cursor().Seek(bigEndian(now.UnixMilli() + 1))
	if key == nil {
		return time.Time{}
	}
	return time.UnixMilli(parseIndexEntry(key, make([]byte, 16)).at)
}

// indexEntry is the visibility index's entry of a message.
type indexEntry struct {
	at, number, sent int64
	received         int64
}

func (d indexEntry) key() []byte { return append(bigEndian(d.at), bigEndian(d.number)...) }

func (d indexEntry) value() []byte { return append(bigEndian(d.sent), bigEndian(d.received)...) }

func parseIndexEntry(key, value []byte) indexEntry {
	number := func(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) }
	return indexEntry{at: number(key), number: number(key[8:]), sent: number(value), received: number(value[8:])}
}

func bigEndian(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }
