package pgstore

import "claimcheck.example/internal/job"

var _ job.Changes = (*Store)(nil)

// Follow implements job.Changes. With the first call the process begins to listen to the
// changes of documents.
func (s *Store) Follow(id job.ID) job.Follower {
	return s.db.listener.subscribe(topic{jobChannel, string(id)})
}

// changed reports a change of a document that took effect or may have: also a statement that
// changed no row, since the answer to an earlier attempt may be lost.
func (s *Store) changed(id job.ID) { s.db.notifier.notify(topic{jobChannel, string(id)}) }
