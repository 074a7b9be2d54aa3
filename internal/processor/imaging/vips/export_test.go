package vips

// Pids returns the numbers of the engine's processes.
func Pids(e *Engine) (pids []int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for p := range e.all {
		pids = append(pids, p.cmd.Process.Pid)
	}
	return pids
}
