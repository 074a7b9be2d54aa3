package app

import (
	"os"
	"sync"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"claimcheck.example/internal/config"
)

const (
	ballastBytes = 16 << 20
	// ballastDelay is the time from the start of a process to its ballast, whose allocation
	// makes the garbage collector run: the first answer comes before that.
	ballastDelay = time.Second
	// smallMemory is a memory limit in bytes below which a process has no room for ballast.
	smallMemory = 256 << 20
)

// ballast is memory that nothing writes, so that the kernel never provides it. The garbage
// collector counts it as live and waits until as much again is allocated. Without it the
// few MiB that a process holds cost a collection every hundred requests, which is a sixth
// of the CPU time of a status.
var ballast = sync.OnceValue(func() []byte { return make([]byte, ballastBytes) })

// tuneMemory makes the garbage collector respect the memory limit of the container (cgroups
// v1 and v2) or of the Lambda function, unless GOMEMLIMIT says something else, and makes it
// wait for the ballast, unless GOGC says how often it runs.
func tuneMemory(c *config.Config) {
	from := memlimit.FromCgroup
	if n := c.Cloud.FunctionMiB; n > 0 {
		from = memlimit.Limit(n << 20)
	}
	limit, _ := memlimit.Set(memlimit.WithRatio(0.9), memlimit.WithProvider(from))
	if takesBallast(limit, os.Getenv("GOGC")) {
		time.AfterFunc(ballastDelay, func() { ballast() })
	}
}

// takesBallast says whether a process with a memory limit in bytes, 0 for none, takes
// ballast under a setting of GOGC.
func takesBallast(limit int64, gogc string) bool {
	return gogc == "" && (limit == 0 || limit >= smallMemory)
}
