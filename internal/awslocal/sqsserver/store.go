package sqsserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// ErrLocked means that another process, or another server of this one, has opened the
// database.
var ErrLocked = errors.New("the queue database is in use")

// queuesBucket has a queue's record under its name; its sequence is the highest number of
// a queue ever. See [messageTable] for the messages.
var queuesBucket = []byte("queues")

// store is the bbolt file: one writer at a time, any number of readers. A transaction
// runs to its end even when its client has gone, so no method takes a context.
type store struct {
	db  *bolt.DB
	now func() time.Time
}

// openStore opens or creates the database at path. Its lock excludes other processes
// until close, or until this process ends in any way.
func openStore(path string, sync bool, now func() time.Time) (*store, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{
		Timeout:      time.Nanosecond, // one try, without waiting for the lock
		NoSync:       !sync,
		FreelistType: bolt.FreelistMapType,
	})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, ErrLocked
	}
	if err != nil {
		return nil, fmt.Errorf("open queue database %s: %w", path, err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		if _, err := tx.CreateBucketIfNotExists(queuesBucket); err != nil {
			return err
		}
		_, err := tx.CreateBucketIfNotExists(tablesBucket)
		return err
	})
	if err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("prepare queue database %s: %w", path, err)
	}
	return &store{db: db, now: now}, nil
}

func (s *store) close() error { return s.db.Close() }

// queueRecord is a stored queue.
type queueRecord struct {
	ID         int64             `json:"id"`
	Attributes map[string]string `json:"attributes"`
	Tags       map[string]string `json:"tags"`
	Created    time.Time         `json:"created"`
	Modified   time.Time         `json:"modified"`
}

func parseQueue(name, value []byte) (*queue, error) {
	var r queueRecord
	if err := json.Unmarshal(value, &r); err != nil {
		return nil, fmt.Errorf("record of queue %s: %w", name, err)
	}
	q := &queue{id: r.ID, name: string(name), attributes: r.Attributes, tags: r.Tags, created: r.Created, modified: r.Modified}
	if q.attributes == nil {
		q.attributes = map[string]string{}
	}
	if q.tags == nil {
		q.tags = map[string]string{}
	}
	return q, nil
}

func putQueue(tx *bolt.Tx, q *queue) error {
	value, err := json.Marshal(queueRecord{q.id, q.attributes, q.tags, q.created, q.modified})
	if err != nil {
		return err
	}
	return tx.Bucket(queuesBucket).Put([]byte(q.name), value)
}

// queueNamed returns the queue, or a QueueDoesNotExist failure.
func queueNamed(tx *bolt.Tx, name string) (*queue, error) {
	value := tx.Bucket(queuesBucket).Get([]byte(name))
	if value == nil {
		return nil, noSuchQueue()
	}
	return parseQueue([]byte(name), value)
}

// queues returns all queues sorted by name.
func queues(tx *bolt.Tx) (all []*queue, err error) {
	err = tx.Bucket(queuesBucket).ForEach(func(name, value []byte) error {
		q, err := parseQueue(name, value)
		all = append(all, q)
		return err
	})
	return all, err
}

func (s *store) queue(name string) (q *queue, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		q, err = queueNamed(tx, name)
		return err
	})
	return q, err
}

func (s *store) queues() (all []*queue, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		all, err = queues(tx)
		return err
	})
	return all, err
}

// createQueue creates the queue unless it exists with the same values of the given
// attributes; with other values it returns a QueueNameExists failure.
func (s *store) createQueue(name string, attributes, tags map[string]string) error {
	return s.db.Update(func(tx *bolt.Tx) error {
		if err := checkTarget(tx, attributes); err != nil {
			return err
		}
		q, err := queueNamed(tx, name)
		if err == nil {
			for attribute, value := range attributes {
				if q.attribute(attribute) != value {
					return queueNameExists(attribute)
				}
			}
			return nil
		}
		if f, ok := errors.AsType[*failure](err); !ok || f.shape != "QueueDoesNotExist" {
			return err
		}
		number, err := tx.Bucket(queuesBucket).NextSequence()
		if err != nil {
			return err
		}
		now := s.now()
		q = &queue{id: int64(number), name: name, attributes: attributes, tags: tags, created: now, modified: now}
		if err := createTable(tx, q.id); err != nil {
			return err
		}
		return putQueue(tx, q)
	})
}

// changeQueue edits and stores the queue's attributes and tags.
func (s *store) changeQueue(name string, change func(q *queue)) error {
	return s.db.Update(func(tx *bolt.Tx) error {
		q, err := queueNamed(tx, name)
		if err != nil {
			return err
		}
		change(q)
		if err := checkTarget(tx, q.attributes); err != nil {
			return err
		}
		q.modified = s.now()
		return putQueue(tx, q)
	})
}

// checkTarget refuses a redrive policy whose dead-letter queue does not exist.
func checkTarget(tx *bolt.Tx, attributes map[string]string) error {
	policy, ok := (&queue{attributes: attributes}).redrive()
	if !ok {
		return nil
	}
	if _, err := queueNamed(tx, policy.target); err != nil {
		if _, ok := errors.AsType[*failure](err); ok {
			return invalidParameter("RedrivePolicy", attributes["RedrivePolicy"], "Dead letter target does not exist.")
		}
		return err
	}
	return nil
}

// deleteQueue removes the queue with its messages.
func (s *store) deleteQueue(name string) error {
	return s.db.Update(func(tx *bolt.Tx) error {
		q, err := queueNamed(tx, name)
		if err != nil {
			return err
		}
		if err := deleteTable(tx, q.id); err != nil {
			return err
		}
		return tx.Bucket(queuesBucket).Delete([]byte(name))
	})
}

// purge removes the queue's messages.
func (s *store) purge(name string) error {
	return s.db.Update(func(tx *bolt.Tx) error {
		q, err := queueNamed(tx, name)
		if err != nil {
			return err
		}
		if err := deleteTable(tx, q.id); err != nil {
			return err
		}
		return createTable(tx, q.id)
	})
}
