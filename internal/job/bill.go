package job

import (
	"encoding/json"
	"iter"
	"time"
)

// Bill adds up usage records, which come owner by owner and for each owner day by day, as
// a ledger keeps them. It yields each owner's usage of the days from..to once it is
// complete, and ends at the first error.
func Bill(records iter.Seq2[[]byte, error], from, to time.Time) iter.Seq2[*Usage, error] {
	return func(yield func(*Usage, error) bool) {
		var u *Usage
		for raw, err := range records {
			if err != nil {
				yield(nil, err)
				return
			}
			var rec UsageRecord
			if err := json.Unmarshal(raw, &rec); err != nil {
				yield(nil, Wrap(Corrupt, err, "a usage record is damaged"))
				return
			}
			if u == nil || u.Owner != rec.Owner {
				if u != nil && !yield(u, nil) {
					return
				}
				u = NewUsage(rec.Owner, from, to)
			}
			u.add(rec)
		}
		if u != nil {
			yield(u, nil)
		}
	}
}

// NewUsage returns the usage of owner on the days from..to, with no jobs yet.
func NewUsage(owner string, from, to time.Time) *Usage {
	return &Usage{Owner: owner, From: from.Format(time.DateOnly), To: to.Format(time.DateOnly), Days: []UsageDay{}}
}

// AddDay counts a day behind those so far.
func (u *Usage) AddDay(d UsageDay) {
	u.Days = append(u.Days, d)
	u.Total.merge(d)
}

// add counts a job that ended on the last of the days so far, or later.
func (u *Usage) add(rec UsageRecord) {
	day := rec.EndedAt.UTC().Format(time.DateOnly)
	if n := len(u.Days); n == 0 || u.Days[n-1].Day != day {
		u.Days = append(u.Days, UsageDay{Day: day})
	}
	u.Days[len(u.Days)-1].Add(rec)
	u.Total.Add(rec)
}
