// Package overlap runs tests that wait more than they compute.
package overlap

import (
	"flag"
	"strconv"
	"testing"
)

// atOnce is how many tests wait at the same time. The testing package lets as many run as
// there are processors, which then have nothing to do.
const atOnce = 8

// Run is m.Run with more parallel tests at once, unless -parallel says how many.
func Run(m *testing.M) (code int) {
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if f := flag.Lookup("test.parallel"); !chosen && f != nil {
		if n, err := strconv.Atoi(f.DefValue); err == nil && n < atOnce {
			_ = f.Value.Set(strconv.Itoa(atOnce))
		}
	}
	return m.Run()
}
