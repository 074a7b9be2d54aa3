package pgstore

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Options of a DB. The zero value is good for production.
type Options struct {
	// MaxConns bounds the connections of this process; by default pool_max_conns of the URL,
	// else 10. A process that receives messages or follows jobs has one more, to listen on.
	MaxConns int
	// CallTimeout bounds a statement, including its retries and the wait for a connection;
	// 15 s by default.
	CallTimeout time.Duration
	// ConnectTimeout bounds one attempt to connect; 5 s by default.
	ConnectTimeout time.Duration
}

const (
	defaultMaxConns       = 10
	defaultCallTimeout    = 15 * time.Second
	defaultConnectTimeout = 5 * time.Second
)

// DB is a bounded pool of connections to one database. It is safe for concurrent use.
type DB struct {
	pool     *pgxpool.Pool
	notifier *notifier
	listener *listener
	name     string // of the database, for errors
	opts     Options
}

// Open returns the database of a URL or of a keyword/value connection string. It does not
// connect. If the URL names several hosts, connections go to the one that accepts writes. The
// error never shows the password.
func Open(url string, opts Options) (*DB, error) {
	c, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("parse the database URL: %w", err)
	}
	given, err := pgx.ParseConfig(url) // where the pool's settings still are
	if err != nil {
		return nil, fmt.Errorf("parse the database URL: %w", err)
	}
	if opts.CallTimeout <= 0 {
		opts.CallTimeout = defaultCallTimeout
	}
	switch {
	case opts.MaxConns > 0:
		c.MaxConns = int32(opts.MaxConns)
	case given.RuntimeParams["pool_max_conns"] == "":
		c.MaxConns = defaultMaxConns
	}
	prepare(c.ConnConfig, opts.ConnectTimeout)
	pool, err := pgxpool.NewWithConfig(context.Background(), c)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	return &DB{
		pool: pool, notifier: newNotifier(pool), listener: newListener(c.ConnConfig.Copy()),
		name: c.ConnConfig.Database, opts: opts,
	}, nil
}

// prepare sets the parameters of a connection that the URL does not set.
func prepare(c *pgx.ConnConfig, timeout time.Duration) {
	if timeout > 0 {
		c.ConnectTimeout = timeout
	} else if c.ConnectTimeout <= 0 || c.ConnectTimeout > time.Minute { // the library's own default is 2 min
		c.ConnectTimeout = defaultConnectTimeout
	}
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "claimcheck"
	}
	if c.ValidateConnect == nil { // after a failover the old primary may still answer, as a standby
		c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
}

// Close closes all connections. No call may be in progress.
func (d *DB) Close() {
	d.listener.close()
	d.notifier.close()
	d.pool.Close()
}

const (
	// attempts is the maximum number of runs of a statement.
	attempts = 4
	// firstPause is the pause after the first failure; each further pause is four times as
	// long.
	firstPause = 30 * time.Millisecond
)

// do runs a statement. It repeats the statement after a broken connection or while the
// database cannot accept it, so the statement must do no harm when it runs twice. The error
// has a kind.
func (d *DB) do(ctx context.Context, operation string, statement func(context.Context) error) error {
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, d.opts.CallTimeout)
	defer cancel()
	pause := firstPause
	for attempt := 1; ; attempt++ {
		err := statement(ctx)
		if err == nil {
			return nil
		}
		if attempt == attempts || !repeatable(err) || ctx.Err() != nil {
			return d.translate(caller, operation, err)
		}
		if stale(err) {
			d.pool.Reset() // the other connections are of the same dead server
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return d.translate(caller, operation, err)
		}
		pause *= 4
	}
}

// exec runs a statement without rows, and returns the number of affected rows.
func (d *DB) exec(ctx context.Context, operation, sql string, args ...any) (rows int64, err error) {
	err = d.do(ctx, operation, func(ctx context.Context) error {
		tag, err := d.pool.Exec(ctx, sql, args...)
		rows = tag.RowsAffected()
		return err
	})
	return rows, err
}

// row reads the one row of a query. Without a row the error is NotFound.
func (d *DB) row(ctx context.Context, operation string, into []any, sql string, args ...any) error {
	return d.do(ctx, operation, func(ctx context.Context) error {
		return d.pool.QueryRow(ctx, sql, args...).Scan(into...)
	})
}
