package cedarauthz

import (
	"context"
	"log/slog"
	"time"

	"claimcheck.example/internal/job"
)

// maxLoggedGroups bounds the groups in one log record.
const maxLoggedGroups = 20

// Logged returns a monitor that asks m and writes decisions as log records, "access
// decision": who, what, which, allow or deny, by which policy and why, how long. Unless all
// is set it leaves out the ordinary read, of what belongs to the principal: the record of
// the request has the owner, the job and the status. Of a page of a list the only record
// is the decision about the list. A denial also has the groups and the
// address of the principal. The level is info, and error when a policy could not be
// evaluated. The logger must write both levels, and take the request's id from the context.
//
// No record contains an e-mail address or any part of a token.
func Logged(m job.Monitor, log *slog.Logger, all bool) job.Monitor {
	return &loggedMonitor{monitor: m, log: log, all: all}
}

type loggedMonitor struct {
	monitor job.Monitor
	log     *slog.Logger
	all     bool
}

// explainer is a monitor that can also explain its decisions.
type explainer interface {
	decide(q job.Access) (job.Decision, reason)
}

// Decide implements [job.Monitor].
func (l *loggedMonitor) Decide(ctx context.Context, q job.Access) job.Decision {
	var (
		d   job.Decision
		why reason
	)
	begin := time.Now()
	if e, ok := l.monitor.(explainer); ok {
		d, why = e.decide(q)
	} else {
		d = l.monitor.Decide(ctx, q)
	}
	took := time.Since(begin)

	if !why.failed && (q.Listed || !l.all && d.Allow && ordinaryRead(q)) {
		return d
	}
	level := slog.LevelInfo
	if why.failed {
		level = slog.LevelError
	}
	if l.log.Enabled(ctx, level) {
		l.log.LogAttrs(ctx, level, "access decision", attrs(q, d, why, took)...)
	}
	return d
}

// ordinaryRead reports whether a principal reads what belongs to it.
func ordinaryRead(q job.Access) bool {
	switch q.Action {
	case job.ActionReadStatus, job.ActionReadOutput, job.ActionReadUsage, job.ActionList:
		return q.Owner == q.Principal.Owner()
	}
	return false
}

func attrs(q job.Access, d job.Decision, why reason, took time.Duration) []slog.Attr {
	decision := "deny"
	if d.Allow {
		decision = "allow"
	}
	as := make([]slog.Attr, 0, 16)
	as = append(as,
		slog.String("decision", decision),
		slog.String("principal", q.Principal.Owner()),
		slog.String("action", string(q.Action)),
		slog.String("owner", q.Owner),
	)
	if q.Job != nil {
		as = append(as, slog.String("job_id", string(q.Job.ID)), slog.String("job_status", string(q.Job.Status)))
	}
	as = append(as,
		slog.String("policy", d.Policy),
		slog.String("reason", why.text),
		slog.Int64("duration_us", took.Microseconds()),
	)
	if d.Allow {
		return as
	}
	as = append(as,
		slog.Bool("visible", d.Visible),
		slog.Any("groups", q.Principal.Groups[:min(len(q.Principal.Groups), maxLoggedGroups)]),
	)
	if q.Source.IsValid() {
		as = append(as, slog.String("address", q.Source.String()))
	}
	return as
}
