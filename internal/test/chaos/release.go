package main

import "claimcheck.example/internal/test/process"

// release returns the binaries of the next server or worker to start: those of this source
// and those of the release beside it take turns, so that each process, killed and started
// again, is now of the one and now of the other.
func (s *harness) release() *process.Binaries {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.beside != nil && s.starts[0] > s.starts[1] {
		s.starts[1]++
		return s.beside
	}
	s.starts[0]++
	return s.binaries
}
