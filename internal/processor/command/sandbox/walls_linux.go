package sandbox

import (
	"os"
	"path/filepath"
	"slices"
	"sync"

	"claimcheck.example/internal/processor/command/sandbox/supervisor"
)

// walled says whether a Landlock domain keeps the folders of runs apart here.
var walled = sync.OnceValue(func() bool {
	w, err := LookAtWalls()
	return err == nil && slices.Contains(w.Hold, "folders")
})

// LookAtWalls says what keeps runs of this process apart, and what this kernel or this
// process's user does not have.
func LookAtWalls() (w Walls, err error) {
	runs, err := filepath.EvalSymlinks(os.TempDir())
	if err != nil {
		return w, err
	}
	found, err := supervisor.Look(runs, scratchPrefix)
	user := firstUser() != 0
	for _, wall := range []struct {
		name  string
		holds bool
	}{
		{"folders", found.Folders},
		{"memory and open files", found.Folders || user},
		{"signals", found.Signals || user},
		{"users", user},
	} {
		if wall.holds {
			w.Hold = append(w.Hold, wall.name)
		} else {
			w.Missing = append(w.Missing, wall.name)
		}
	}
	return w, err
}
