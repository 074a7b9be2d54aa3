package s3store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"golang.org/x/sync/errgroup"

	"claimcheck.example/internal/job"
)

// sumsSection is the folder of an owner's sums, among the owner's usage records. It sorts
// after every day.
const sumsSection = "sums/"

// keptSum is the sum of one day over exactly the records with these identifiers.
type keptSum struct {
	job.UsageDay
	Records string `json:"records"` // as dayListing.records
	// Counts says that the sum has requests; sums of an earlier release have none.
	Counts bool `json:"counts"`
}

// keptMonth is the object usage/{owner}/sums/{yyyy-mm}: the sums of days that are over.
type keptMonth struct {
	Days map[string]keptSum `json:"days"`
}

// SumUsage implements job.Ledger.
//
// It lists the records of the days and reads only records that no kept sum covers. A kept sum
// is valid for exactly the records that the listing finds, so a late record from any writer
// makes its day be summed up again. It keeps the sums of past days, one object per month. The
// next call reads one object for each month, and lists 1000 records per request.
func (s *Store) SumUsage(ctx context.Context, owner string, from, to time.Time) ([]job.UsageDay, error) {
	listed, err := s.listDays(ctx, usagePrefix(owner), from, to)
	if err != nil {
		return nil, err
	}
	var days []job.UsageDay
	for len(listed) > 0 {
		month := listed[0].month()
		n := slices.IndexFunc(listed, func(d *dayListing) bool { return d.month() != month })
		if n < 0 {
			n = len(listed)
		}
		sums, err := s.sumMonth(ctx, usagePrefix(owner), month, listed[:n])
		if err != nil {
			return nil, err
		}
		days, listed = append(days, sums...), listed[n:]
	}
	return days, nil
}

// sumMonth returns the sums of days of one month. It keeps every new sum, also when it fails
// later.
func (s *Store) sumMonth(ctx context.Context, prefix, month string, listed []*dayListing) (days []job.UsageDay, err error) {
	today := time.Now().UTC().Format(time.DateOnly)
	key := prefix + sumsSection + month
	var kept keptMonth
	tag := ""
	if listed[0].day < today {
		if kept, tag, err = s.readSums(ctx, key); err != nil {
			return nil, err
		}
	}
	changed := false
	defer func() {
		if changed {
			s.keepSums(ctx, key, tag, kept)
		}
	}()
	for _, d := range listed {
		sum, ok := kept.Days[d.day]
		if !ok || !sum.Counts || sum.Records != d.records() {
			if sum, err = s.sumDay(ctx, prefix, d); err != nil {
				return nil, err
			}
			if d.day < today {
				kept.Days[d.day], changed = sum, true
			}
		}
		days = append(days, sum.UsageDay)
	}
	return days, nil
}

// readSums reads kept sums. It returns none for a missing or malformed object.
func (s *Store) readSums(ctx context.Context, key string) (kept keptMonth, tag string, err error) {
	raw, tag, err := s.get(ctx, key)
	if err == nil && json.Unmarshal(raw, &kept) != nil {
		kept = keptMonth{}
	}
	if job.KindOf(err) == job.NotFound {
		err = nil
	}
	if kept.Days == nil {
		kept.Days = map[string]keptSum{}
	}
	return kept, tag, err
}

// keepSums writes sums, unless another call has done so meanwhile. The result does not depend
// on it: the next call sums up again what is not kept.
func (s *Store) keepSums(ctx context.Context, key, tag string, kept keptMonth) {
	raw, err := json.Marshal(kept)
	if err != nil || s.Proved(ctx) != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.opts.CallTimeout)
	defer cancel()
	in := s.jsonObject(key, raw)
	if tag == "" {
		in.IfNoneMatch = aws.String("*")
	} else {
		in.IfMatch = quoted(tag)
	}
	_, _ = s.client.PutObject(ctx, in)
}

