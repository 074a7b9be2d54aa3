package pgstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"claimcheck.example/internal/job"
)

// migrations create the schema, one version each. A released migration never changes. A new
// one only adds (tables, columns with a default or NULL, indexes), so that servers of the
// previous release continue to work. A later release removes what only an old one needs.
var migrations = []string{
	// 1: jobs, usage and messages.
	//
	// fillfactor leaves space in each page for the next version of a row: no index covers a
	// column that changes, so an UPDATE of a job stays within its page. Messages live for
	// seconds: autovacuum removes dead rows by their number and not by their share.
	`
	CREATE TABLE claimcheck.jobs (
		id         uuid PRIMARY KEY,
		revision   text NOT NULL,
		document   bytea NOT NULL,
		created_at timestamptz NOT NULL DEFAULT now(),
		written_at timestamptz NOT NULL DEFAULT now()
	) WITH (fillfactor = 60);
	CREATE INDEX jobs_created_at ON claimcheck.jobs (created_at);

	CREATE TABLE claimcheck.usage (
		owner_key bytea NOT NULL,
		day       date NOT NULL,
		job_id    uuid NOT NULL,
		record    bytea NOT NULL,
		PRIMARY KEY (owner_key, day, job_id)
	);

	CREATE TABLE claimcheck.messages (
		id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
		queue       text NOT NULL,
		body        text NOT NULL,
		traceparent text NOT NULL DEFAULT '',
		tracestate  text NOT NULL DEFAULT '',
		sent_at     timestamptz NOT NULL DEFAULT now(),
		visible_at  timestamptz NOT NULL DEFAULT now(),
		received    integer NOT NULL DEFAULT 0
	) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
	CREATE INDEX messages_visible_at ON claimcheck.messages (queue, visible_at, id);
	`,

	// 2: the list of an owner's jobs. Rows of the previous release have no owner_key; their
	// jobs are not in the list.
	`
	ALTER TABLE claimcheck.jobs ADD COLUMN owner_key bytea;
	CREATE INDEX jobs_of_owner ON claimcheck.jobs (owner_key, created_at DESC, id);
	`,
	// 3: the event logs of webhooks.
	`
	CREATE TABLE claimcheck.deliveries (
		id         uuid PRIMARY KEY,
		revision   text NOT NULL,
		document   bytea NOT NULL,
		written_at timestamptz NOT NULL DEFAULT now()
	);
	CREATE INDEX deliveries_written_at ON claimcheck.deliveries (written_at);
	`,
	// 4: the sweep of old messages reads those alone, however many there are.
	`
	CREATE INDEX messages_sent_at ON claimcheck.messages (queue, sent_at);
	`,
}

const (
	// SchemaVersion is the version of the schema that Provision of this release makes. A
	// newer one serves as well.
	SchemaVersion = 4
	// neededVersion is the oldest version with which servers and workers of this release do
	// their work; what came later makes it faster.
	neededVersion = 3
)

// migrationLock serializes provisions: a key of PostgreSQL's advisory locks, the first eight
// bytes of "claimcheck".
const migrationLock = 0x636c61696d636865

// lockTimeout bounds the wait of a migration for a table, because later statements queue
// behind it.
const lockTimeout = 5 * time.Second

// Version returns the version of the schema, or 0 without a schema.
func Version(ctx context.Context, url string) (int, error) {
	d, err := Open(url, Options{MaxConns: 1})
	if err != nil {
		return 0, err
	}
	defer d.Close()
	version, err := d.version(ctx)
	if code := codeOf(err); code == codeNoSchema || code == codeNoTable {
		return 0, nil
	}
	return version, err
}

// Granted reports whether a role has the rights that servers and workers need.
func Granted(ctx context.Context, url, role string) (bool, error) {
	d, err := Open(url, Options{MaxConns: 1})
	if err != nil {
		return false, err
	}
	defer d.Close()
	var granted bool
	err = d.row(ctx, "read rights", []any{&granted}, `
		SELECT has_schema_privilege($1, 'claimcheck', 'USAGE') AND has_table_privilege($1, 'claimcheck.schema_version', 'SELECT')
			AND bool_and(has_table_privilege($1, 'claimcheck.' || t, p))
		FROM unnest(ARRAY['jobs', 'usage', 'messages', 'deliveries']) t, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p`, role)
	if code := codeOf(err); code == codeNoSchema || code == codeNoTable {
		return false, nil
	}
	return granted, err
}

