package pgstore

import (
	"context"

	"claimcheck.example/internal/job"
)

// Depth counts the messages and the dead letters: one SELECT.
func (q *Queue) Depth(ctx context.Context) (job.Depth, error) {
	d := job.Depth{CountsDead: q.dead != ""}
	err := q.db.row(ctx, "count messages", []any{&d.Visible, &d.Hidden, &d.Dead}, `
		SELECT count(*) FILTER (WHERE queue = $1 AND visible_at <= now()), count(*) FILTER (WHERE queue = $1 AND visible_at > now()),
			count(*) FILTER (WHERE queue <> $1)
		FROM claimcheck.messages WHERE queue IN ($1, $2)`, q.opts.Name, q.dead)
	return d, err
}
