package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"claimcheck.example/internal/dirstore"
	"claimcheck.example/internal/pgstore"
	"claimcheck.example/internal/pgstore/pgtest"
)

// home is a database and a folder, in place of S3 and SQS.
type home struct {
	url string // of the database
	env []string
}

// openHome makes an empty database with its schema, and a folder. The first call starts
// PostgreSQL.
func (s *harness) openHome(ctx context.Context) (err error) {
	if s.postgres == nil {
		s.postgres, err = pgtest.Run(ctx, s.durable)
	} else {
		err = s.postgres.Renew(ctx)
	}
	if err != nil {
		return err
	}
	db := s.postgres
	folder := filepath.Join(s.dir, "backend", "images")
	s.home = &home{db.URL, []string{"DATABASE_URL=" + db.URL, "OBJECTS=" + (&url.URL{Scheme: "file", Path: folder}).String()}}
	if _, _, err := pgstore.Provision(ctx, db.URL); err != nil {
		return err
	}
	if _, err = dirstore.Provision(folder); err != nil {
		return err
	}
	for _, section := range []string{"input", "output"} { // as after the first hours of a folder
		for part := range 256 {
			if err := os.Mkdir(filepath.Join(folder, section, fmt.Sprintf("%02x", part)), 0o700); err != nil {
				return err
			}
		}
	}
	return nil
}

// Goals for PostgreSQL and a folder, compared with S3 and SQS.
var (
	homeSubmitGoals = []goal{{Figure: cpu, Ratio: true, Bound: 0.8}}
	homeBeyondGoals = []goal{{Figure: p50, Ratio: true, Bound: 0.6}}
	homeWorkGoals   = []goal{{Figure: perSecond, Ratio: true, Bound: 3, AtLeast: true}, {Figure: peakRSS, Ratio: true, Bound: 1}}
)

// homesSubmit adds a row: n clients submit to the server over a database and to the server over
// S3 and SQS, alternately.
func (b *bench) homesSubmit(ctx context.Context, which side, name string, l load, n int) error {
	if err := b.harness.openHome(ctx); err != nil {
		return err
	}
	rounds, err := b.alternate(ctx, name, l, n, until{time: b.round}, b.rounds, which, server)
	if err != nil {
		return err
	}
	b.addHomes(name, rounds[which], rounds[server], homeSubmitGoals)
	return nil
}

// addHomes adds a row of both homes, with S3 and SQS in place of the floor.
func (b *bench) addHomes(name string, ours, theirs []round, goals []goal, without ...figure) {
	r := compare(name, map[side][]round{server: ours, floor: theirs})
	for _, f := range []figures{r.Server, r.Floor, r.Ratio} {
		for _, c := range without {
			delete(f, c)
		}
	}
	r.judge(goals)
	b.rows = append(b.rows, r)
}

// homesBeyond adds a row: the duration of a job without its processing in both homes.
func (b *bench) homesBeyond(ctx context.Context, which side, name string, image []byte) error {
	if err := b.harness.openHome(ctx); err != nil {
		return err
	}
	times := map[side][]time.Duration{}
	for _, one := range []side{which, server} {
		stored, _, err := b.lives(ctx, one, image)
		if err != nil {
			return err
		}
		times[one] = stored
	}
	r := row{Name: name, Server: figures{}, Floor: figures{}, Ratio: figures{}}
	for c, q := range map[figure]float64{p50: 0.5, p99: 0.99} {
		r.Server[c], r.Floor[c] = quantile(times[which], q), quantile(times[server], q)
		r.Ratio[c] = r.Server[c] / r.Floor[c]
	}
	r.judge(homeBeyondGoals)
	b.rows = append(b.rows, r)
	return nil
}

// homesWork adds a row: the throughput of a worker in both homes.
func (b *bench) homesWork(ctx context.Context, which side, name string, image []byte) error {
	if err := b.harness.openHome(ctx); err != nil {
		return err
	}
	rounds := map[side][]round{}
	for i := range b.rounds {
		order := []side{which, server}
		if i%2 == 1 {
			order = []side{server, which}
		}
		for _, one := range order {
			n := b.queued()/b.rounds + 150
			if b.short {
				n = 64
			}
			if err := b.submit(ctx, one, image, n); err != nil {
				return err
			}
			r, err := b.drain(ctx, one, name, n)
			if err != nil {
				return err
			}
			rounds[one] = append(rounds[one], r)
		}
	}
	b.addHomes(name, rounds[which], rounds[server], homeWorkGoals, p50, p99)
	return nil
}

