package pgstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"claimcheck.example/internal/job"
)

// Sentences for clients. The log has the cause, for the operator.
const (
	sayUnavailable   = "the database does not answer at the moment; try again shortly"
	sayMisconfigured = "the database is misconfigured; the operator must fix it"
	sayConflict      = "another request changed it first; read it again"
	sayNotFound      = "there is no such thing in the database"
	sayReceipt       = "the receipt is no longer valid"
	sayCanceled      = "the request was canceled"
)

// SQLSTATE codes, https://www.postgresql.org/docs/current/errcodes-appendix.html
const (
	codeReadOnly         = "25006" // read_only_sql_transaction: this server is a standby
	codeNoDatabase       = "3D000" // invalid_catalog_name
	codeNoSchema         = "3F000" // invalid_schema_name
	codeNoTable          = "42P01" // undefined_table
	codeNoColumn         = "42703" // undefined_column
	codeDenied           = "42501" // insufficient_privilege
	codeQueryCanceled    = "57014" // query_canceled
	codeCannotConnectNow = "57P03" // cannot_connect_now: it starts or stops
	codeDatabaseDropped  = "57P04" // database_dropped
	codeNoSuchID         = "22P02" // invalid_text_representation: no UUID
	classNoLogin         = "28"    // invalid authorization specification
	classConnection      = "08"    // connection exception
	classRollback        = "40"    // transaction rollback: serialization failure, deadlock
	classResources       = "53"    // too many connections, disk full, out of memory
	classNotReady        = "55"    // object not in prerequisite state, lock not available
	classOperator        = "57"    // admin shutdown, crash shutdown, cannot connect now
	classSystem          = "58"    // I/O error
)

// translate turns an error of the driver into a job.Error, whose cause names the operation and
// says what the operator can do. It returns nil and errors of the domain unchanged. No other
// function knows the meaning of SQLSTATE codes for the domain.
//
// A canceled request is Canceled. A timeout is Unavailable, because the database took the
// time.
func (d *DB) translate(ctx context.Context, operation string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*job.Error](err); ok {
		return err
	}
	cause := func(hint string, args ...any) error {
		if hint == "" {
			return fmt.Errorf("postgresql %s: %w", operation, err)
		}
		return fmt.Errorf("postgresql %s: %w", operation, job.Hint(err, hint, args...))
	}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return job.Wrap(job.Canceled, cause(""), sayCanceled)
	case errors.Is(err, pgx.ErrNoRows):
		return job.Wrap(job.NotFound, cause(""), sayNotFound)
	}
	code := codeOf(err)
	switch code {
	case "": // no answer: the network, the time, a connection that broke
		return job.Wrap(job.Unavailable, cause(""), sayUnavailable)
	case codeNoSuchID:
		return job.Wrap(job.NotFound, cause(""), sayNotFound)
	case codeNoDatabase, codeDatabaseDropped:
		return job.Wrap(job.Misconfigured, cause("database %q does not exist; create it with createdb, or correct DATABASE_URL", d.name), sayMisconfigured)
	case codeNoSchema, codeNoTable:
		return job.Wrap(job.Misconfigured, cause("database %q has no tables of this service; run claimcheck provision", d.name), sayMisconfigured)
	case codeNoColumn:
		return job.Wrap(job.Misconfigured, cause("the tables in database %q are older than this release; run claimcheck provision", d.name), sayMisconfigured)
	case codeDenied:
		return job.Wrap(job.Misconfigured, cause("the role may not use the tables in database %q; run claimcheck provision --grant with the name of the role", d.name), sayMisconfigured)
	case codeReadOnly:
		return job.Wrap(job.Unavailable, cause("the database accepts no writes; it is a standby"), sayUnavailable)
	}
	switch code[:2] {
	case classNoLogin:
		return job.Wrap(job.Misconfigured, cause("database %q refuses the role or its password; correct DATABASE_URL", d.name), sayMisconfigured)
	case classConnection, classRollback, classResources, classNotReady, classOperator, classSystem:
		return job.Wrap(job.Unavailable, cause(""), sayUnavailable)
	}
	return cause("")
}

// codeOf returns the SQLSTATE of the database's answer, or "" without an answer.
func codeOf(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && len(e.Code) == 5 {
		return e.Code
	}
	return ""
}

// repeatable reports whether a retry of the statement may succeed soon.
func repeatable(err error) bool {
	if _, ok := errors.AsType[*job.Error](err); ok || errors.Is(err, pgx.ErrNoRows) {
		return false
	}
	code := codeOf(err)
	switch code {
	case "", codeReadOnly:
		return true
	case codeQueryCanceled:
		return false
	}
	switch code[:2] {
	case classConnection, classRollback, classResources, classOperator:
		return true
	}
	return false
}

// stale reports whether err says that the server of the connection is gone or has changed its
// role, so that the other open connections are useless too.
func stale(err error) bool {
	code := codeOf(err)
	return code == "" || code == codeReadOnly || strings.HasPrefix(code, classOperator) && code != codeCannotConnectNow
}