// sumDay reads the records of a day and sums them up. The sum may include records that are
// written meanwhile; its fingerprint says which.
func (s *Store) sumDay(ctx context.Context, prefix string, d *dayListing) (keptSum, error) {
	sum := keptSum{UsageDay: job.UsageDay{Day: d.day}, Counts: true}
	read := newDayListing(d.day)
	add := func(keys []string) error {
		for _, key := range keys {
			read.add(key[strings.LastIndexByte(key, '/')+1:])
		}
		records, err := s.readRecords(ctx, keys)
		if err != nil {
			return err
		}
		for _, raw := range records {
			var rec job.UsageRecord
			if err := json.Unmarshal(raw, &rec); err != nil {
				return job.Wrap(job.Corrupt, err, "a usage record is damaged")
			}
			sum.Add(rec)
		}
		return nil
	}
	if d.keys != nil {
		err := add(d.keys)
		sum.Records = read.records()
		return sum, err
	}
	for page, err := range s.usagePages(ctx, prefix, d.day, d.day) {
		if err == nil {
			err = add(page.keys)
		}
		if err != nil {
			return sum, err
		}
	}
	sum.Records = read.records()
	return sum, nil
}

// dayListing is the result of listing the records of one day.
type dayListing struct {
	day  string
	sum  hash.Hash // of the identifiers, in their order
	keys []string  // of the records; nil where there are too many to be held
}

func newDayListing(day string) *dayListing { return &dayListing{day: day, sum: sha256.New()} }

func (d *dayListing) add(id string) { d.sum.Write([]byte(id)) }

// month is yyyy-mm.
func (d *dayListing) month() string { return d.day[:len("2006-01")] }

// records is a fingerprint of the day's records, which never change.
func (d *dayListing) records() string { return hex.EncodeToString(d.sum.Sum(nil)[:16]) }

// usageListers is the number of spans of a range that are listed concurrently.
const usageListers = 12

// listDays lists the records of the days from..to, and returns the days that have any, in
// order. If they do not fit in one page it lists spans of the rest concurrently.
func (s *Store) listDays(ctx context.Context, prefix string, from, to time.Time) ([]*dayListing, error) {
	first, last := from.UTC().Format(time.DateOnly), to.UTC().Format(time.DateOnly)
	head, more, err := s.listSpan(ctx, prefix, first, last, 1)
	if err != nil || !more {
		return head, err
	}
	// The page ends within a day, which is listed again from its beginning.
	if len(head) > 0 {
		first = head[len(head)-1].day
		head = head[:len(head)-1]
	}
	for _, d := range head {
		d.keys = nil
	}
	begin, err := time.Parse(time.DateOnly, first)
	if err != nil {
		return nil, err
	}
	end := to.UTC().Truncate(24 * time.Hour)
	days := int(end.Sub(begin)/(24*time.Hour)) + 1
	step := max(1, (days+usageListers-1)/usageListers)
	spans := make([][]*dayListing, (days+step-1)/step)
	group, ctx := errgroup.WithContext(ctx)
	for i := range spans {
		a := begin.AddDate(0, 0, i*step)
		b := a.AddDate(0, 0, step-1)
		if b.After(end) {
			b = end
		}
		group.Go(func() (err error) {
			spans[i], _, err = s.listSpan(ctx, prefix, a.Format(time.DateOnly), b.Format(time.DateOnly), 0)
			return err
		})
	}
	err = group.Wait()
	return append(head, slices.Concat(spans...)...), err
}

// listSpan lists the records of the days from..to. With pages over zero it lists at most that
// number of pages, keeps the identifiers, and reports whether any records are left.
func (s *Store) listSpan(ctx context.Context, prefix, from, to string, pages int) (days []*dayListing, more bool, err error) {
	for page, err := range s.usagePages(ctx, prefix, from, to) {
		if err != nil {
			return nil, false, err
		}
		for _, key := range page.keys {
			day, id, _ := strings.Cut(strings.TrimPrefix(key, prefix), "/")
			if len(days) == 0 || days[len(days)-1].day != day {
				days = append(days, newDayListing(day))
			}
			d := days[len(days)-1]
			d.add(id)
			if pages > 0 {
				d.keys = append(d.keys, key)
			}
		}
		if pages--; pages == 0 {
			return days, page.more, nil
		}
	}
	return days, false, nil
}
