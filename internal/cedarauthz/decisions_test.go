package cedarauthz_test

import (
	"encoding/csv"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"claimcheck.example/internal/cedarauthz"
	"claimcheck.example/internal/job"
)

// noon is the default time of a question.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// jobOf returns a job of owner, an hour old at noon and 1 MB long.
func jobOf(owner string, s job.Status) *job.Job {
	return &job.Job{
		ID:        "0190b3d2-7c1e-7000-8000-000000000001",
		Owner:     owner,
		Status:    s,
		CreatedAt: noon.Add(-time.Hour),
		Input:     job.Media{ContentType: "image/png", SizeBytes: 1_000_000},
	}
}

func newMonitor(t testing.TB, o cedarauthz.Options) *cedarauthz.Monitor {
	t.Helper()
	m, err := cedarauthz.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestDecisionTable(t *testing.T) {
	t.Parallel()
	f, err := os.Open("testdata/decisions.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comment = '#'
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	m := newMonitor(t, cedarauthz.Options{AdminGroup: "operators"})
	for _, action := range job.Actions() {
		for _, decision := range []string{"allow", "deny"} {
			if !slices.ContainsFunc(rows, func(row []string) bool { return row[2] == string(action) && row[5] == decision }) {
				t.Errorf("no row has action %s and decision %s", action, decision)
			}
		}
	}

	for _, row := range rows[1:] {
		principal, groups, action, owner := row[0], row[1], row[2], row[3]
		status, decision, policy, visible := row[4], row[5], row[6], row[7]

		issuer, subject, _ := strings.Cut(principal, "|")
		q := job.Access{
			Principal: job.Principal{Issuer: issuer, Subject: subject, Groups: strings.Fields(groups)},
			Action:    job.Action(action),
			Owner:     owner,
			Time:      noon,
		}
		if status != "" {
			q.Job = jobOf(owner, job.Status(status))
		}
		want := job.Decision{Allow: decision == "allow", Policy: policy, Visible: visible == "true"}

		t.Run(fmt.Sprintf("%s(%s) %s %s %s", principal, groups, action, owner, status), func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(want, m.Decide(t.Context(), q)); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
		})
	}
}
