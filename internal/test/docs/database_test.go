package docs_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/pgstore/pgtest"
	"claimcheck.example/internal/test/process"
	"claimcheck.example/internal/test/program"
	"claimcheck.example/internal/test/service"
)

// machine is a machine with PostgreSQL and a folder, on which lines of pages run.
type machine struct {
	dir, folder string
	port        int
	environ     []string
	names       *strings.Replacer
}

// newMachine has a database with another name than on the pages, and another folder.
func newMachine(t *testing.T) *machine {
	t.Helper()
	program.Need(t, "bash")
	u, err := url.Parse(pgtest.Start(t))
	if err != nil {
		t.Fatal(err)
	}
	port, err := process.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	dir, unique := t.TempDir(), "page"+fmt.Sprint(port)
	m := &machine{dir: dir, folder: filepath.Join(dir, "images"), port: port}
	m.environ = append(goEnviron(t), "PATH="+pgtest.Programs(t)+":"+service.Commands(t).Dir()+":"+os.Getenv("PATH"), "HOME="+dir, "TMPDIR="+dir,
		"MODULE="+awstest.Module("."), "BUILT="+service.Commands(t).Dir(), "PGHOST="+u.Query().Get("host"), "PGUSER="+u.Query().Get("user"),
		fmt.Sprint("PORT=", port), "HOST=127.0.0.1", "FOLDER="+m.folder, "BACKUP="+dir, "DATABASE_URL=postgres:///"+unique, "OBJECTS=file://"+m.folder)
	m.names = strings.NewReplacer("createdb claimcheck", "createdb "+unique, "postgres:///claimcheck", "postgres:///"+unique,
		"file:///var/lib/claimcheck", "file://"+m.folder, "claimcheck_server", unique+"_server")
	t.Cleanup(func() {
		m.script(t, context.WithoutCancel(t.Context()), "dropdb --if-exists --force "+unique+" && dropuser --if-exists "+unique+"_server")
	})
	return m
}

// script runs lines as they are.
func (m *machine) script(t *testing.T, ctx context.Context, lines string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", prelude+lines)
	cmd.Dir, cmd.Env = m.dir, m.environ
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// run runs a page's blocks, then submits a job to the server that they start, and waits
// for its end. Its last line ends what the blocks left in the background.
func (m *machine) run(t *testing.T, blocks []string) {
	t.Helper()
	if len(blocks) == 0 {
		t.Fatal("no block is marked to be run")
	}
	const ending = `
end() { for p in $(jobs -p); do kill -TERM -- "-$p" 2>/dev/null || kill -TERM "$p" || true; done; wait; }
trap end EXIT
for i in $(seq 600); do curl -sf -o ready "http://127.0.0.1:$PORT/ready" && break; sleep 0.2; done
JOB=$(curl -sf -F "image=@$MODULE/internal/imageinfo/testdata/rainier.jpg" "http://127.0.0.1:$PORT/jobs" | jq -r .location)
await "$JOB"
curl -sf -o out.jpg "$JOB/output"
echo "$JOB" >job
`
	m.script(t, t.Context(), "set -m\n"+m.names.Replace(strings.Join(blocks, "\n"))+ending)
	if info, err := os.Stat(filepath.Join(m.dir, "out.jpg")); err != nil || info.Size() == 0 {
		t.Errorf("there is no output: %v", err)
	}
}

const databaseMark = "<!-- run on a database -->"

// TestSecondHome runs what README.md and docs/stores.md show of a machine without AWS,
// and then the back-up and the restore.
func TestSecondHome(t *testing.T) {
	t.Parallel()
	program.Need(t, "curl")
	program.Need(t, "jq")
	t.Run("README.md", func(t *testing.T) {
		t.Parallel()
		newMachine(t).run(t, marked(readPage(t, "README.md"), databaseMark))
	})
	t.Run("docs/stores.md", func(t *testing.T) {
		t.Parallel()
		page := readPage(t, "docs/stores.md")
		m := newMachine(t)
		m.run(t, marked(page, databaseMark))
		backUp, restore := marked(page, "<!-- back up -->"), marked(page, "<!-- restore -->")
		if len(backUp) != 1 || len(restore) != 1 {
			t.Fatalf("there are %d blocks of back-up and %d of restore", len(backUp), len(restore))
		}
		lost := m.names.Replace("\ndropdb --force claimcheck\n")
		lost = strings.ReplaceAll(lost, "--force claimcheck", "--force $(basename $DATABASE_URL)") + "rm -r \"$FOLDER\"\n"
		m.script(t, t.Context(), m.names.Replace(backUp[0]+lost+restore[0]))
		before, err := os.ReadFile(filepath.Join(m.dir, "out.jpg"))
		if err != nil {
			t.Fatal(err)
		}
		location, err := os.ReadFile(filepath.Join(m.dir, "job"))
		if err != nil {
			t.Fatal(err)
		}
		p, err := service.Commands(t).Start("server", append(m.environ, "ALLOW_ANONYMOUS=true"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Kill)
		service.Service{Process: p, URL: fmt.Sprint("http://127.0.0.1:", m.port)}.AwaitReady(t)
		a := apptest.Get(t, strings.TrimSpace(string(location))+"/output")
		if a.StatusCode != http.StatusOK || !bytes.Equal(a.Bytes, before) {
			t.Errorf("restored, the output is %s, %d bytes of %d: %s", a.Status, len(a.Bytes), len(before), p.Output())
		}
	})
}
