// Package supervisor is a small process between a worker and one run of a program. It is
// the worker's own binary, started anew under another name.
//
// It starts the program behind walls: limits, a Landlock domain, a user of its own. It
// inherits the orphans among the program's descendants, so that a daemon stays in sight
// whatever session it makes, and it ends them all when the program ends, when the worker
// asks for it and when the worker dies.
package supervisor

// Name is the zeroth argument that has this process be a supervisor.
const Name = "claimcheck-sandbox"

// Order is what a supervisor does, as JSON in its first argument. The arguments of the
// program follow, its name first. The program gets the environment and the files 0 to 3.
type Order struct {
	Path string `json:"path"` // of the program
	Dir  string `json:"dir"`  // of this run, in Runs
	Runs string `json:"runs"` // holds the folders of all runs, whose names begin with Prefix
	// Prefix begins the names of what the program may not reach.
	Prefix string `json:"prefix"`
	UID    int    `json:"uid,omitempty"` // of the program; 0 keeps the worker's
	Walled bool   `json:"walled"`        // the program does not start without its Landlock domain
	Memory uint64 `json:"memory"`        // bytes of address space of each process
	CPU    uint64 `json:"cpu"`           // seconds, of each process
	File   uint64 `json:"file"`          // bytes of any file
}

// The files that a supervisor has beside the program's.
const (
	// Report is where it writes "started PID" and "ended STATUS", or why it cannot start.
	Report = 4
	// Life is a pipe. When its other end is closed, the run is over.
	Life = 5
)