// homeGrowth adds rows of a database with more and more rows: jobs of other days, and as many
// hidden messages.
func (b *bench) homeGrowth(ctx context.Context, name string, image []byte, sizes []int) error {
	if err := b.harness.openHome(ctx); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, b.harness.home.url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	have := 0
	for _, size := range sizes {
		title := fmt.Sprintf("%s, %d rows", name, size)
		b.tell(title)
		if err := fill(ctx, conn, size-have); err != nil {
			return err
		}
		have = size
		n, err := b.grownServer(ctx, title, image)
		if err != nil {
			return err
		}
		r, err := b.drain(ctx, database, name, n)
		if err != nil {
			return err
		}
		b.addAlone(title+": claim to complete, 16 at once", []round{r}, p50, p99)
		if err := b.sweep(ctx, title); err != nil {
			return err
		}
	}
	return nil
}

// grownServer adds the rows of the server, and returns the number of accepted jobs.
func (b *bench) grownServer(ctx context.Context, title string, image []byte) (accepted int, err error) {
	s, err := b.harness.start(ctx, b.harness.probed, database)
	if err != nil {
		return 0, err
	}
	defer s.Kill()
	c := clients(16)
	defer c.CloseIdleConnections()
	submit := load{method: "POST", path: "/jobs", body: image, want: http.StatusAccepted}
	if _, err := submit.drive(ctx, c, s, 16, until{requests: 200}); err != nil {
		return 0, err
	}
	accepted = 200
	rounds, err := b.roundsOf(ctx, submit, c, s)
	if err != nil {
		return 0, err
	}
	for _, r := range rounds {
		accepted += len(r.latencies)
	}
	b.addAlone(title+": submit 20 KB, 16 clients", rounds)
	j, err := submitOnce(ctx, c, s.url, image, "")
	if err != nil {
		return 0, err
	}
	accepted++
	if rounds, err = b.roundsOf(ctx, load{method: "GET", path: "/jobs/" + j.ID}, c, s); err != nil {
		return 0, err
	}
	b.addAlone(title+": status, 16 clients", rounds)
	return accepted, nil
}

func (b *bench) roundsOf(ctx context.Context, l load, c *http.Client, s *proc) (rounds []round, err error) {
	for range b.rounds {
		r, err := l.drive(ctx, c, s, 16, until{time: b.round})
		if err != nil {
			return nil, err
		}
		rounds = append(rounds, r)
	}
	return rounds, nil
}

// sweep adds a row: the duration of a sweep that finds nothing to delete.
func (b *bench) sweep(ctx context.Context, title string) error {
	db, err := pgstore.Open(b.harness.home.url, pgstore.Options{})
	if err != nil {
		return err
	}
	defer db.Close()
	store, queue := pgstore.NewStore(db), pgstore.NewQueue(db, pgstore.QueueOptions{})
	var times []time.Duration
	for range 2 * b.rounds {
		start := time.Now()
		for _, sweep := range []func(context.Context, time.Time) (int, error){store.SweepJobs, queue.SweepMessages} {
			if _, err := sweep(ctx, time.Now().AddDate(0, 0, -7)); err != nil {
				return err
			}
		}
		times = append(times, time.Since(start))
	}
	b.rows = append(b.rows, row{Name: title + ": a sweep", Server: figures{p50: quantile(times, 0.5), p99: quantile(times, 0.99)}})
	return nil
}

// addAlone adds a row of one program.
func (b *bench) addAlone(name string, rounds []round, without ...figure) {
	f := summary(rounds)
	for _, c := range without {
		delete(f, c)
	}
	b.rows = append(b.rows, row{Name: name, Server: f})
}

// fill adds n jobs, n usage records and n hidden messages.
func fill(ctx context.Context, conn *pgx.Conn, n int) error {
	for _, sql := range []string{
		`INSERT INTO claimcheck.jobs (id, revision, document, created_at, written_at)
			SELECT gen_random_uuid(), md5(n::text), convert_to(repeat(md5(n::text), 20), 'UTF8'), now() - n * interval '100 ms', now() - n * interval '100 ms' FROM generate_series(1, $1::int) n`,
		`INSERT INTO claimcheck.usage (owner_key, day, job_id, record)
			SELECT sha256((n % 100)::text::bytea), current_date - n % 30, gen_random_uuid(), convert_to(repeat(md5(n::text), 10), 'UTF8') FROM generate_series(1, $1::int) n`,
		`INSERT INTO claimcheck.messages (queue, body, visible_at)
			SELECT 'jobs', '{"job_id":"' || gen_random_uuid() || '"}', now() + interval '1 day' + n * interval '1 ms' FROM generate_series(1, $1::int) n`,
	} {
		if _, err := conn.Exec(ctx, sql, n); err != nil {
			return err
		}
	}
	for _, sql := range []string{`VACUUM ANALYZE`, `CHECKPOINT`} { // what the load itself leaves is not measured
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}
