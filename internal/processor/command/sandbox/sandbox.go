// Package sandbox runs a program within limits, apart from the process that starts it and
// from other runs, and leaves neither a process nor a file behind.
package sandbox

// Limits bound a program.
type Limits struct {
	Memory    uint64 // bytes of address space of each process, and of memory of all together
	CPU       uint64 // seconds, of each process
	File      uint64 // bytes of each file that it writes
	Disk      uint64 // bytes in its folder
	Processes int
}

// ExitError is the end of a program that has not succeeded.
type ExitError struct {
	Code int // -1 after a signal
	text string
}

func (e *ExitError) Error() string { return e.text }

// Walls are the names of what keeps simultaneous runs apart, and of what this machine lacks.
type Walls struct {
	Hold    []string
	Missing []string
}
