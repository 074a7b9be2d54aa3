package pgstore

import "claimcheck.example/internal/job"

var _ job.Changes = (*Store)(nil)

// Follow implements job.Changes. The first call has the process listen to the changes of
// documents.
func (s *Store) Follow(id job.ID) job.Follower {
	return s.db.listener.subscribe(topic{jobChannel, string(id)})
}

// changed reports a change of a document, or one that may have taken effect.
func (s *Store) changed(id job.ID) { s.db.notifier.notify(topic{jobChannel, string(id)}) }
