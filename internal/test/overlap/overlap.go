// Package overlap runs tests that wait more than they compute.
package overlap

import (
	"flag"
	"strconv"
	"testing"
)

// atOnce is the number of tests that wait at the same time. The testing package runs only
// as many as there are processors, which would then be idle.
const atOnce = 8

// Run is m.Run with more parallel tests at once, unless -parallel is set.
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
