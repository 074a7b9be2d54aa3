package jobtest

import "claimcheck.example/internal/job"

// Mute stops the reports of changes until the caller calls the returned function, as a lost
// connection does.
func (s *Store) Mute() (unmute func()) {
	s.setMute(true)
	return func() { s.setMute(false) }
}

// Lose drops the reports of the changes that change makes.
func (s *Store) Lose(change func()) {
	s.mu.Lock()
	followers := s.followers
	s.followers = map[*follower]struct{}{}
	s.mu.Unlock()
	change()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.followers = followers
}

func (s *Store) setMute(mute bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mute = mute
	for f := range s.followers {
		f.wake()
	}
}

// Follow implements job.Changes.
func (s *Store) Follow(id job.ID) job.Follower {
	f := &follower{s, id, make(chan struct{}, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.followers[f] = struct{}{}
	return f
}

// changed reports a change of a document; the caller has locked mu.
func (s *Store) changed(id job.ID) {
	for f := range s.followers {
		if f.id == id && !s.mute {
			f.wake()
		}
	}
}

type follower struct {
	store *Store
	id    job.ID
	woken chan struct{}
}

func (f *follower) wake() {
	select {
	case f.woken <- struct{}{}:
	default:
	}
}

// Changed implements job.Follower.
func (f *follower) Changed() <-chan struct{} { return f.woken }

// Live implements job.Follower.
func (f *follower) Live() bool {
	f.store.mu.Lock()
	defer f.store.mu.Unlock()
	return !f.store.mute
}

// Close implements job.Follower.
func (f *follower) Close() {
	f.store.mu.Lock()
	defer f.store.mu.Unlock()
	delete(f.store.followers, f)
}
