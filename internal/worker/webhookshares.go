package worker

import "sync"

// shares counts the tries under way by owner, so that one owner whose receivers hang leaves
// places to the others. It is safe for concurrent use.
type shares struct {
	most int // of one owner

	mu    sync.Mutex
	taken map[string]int // no owner without a try
}

// newShares gives one owner at most three quarters of the places, and at least one.
func newShares(places int) *shares {
	return &shares{most: max(1, places*3/4), taken: map[string]int{}}
}

// take reports whether the owner may have one place more, and takes it.
func (s *shares) take(owner string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken[owner] >= s.most {
		return false
	}
	s.taken[owner]++
	return true
}

func (s *shares) release(owner string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken[owner]--; s.taken[owner] == 0 {
		delete(s.taken, owner)
	}
}
