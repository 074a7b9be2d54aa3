package e2e_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/test/service"
)

// TestLocalServiceNamesItself starts a local service by PORT and then a second one on the
// same port, whose error must name the URL and the folder of the first.
func TestLocalServiceNamesItself(t *testing.T) {
	t.Parallel()
	flags := service.LocalFlags(t)
	port, data := strings.TrimPrefix(flags[0], "--port="), strings.TrimPrefix(flags[3], "--data=")
	f := service.Commands(t)
	first, err := f.Start("claimcheck", []string{"PORT=" + port}, append([]string{"local"}, flags[1:]...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(first.Kill)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := first.Await(ctx, "http://localhost:"+port+"/ready"); err != nil {
		t.Fatal(err)
	}
	second, err := f.Start("claimcheck", []string{"PORT=1"}, "local", "--port="+port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(second.Kill)
	select {
	case <-second.Done():
	case <-ctx.Done():
		t.Fatal("the second service does not end")
	}
	for _, want := range []string{"another claimcheck local has port " + port, "http://localhost:" + port, data} {
		if out := second.Output(); !strings.Contains(out, want) {
			t.Errorf("the second service does not say %q: %s", want, out)
		}
	}
}
