package pgstore

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// ProvisionMore is Provision of a release that has more migrations than this one.
func ProvisionMore(ctx context.Context, url string, more ...string) error {
	_, _, err := provision(ctx, url, append(migrations[:len(migrations):len(migrations)], more...), nil)
	return err
}

// ProvisionOnly is Provision of the release that had only that many versions.
func ProvisionOnly(ctx context.Context, url string, versions int) error {
	_, _, err := provision(ctx, url, migrations[:versions], nil)
	return err
}

// Listening reports whether notifications of messages arrive.
func (d *DB) Listening() bool { return d.listener.listening(queueChannel) }

// Translate is for a table of errors.
func (d *DB) Translate(ctx context.Context, err error) error { return d.translate(ctx, "test", err) }

// ErrNoRows is the driver's error of a query without rows.
var ErrNoRows = pgx.ErrNoRows

// PageRows is how many rows one query of a long list returns.
const PageRows = pageRows
