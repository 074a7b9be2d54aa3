package pgtest

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// supervise is the shell script between this process and the server. It reads commands,
// and at their end, which comes with the end of this process, it ends the server and
// removes the folder.
//
//go:embed supervise.sh
var supervise string

// server is a running PostgreSQL.
type server struct {
	dir      string
	commands io.WriteCloser
	answers  *bufio.Reader
	done     chan struct{} // closed when the supervisor has ended
}

// maxSocketFolder is how long the path of a socket's folder may be, in bytes: a Unix
// socket's path has at most 107, and PostgreSQL adds "/.s.PGSQL.5432.lock".
const maxSocketFolder = 107 - 19

// Running is a server of a program that is not a test.
type Running struct {
	*server
	// URL names an empty database of it.
	URL string
}

// Run starts a server for a program that is not a test. If durable, writes wait for the disk,
// as in production.
func Run(ctx context.Context, durable bool) (*Running, error) {
	fsync := "off"
	if durable {
		fsync = "on"
	}
	s, err := start(fsync)
	if err != nil {
		return nil, err
	}
	r := &Running{s, s.url(superuser, "claimcheck")}
	if err := r.Renew(ctx); err != nil {
		s.stop()
		return nil, err
	}
	return r, nil
}

// Renew replaces the database by an empty one, and ends all connections to it. What comes
// next begins with all else written to the disk.
func (r *Running) Renew(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, r.url(superuser, "postgres"))
	if err != nil {
		return err
	}
	for _, sql := range []string{"DROP DATABASE IF EXISTS claimcheck WITH (FORCE)", "CREATE DATABASE claimcheck", "CHECKPOINT"} {
		if _, err = conn.Exec(ctx, sql); err != nil {
			break
		}
	}
	return errors.Join(err, conn.Close(ctx))
}

// Stop ends the server and removes what it has.
func (r *Running) Stop() { r.stop() }

// Kill ends the server with SIGKILL.
func (r *Running) Kill() error { return r.tell("kill") }

// Restart starts a server that was killed, and waits until it answers.
func (r *Running) Restart() error {
	if err := r.tell("start"); err != nil {
		return err
	}
	return r.wait()
}

// start makes and starts a server, and waits until it answers. Tests kill processes and no
// machine, so their servers need no fsync.
func start(fsync string) (*server, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	as, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := folder(as)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("/bin/sh", "-c", supervise, "supervise", dir, bin)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "FSYNC=" + fsync}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a terminal's Ctrl-C is for the test
	if as != nil {
		cmd.SysProcAttr.Credential = as
	}
	commands, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	answers, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", errors.Join(err, os.RemoveAll(dir)))
	}
	s := &server{dir: dir, commands: commands, answers: bufio.NewReader(answers), done: make(chan struct{})}
	err = s.tell("start")
	if err == nil {
		err = s.wait()
	}
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		s.commands.Close()
		_ = cmd.Wait()
		return nil, fmt.Errorf("start PostgreSQL: %w\n%s", err, bytes.TrimSpace(log))
	}
	go func() {
		_ = cmd.Wait() // it says in its log what was wrong
		close(s.done)
	}()
	return s, nil
}

// tell gives the supervisor a command, and waits until it is done.
func (s *server) tell(command string) error {
	if _, err := fmt.Fprintln(s.commands, command); err != nil {
		return err
	}
	answer, err := s.answers.ReadString('\n')
	if err == nil && answer != command+"\n" {
		err = fmt.Errorf("%s: the supervisor says %q", command, answer)
	}
	return err
}

// stop ends the server, and waits for that.
func (s *server) stop() {
	s.commands.Close()
	<-s.done
}

// wait waits until the server answers.
func (s *server) wait() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, s.url(superuser, "postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w", err)
		}
	}
}

// unprivileged returns the account for a server of a test that runs as root, since the
// server refuses to; nil for any other test.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("the package postgresql has made no account: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}

// folder makes the folder of a server, where a socket's path fits and the account may go.
func folder(as *syscall.Credential) (string, error) {
	var last error
	for _, parent := range []string{os.TempDir(), "/tmp", "/var/tmp"} {
		dir, err := os.MkdirTemp(parent, "claimcheck-pg-")
		if err != nil {
			last = err
			continue
		}
		if as == nil && len(dir) <= maxSocketFolder {
			return dir, nil
		}
		if as != nil && len(dir) <= maxSocketFolder {
			err = os.Chown(dir, int(as.Uid), int(as.Gid))
			probe := exec.Command("/bin/sh", "-c", `cd "$0"`, dir)
			probe.SysProcAttr = &syscall.SysProcAttr{Credential: as}
			if err == nil {
				err = probe.Run()
			}
			if err == nil {
				return dir, nil
			}
		}
		last = errors.Join(fmt.Errorf("%s does not suit: %w", dir, err), os.Remove(dir))
	}
	return "", last
}
