package main

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// bounds reads --since and --until.
func bounds(since, until string, now time.Time) (from, to time.Time, err error) {
	if from, _, err = moment(since, now); err != nil {
		return from, to, wrongLine("--since is %w", err)
	}
	to, day, err := moment(until, now)
	if err != nil {
		return from, to, wrongLine("--until is %w", err)
	}
	if day {
		to = to.AddDate(0, 0, 1).Add(-time.Second)
	}
	if !from.IsZero() && !to.IsZero() && to.Before(from) {
		return from, to, wrongLine("--since is later than --until")
	}
	return from, to, nil
}

// moment reads a day, a time, or an age; the zero time for an empty text.
func moment(text string, now time.Time) (at time.Time, day bool, err error) {
	if text == "" {
		return at, false, nil
	}
	if at, err = time.Parse(time.DateOnly, text); err == nil {
		return at, true, nil
	}
	if at, err = time.Parse(time.RFC3339, text); err == nil {
		return at, false, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago > 0 {
		return now.Add(-ago), false, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n < 100_000 {
			return now.AddDate(0, 0, -n), false, nil
		}
	}
	return at, false, errors.New("not a day such as 2026-11-22, a time such as 2026-11-22T08:00:00Z, or an age such as 36h or 2d")
}
