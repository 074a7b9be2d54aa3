package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"claimcheck.example/internal/dirstore"
	"claimcheck.example/internal/pgstore"
	"claimcheck.example/internal/pgstore/pgtest"
)

// database is PostgreSQL and a folder, in place of S3 and SQS. It can be killed like a process,
// and is the auditor of its own storage.
type database struct {
	server *pgtest.Running
	audit  *pgx.Conn // nil until the audit's first question
	folder string
	env    []string
}

// start starts the database. The first start creates schema and folder.
func (d *database) start(ctx context.Context, dir string) error {
	if d.server != nil {
		return d.server.Restart()
	}
	server, err := pgtest.Run(ctx, false) // processes are killed, the machine is not
	if err != nil {
		return err
	}
	d.server, d.folder = server, filepath.Join(dir, "images")
	d.env = []string{"DATABASE_URL=" + server.URL, "OBJECTS=" + (&url.URL{Scheme: "file", Path: d.folder}).String()}
	if _, _, err := pgstore.Provision(ctx, server.URL); err != nil {
		return err
	}
	_, err = dirstore.Provision(d.folder)
	return err
}

// Kill implements proc.
func (d *database) Kill() {
	if err := d.server.Kill(); err != nil {
		panic(fmt.Sprintf("the database's supervisor has ended: %v", err))
	}
}

// Done implements proc: the database never ends by itself.
func (d *database) Done() <-chan struct{} { return nil }

// Output implements proc.
func (d *database) Output() string { return "" }

// stop ends the database.
func (d *database) stop() {
	if d.audit != nil {
		d.audit.Close(context.Background())
	}
	if d.server != nil {
		d.server.Stop()
	}
}

// query calls each for every row.
func (d *database) query(ctx context.Context, each func(pgx.Row) error, sql string, args ...any) error {
	if d.audit == nil || d.audit.IsClosed() {
		conn, err := pgx.Connect(ctx, d.server.URL)
		if err != nil {
			return err
		}
		d.audit = conn
	}
	rows, err := d.audit.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (d *database) left(ctx context.Context) (left int, err error) {
	err = d.query(ctx, func(r pgx.Row) error { return r.Scan(&left) }, `SELECT count(*) FROM claimcheck.messages`)
	return left, err
}

func (d *database) objects(ctx context.Context) (map[string]map[string]object, error) {
	objects := map[string]map[string]object{"jobs": {}, "usage": {}, "input": {}, "output": {}}
	err := d.query(ctx, func(r pgx.Row) error {
		var section, id string
		var made time.Time
		if err := r.Scan(&section, &id, &made); err != nil {
			return err
		}
		if objects[section][id].key != "" {
			return fmt.Errorf("job %s has two rows in %s", id, section)
		}
		objects[section][id] = object{section + "/" + id, made}
		return nil
	}, `SELECT 'jobs', id::text, written_at FROM claimcheck.jobs UNION ALL SELECT 'usage', job_id::text, day::timestamptz FROM claimcheck.usage`)
	if err != nil {
		return nil, err
	}
	for _, section := range []string{"input", "output"} {
		err := filepath.WalkDir(filepath.Join(d.folder, section), func(path string, entry os.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			info, err := entry.Info()
			if err == nil {
				objects[section][entry.Name()] = object{section + "/" + entry.Name(), info.ModTime()}
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return objects, nil
}

func (d *database) document(ctx context.Context, id string) (raw []byte, err error) {
	err = d.query(ctx, func(r pgx.Row) error { return r.Scan(&raw) }, `SELECT document FROM claimcheck.jobs WHERE id = $1`, id)
	return raw, err
}

// uploads are the files in tmp. Only their age is known: a server or a worker has made them.
func (d *database) uploads(context.Context) (all []object, err error) {
	entries, err := os.ReadDir(filepath.Join(d.folder, "tmp"))
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		all = append(all, object{"tmp/" + e.Name(), info.ModTime()})
	}
	return all, err
}

func (d *database) record(ctx context.Context, key string) (raw []byte, err error) {
	id := strings.TrimPrefix(key, "usage/")
	err = d.query(ctx, func(r pgx.Row) error { return r.Scan(&raw) }, `SELECT record FROM claimcheck.usage WHERE job_id = $1`, id)
	return raw, err
}
