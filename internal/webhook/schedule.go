package webhook

import (
	"math/rand/v2"
	"time"
)

// pauses are those after the first try, the second one, and so on.
var pauses = [...]time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
	10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

// MaxTries is how often an event is tried before it is given up.
const MaxTries = len(pauses) + 1

// longestPause bounds the pause that a receiver asks for.
const longestPause = 24 * time.Hour

// Pause returns how long to wait after the nth failed try, counted from 1, and whether there
// is to be another one. It is longer where the receiver asks for that, and up to a tenth
// longer by chance, so that tries of one outage spread.
func Pause(n int, asked time.Duration) (time.Duration, bool) {
	if n >= MaxTries {
		return 0, false
	}
	d := max(pauses[max(n, 1)-1], min(asked, longestPause))
	return d + rand.N(d/10+1), true
}
