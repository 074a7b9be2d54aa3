package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"claimcheck.example/internal/telemetry"
)

// TestPageListsEveryMetric compares docs/operations.md with the descriptions of the
// instruments, and with the names in the source.
func TestPageListsEveryMetric(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z.]+)` \\| (counter|gauge|histogram) \\| `(.+?)` \\|([^|]*)\\|").FindAllStringSubmatch(string(page), -1) {
		documented = append(documented, fmt.Sprintf("%s: %s of %s by %s", row[1], row[2], row[3], strings.TrimSpace(strings.ReplaceAll(row[4], "`", ""))))
	}
	slices.Sort(documented)

	reader := sdkmetric.NewManualReader()
	m, err := telemetry.NewMetrics(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	m.Accepted(ctx, 1)
	m.Refused(ctx, "denied")
	m.Ended(ctx, telemetry.End{Outcome: "completed"})
	m.Abandoned(ctx)
	m.Received(ctx, time.Second)
	m.Request(ctx, "GET", "/jobs", 200, time.Second)
	if err := errors.Join(
		m.ObserveQueues(map[string]func(context.Context) (map[string]int64, error){
			"jobs": func(context.Context) (map[string]int64, error) { return map[string]int64{"visible": 1}, nil },
		}),
		m.ObserveEngine(func() int64 { return 1 }),
	); err != nil {
		t.Fatal(err)
	}
	var all metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &all); err != nil {
		t.Fatal(err)
	}
	var want, names []string
	for _, s := range all.ScopeMetrics {
		for _, m := range s.Metrics {
			var kind string
			var by attribute.Set
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				kind, by = "counter", data.DataPoints[0].Attributes
			case metricdata.Gauge[float64]:
				kind, by = "gauge", data.DataPoints[0].Attributes
			case metricdata.Histogram[float64]:
				kind, by = "histogram", data.DataPoints[0].Attributes
			}
			var keys []string
			for _, kv := range by.ToSlice() {
				keys = append(keys, string(kv.Key))
			}
			names = append(names, m.Name)
			want = append(want, fmt.Sprintf("%s: %s of %s by %s", m.Name, kind, m.Unit, strings.Join(keys, ", ")))
		}
	}
	slices.Sort(want)
	// The page has its own order of attributes.
	for _, lines := range [][]string{documented, want} {
		for i, line := range lines {
			head, list, _ := strings.Cut(line, " by ")
			keys := strings.Split(list, ", ")
			slices.Sort(keys)
			lines[i] = strings.TrimSpace(head + " by " + strings.Join(keys, ", "))
		}
	}
	if diff := cmp.Diff(want, documented); diff != "" {
		t.Errorf("metrics (-instruments +docs/operations.md):\n%s", diff)
	}

	var source []byte
	for _, file := range []string{"metrics.go", "observed.go"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source = append(source, text...)
	}
	for _, name := range regexp.MustCompile(`(?:counter|seconds|Gauge)\("([^"]+)"`).FindAllSubmatch(source, -1) {
		if !slices.Contains(names, string(name[1])) {
			t.Errorf("%s is registered, and no event of this test records it", name[1])
		}
	}
}