// Provision upgrades the schema to SchemaVersion at least, in one transaction, and grants each
// of the roles the rights that servers and workers need. It is idempotent, and waits for a
// concurrent Provision. The role of the URL must be able to create schemas in the database, or
// own the schema claimcheck. Provision returns the version before and after.
func Provision(ctx context.Context, url string, roles ...string) (before, after int, err error) {
	return provision(ctx, url, migrations, roles)
}

func provision(ctx context.Context, url string, migrations, roles []string) (before, after int, err error) {
	d, err := Open(url, Options{MaxConns: 1})
	if err != nil {
		return 0, 0, err
	}
	defer d.Close()
	err = pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
		before, after, err = migrate(ctx, tx, migrations)
		if err != nil {
			return err
		}
		return grant(ctx, tx, roles)
	})
	if codeOf(err) == codeDenied {
		err = job.Hint(err, "the role may not change the schema; give it CREATE on database %q, or run claimcheck provision as the owner", d.name)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("provision database %q: %w", d.name, err)
	}
	return before, after, nil
}

func migrate(ctx context.Context, tx pgx.Tx, migrations []string) (before, after int, err error) {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(migrationLock)); err != nil {
		return 0, 0, err
	}
	if _, err := tx.Exec(ctx, fmt.Sprintf(`SET LOCAL lock_timeout = %d`, lockTimeout.Milliseconds())); err != nil {
		return 0, 0, err
	}
	var exists bool
	err = tx.QueryRow(ctx, `SELECT to_regclass('claimcheck.schema_version') IS NOT NULL`).Scan(&exists)
	if err != nil {
		return 0, 0, err
	}
	if !exists {
		_, err = tx.Exec(ctx, `
			CREATE SCHEMA IF NOT EXISTS claimcheck;
			CREATE TABLE claimcheck.schema_version (version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())`)
	} else {
		err = tx.QueryRow(ctx, selectVersion).Scan(&before)
	}
	if err != nil {
		return 0, 0, err
	}
	after = max(before, len(migrations))
	for version := before + 1; version <= after; version++ {
		if _, err := tx.Exec(ctx, migrations[version-1]); err != nil {
			return 0, 0, fmt.Errorf("version %d of the schema: %w", version, err)
		}
		if _, err := tx.Exec(ctx, `INSERT INTO claimcheck.schema_version (version) VALUES ($1)`, version); err != nil {
			return 0, 0, err
		}
	}
	return before, after, nil
}

// grant gives roles the rights on the tables, and to read the version.
func grant(ctx context.Context, tx pgx.Tx, roles []string) error {
	for _, role := range roles {
		name := pgx.Identifier{role}.Sanitize()
		_, err := tx.Exec(ctx, `
			GRANT USAGE ON SCHEMA claimcheck TO `+name+`;
			GRANT SELECT, INSERT, UPDATE, DELETE ON claimcheck.jobs, claimcheck.usage, claimcheck.messages, claimcheck.deliveries TO `+name+`;
			GRANT SELECT ON claimcheck.schema_version TO `+name)
		if err != nil {
			return fmt.Errorf("grant rights to role %q: %w", role, err)
		}
	}
	return nil
}

const selectVersion = `SELECT coalesce(max(version), 0) FROM claimcheck.schema_version`

func (d *DB) version(ctx context.Context) (version int, err error) {
	err = d.row(ctx, "read schema version", []any{&version}, selectVersion)
	return version, err
}

// ready reports whether the database answers and its schema is new enough.
func (d *DB) ready(ctx context.Context) error {
	version, err := d.version(ctx)
	if err == nil && version < neededVersion {
		err = errors.New("old schema")
		err = fmt.Errorf("postgresql: %w", job.Hint(err, "database %q has version %d of the schema, and this release needs at least %d; run claimcheck provision", d.name, version, neededVersion))
		return job.Wrap(job.Misconfigured, err, sayMisconfigured)
	}
	return err
}
