package process

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Source is the module whose commands run, and how they are built.
type Source struct {
	// Root is the module's folder.
	Root string
	// Tags are build tags, separated by commas.
	Tags string
	// Cgo has C compiled even when the environment says CGO_ENABLED=0.
	Cgo bool
	// Overlay has go build read other files, by their absolute paths; see its -overlay.
	Overlay map[string]string
}

// Binaries is a folder of built binaries.
type Binaries struct {
	dir string
	log io.Writer
}

// unused is how long a folder of binaries is kept after its last use.
const unused = 7 * 24 * time.Hour

// builds has one entry for each folder and command that this process has built, so that
// a test can ask for a build as often as it likes.
var builds = struct {
	sync.Mutex
	done map[string]bool
	bad  map[string]bool // it does not compile
}{done: map[string]bool{}, bad: map[string]bool{}}

// Build builds commands: those of cmd by their names, others by their folders, such as
// internal/test/bench/floor. The binaries are in a folder of the user's cache that all
// processes with the same source share under a lock, so that go build links only what
// has changed since the last process. Like those of the images they have no symbols, which
// halves the time of the linker. What the commands print goes to log, which may be nil.
func (s Source) Build(ctx context.Context, log io.Writer, commands ...string) (*Binaries, error) {
	root, err := filepath.Abs(s.Root)
	if err != nil {
		return nil, err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": s.Overlay})
	if err != nil {
		return nil, err
	}
	key := sha256.Sum256([]byte(strings.Join([]string{root, s.Tags, fmt.Sprint(s.Cgo), string(overlay)}, "\x00")))
	dir := filepath.Join(cache(), hex.EncodeToString(key[:8]))
	f := &Binaries{dir: dir, log: log}

	builds.Lock()
	defer builds.Unlock()
	if !slices.ContainsFunc(commands, func(c string) bool { return !builds.done[filepath.Join(dir, c)] }) {
		return f, nil
	}
	unlock, err := lock(dir)
	if err != nil {
		return nil, fmt.Errorf("lock the built commands: %w", err)
	}
	defer unlock()
	overlaid := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlaid, overlay, 0o600); err != nil {
		return nil, err
	}
	args := []string{"build", "-tags", s.Tags, "-ldflags", "-s -w", "-overlay", overlaid, "-o", dir + string(filepath.Separator)}
	for _, c := range commands {
		if !strings.Contains(c, "/") {
			c = "cmd/" + c
		}
		args = append(args, "./"+c)
	}
	line := strings.Join(args, " ")
	if builds.bad[line] {
		return nil, fmt.Errorf("go %s failed before; the first test that needed it has the errors", line)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = root
	if s.Cgo {
		cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		builds.bad[line] = ctx.Err() == nil
		return nil, fmt.Errorf("go %s: %w: %s", line, err, out)
	}
	for _, c := range commands {
		builds.done[filepath.Join(dir, c)] = true
	}
	return f, nil
}

// cache is the folder of all builds. Without a home it is one of the system's for
// temporary files, which lock refuses when it is another user's.
func cache() string {
	base, err := os.UserCacheDir()
	if err != nil {
		base = filepath.Join(os.TempDir(), fmt.Sprintf("claimcheck-cache-%d", os.Getuid()))
	}
	return filepath.Join(base, "claimcheck-test")
}

// lock makes a folder, takes it from all other processes and removes its neighbours that
// have been unused for long.
func lock(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if info, err := os.Stat(filepath.Dir(dir)); err != nil {
		return nil, err
	} else if owner := info.Sys().(*syscall.Stat_t).Uid; int(owner) != os.Geteuid() {
		return nil, fmt.Errorf("%s is of user %d", filepath.Dir(dir), owner)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, err
	}
	now := time.Now()
	_ = os.Chtimes(f.Name(), now, now)
	locks, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), "*", "lock"))
	for _, name := range locks {
		if info, err := os.Stat(name); err == nil && now.Sub(info.ModTime()) > unused {
			_ = os.RemoveAll(filepath.Dir(name))
		}
	}
	return func() { f.Close() }, nil
}

// Dir is the folder of the binaries.
func (f *Binaries) Dir() string { return f.dir }

// WithLog returns the same binaries with another place for what processes print.
func (f *Binaries) WithLog(log io.Writer) *Binaries { return &Binaries{dir: f.dir, log: log} }
