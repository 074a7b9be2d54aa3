package app

import (
	"context"
	"fmt"

	"claimcheck.example/internal/config"
	"claimcheck.example/internal/dirstore"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/pgstore"
)

// databases holds one pool of connections for each database.
type databases map[config.Location]*pgstore.DB

// open returns the database at a location. It does not connect.
func (d databases) open(at config.Location) (*pgstore.DB, error) {
	if db := d[at]; db != nil {
		return db, nil
	}
	db, err := pgstore.Open(string(at), pgstore.Options{})
	if err == nil {
		d[at] = db
	}
	return db, err
}

func (d databases) documents(at config.Location) (documents, error) {
	db, err := d.open(at)
	if err != nil {
		return nil, err
	}
	return pgstore.NewStore(db), nil
}

func (d databases) queue(at config.Location, o pgstore.QueueOptions) (queue, error) {
	db, err := d.open(at)
	if err != nil {
		return nil, err
	}
	return pgQueue{pgstore.NewQueue(db, o)}, nil
}

// close closes all connections.
func (d databases) close() {
	for _, db := range d {
		db.Close()
	}
}

// pgQueue returns dead letters as an interface.
type pgQueue struct{ *pgstore.Queue }

func (q pgQueue) DeadLetters(ctx context.Context) (job.DeadLetters, error) {
	return q.Queue.DeadLetters(ctx)
}

// outbox returns what creates jobs together with their messages; nil where documents and
// queue are not in one database.
func (b *backends) outbox() job.Outbox {
	s, inDatabase := b.documents.(*pgstore.Store)
	q, both := b.queue.(pgQueue)
	if !inDatabase || !both {
		return nil
	}
	if o := pgstore.NewOutbox(s, q.Queue); o != nil {
		return o
	}
	return nil
}

// changes reports changes of documents; nil where documents are in a store that does not.
func (b *backends) changes() job.Changes {
	c, _ := b.documents.(job.Changes)
	return c
}

// openFolder returns the images in the folder of a file URL.
func openFolder(at config.Location, uploadKeys []string) (*dirstore.Store, error) {
	path, err := dirstore.Folder(string(at))
	if err != nil {
		return nil, fmt.Errorf("OBJECTS: %s: %w", at, err)
	}
	return dirstore.New(path, dirstore.Options{UploadKeys: uploadKeys}), nil
}
