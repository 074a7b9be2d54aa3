package cedarauthz_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"go/parser"
	"go/token"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"claimcheck.example/internal/cedarauthz"
	"claimcheck.example/internal/job"
)

var (
	ann = job.Principal{Issuer: "https://idp.example", Subject: "ann"}
	bob = job.Principal{Issuer: "https://idp.example", Subject: "bob"}
)

func TestOwnPolicies(t *testing.T) {
	t.Parallel()
	const everybody = `@id("all") permit (principal, action, resource);`
	tests := []struct {
		name     string
		policies string
		change   func(*job.Access) // of the question whether ann may read bob's output
		want     job.Decision
	}{
		{
			name:     "forbid wins over permit, and what may be seen is 403",
			policies: everybody + `@id("no-output") forbid (principal, action == Action::"readOutput", resource);`,
			want:     job.Decision{Policy: "no-output", Visible: true},
		},
		{
			name:     "forbid of everything hides",
			policies: everybody + `@id("closed") forbid (principal, action, resource);`,
			want:     job.Decision{Policy: "closed"},
		},
		{
			name:     "a broken forbid denies",
			policies: everybody + `@id("overflow") forbid (principal, action, resource is Job) when { resource.size + 9223372036854775807 < 0 };`,
			want:     job.Decision{Policy: "overflow"},
		},
		{
			name:     "a broken permit denies although another permits",
			policies: everybody + `@id("overflow") permit (principal, action == Action::"readOutput", resource) when { resource.size * 9223372036854775807 > 0 };`,
			want:     job.Decision{Policy: "overflow", Visible: true},
		},
		{
			name:     "a policy without an id is named by its place",
			policies: `permit (principal, action == Action::"submit", resource); permit (principal, action, resource);`,
			want:     job.Decision{Allow: true, Policy: "policy2"},
		},
		{
			name:     "group",
			policies: `@id("auditors") permit (principal, action, resource) when { principal.issuer == "https://idp.example" && principal.groups.contains("auditors") };`,
			change:   func(q *job.Access) { q.Principal.Groups = []string{"x", "auditors"} },
			want:     job.Decision{Allow: true, Policy: "auditors"},
		},
		{
			name:     "verified e-mail",
			policies: `@id("mail") permit (principal, action, resource) when { principal.emailVerified && principal has email && principal.email like "*@example.org" };`,
			change:   func(q *job.Access) { q.Principal.Email, q.Principal.EmailVerified = "ann@example.org", true },
			want:     job.Decision{Allow: true, Policy: "mail"},
		},
		{
			name:     "unverified e-mail",
			policies: `@id("mail") permit (principal, action, resource) when { principal.emailVerified && principal has email && principal.email like "*@example.org" };`,
			change:   func(q *job.Access) { q.Principal.Email = "ann@example.org" },
			want:     job.Decision{},
		},
		{
			name:     "no e-mail, no attribute",
			policies: `@id("mail") permit (principal, action, resource) when { principal has email };`,
			want:     job.Decision{},
		},
		{
			name:     "subject, status, age and size",
			policies: `@id("facts") permit (principal, action, resource is Job) when { principal.subject == "ann" && resource.status == "completed" && resource.age == 3600 && resource.size == 1000000 };`,
			want:     job.Decision{Allow: true, Policy: "facts"},
		},
		{
			name:     "a job from the future has age 0",
			policies: `@id("young") permit (principal, action, resource is Job) when { resource.age == 0 };`,
			change:   func(q *job.Access) { q.Job.CreatedAt = noon.Add(time.Hour) },
			want:     job.Decision{Allow: true, Policy: "young"},
		},
		{
			name:     "office hours",
			policies: `@id("hours") permit (principal, action, resource) when { context.time.toTime() >= duration("9h") && context.time.toTime() < duration("17h") };`,
			want:     job.Decision{Allow: true, Policy: "hours"},
		},
		{
			name:     "after hours",
			policies: `@id("hours") permit (principal, action, resource) when { context.time.toTime() >= duration("9h") && context.time.toTime() < duration("17h") };`,
			change:   func(q *job.Access) { q.Time = noon.Add(6 * time.Hour) },
			want:     job.Decision{},
		},
		{
			name:     "network, IPv4 in IPv6",
			policies: `@id("net") permit (principal, action, resource) when { context has source && context.source.isInRange(ip("10.0.0.0/8")) };`,
			change:   func(q *job.Access) { q.Source = netip.MustParseAddr("::ffff:10.1.2.3") },
			want:     job.Decision{Allow: true, Policy: "net"},
		},
		{
			name:     "network, with a zone",
			policies: `@id("net") permit (principal, action, resource) when { context has source && context.source.isInRange(ip("fe80::/10")) };`,
			change:   func(q *job.Access) { q.Source = netip.MustParseAddr("fe80::1%eth0") },
			want:     job.Decision{Allow: true, Policy: "net"},
		},
		{
			name:     "network unknown",
			policies: `@id("net") permit (principal, action, resource) when { context has source && context.source.isInRange(ip("10.0.0.0/8")) };`,
			want:     job.Decision{},
		},
		{
			name:     "no policy reaches an anonymous principal out to others",
			policies: everybody,
			change:   func(q *job.Access) { q.Principal = job.Anonymous },
			want:     job.Decision{},
		},
		{
			name:     "no policy lets an anonymous principal administer",
			policies: everybody,
			change: func(q *job.Access) {
				*q = job.Access{Principal: job.Anonymous, Action: job.ActionAdminister, Owner: job.Anonymous.Owner(), Time: noon}
			},
			want: job.Decision{Visible: true},
		},
		{
			name:     "no policy answers a question without a time",
			policies: everybody,
			change:   func(q *job.Access) { q.Time = time.Time{} },
			want:     job.Decision{},
		},
		{
			name:     "no policy answers when the owner is not the job's",
			policies: everybody,
			change:   func(q *job.Access) { q.Owner = ann.Owner() },
			want:     job.Decision{},
		},
		{
			name:     "no policy answers for a job without a name",
			policies: everybody,
			change:   func(q *job.Access) { q.Job.ID = "" },
			want:     job.Decision{},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMonitor(t, cedarauthz.Options{Policies: []byte(tt.policies)})
			q := job.Access{
				Principal: ann, Action: job.ActionReadOutput, Owner: bob.Owner(),
				Job: jobOf(bob.Owner(), job.Completed), Time: noon,
			}
			if tt.change != nil {
				tt.change(&q)
			}
			if got := m.Decide(t.Context(), q); got != tt.want {
				t.Errorf("Decide = %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestAdminGroupOfOneIssuer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, adminGroup, issuer, group string
		want                            bool
	}{
		{"any issuer", "ops", "https://other.example", "ops", true},
		{"no group set", "", "https://idp.example", "", false},
		{"this issuer", "https://idp.example|ops", "https://idp.example", "ops", true},
		{"another issuer's group of the same name", "https://idp.example|ops", "https://other.example", "ops", false},
		{"another issuer's group that spells the whole", "https://idp.example|ops", "https://other.example", "https://idp.example|ops", false},
		{"this issuer's group that spells the whole", "https://idp.example|ops", "https://idp.example", "https://idp.example|ops", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMonitor(t, cedarauthz.Options{AdminGroup: tt.adminGroup})
			p := job.Principal{Issuer: tt.issuer, Subject: "eve", Groups: []string{tt.group}}
			got := m.Decide(t.Context(), job.Access{Principal: p, Action: job.ActionAdminister, Time: noon})
			if got.Allow != tt.want {
				t.Errorf("allow = %v, want %v", got.Allow, tt.want)
			}
		})
	}
}

// Under the built-in policies only the administrators' group reaches what belongs to
// others, whatever names, groups and states are involved.
func TestForeignIsOutOfReach(t *testing.T) {
	t.Parallel()
	m := newMonitor(t, cedarauthz.Options{AdminGroup: "operators"})
	statuses := []job.Status{job.Pending, job.Processing, job.Completed, job.Failed, "", "else"}
	// A few letters and the separator, to make near misses and shared prefixes likely.
	name := rapid.StringMatching(`[ab|*]{0,3}`)

	rapid.Check(t, func(t *rapid.T) {
		p := job.Principal{
			Issuer:        name.Draw(t, "issuer"),
			Subject:       name.Draw(t, "subject"),
			Groups:        rapid.SliceOfN(rapid.SampledFrom([]string{"", "staff", "operator", "operators ", "OPERATORS", "*"}), 0, 4).Draw(t, "groups"),
			Email:         name.Draw(t, "email"),
			EmailVerified: rapid.Bool().Draw(t, "verified"),
		}
		owner := name.Draw(t, "owner issuer") + "|" + name.Draw(t, "owner subject")
		q := job.Access{
			Principal: p, Owner: owner, Time: noon,
			Action: rapid.SampledFrom(job.Actions()).Draw(t, "action"),
		}
		if rapid.Bool().Draw(t, "about a job") {
			q.Job = jobOf(owner, rapid.SampledFrom(statuses).Draw(t, "status"))
		}
		d := m.Decide(t.Context(), q)
		if owner != p.Owner() && (d.Allow || d.Visible && q.Job != nil) {
			t.Fatalf("%s reached what is %s's: %+v", p.Owner(), owner, d)
		}
		if q.Action == job.ActionAdminister && d.Allow {
			t.Fatalf("%s administers: %+v", p.Owner(), d)
		}
	})
}

func TestPolicyFileRefused(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/refused/*.cedar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files to refuse: %v", err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(string(text), "\n")
			want, ok := strings.CutPrefix(first, "// refused: ")
			if !ok {
				t.Fatalf("the first line does not say why the file is refused: %q", first)
			}
			m, err := cedarauthz.New(cedarauthz.Options{PolicyFile: name})
			if err == nil {
				t.Fatalf("accepted: %v", m)
			}
			if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), name) {
				t.Errorf("error is\n%v\nwant the file's name and\n%s", err, want)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	long := filepath.Join(t.TempDir(), "long.cedar")
	if err := os.WriteFile(long, bytes.Repeat([]byte("/"), 1<<20+1), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		o    cedarauthz.Options
		want string
	}{
		{"no such file", cedarauthz.Options{PolicyFile: "testdata/none.cedar"}, "testdata/none.cedar"},
		{"a directory", cedarauthz.Options{PolicyFile: "testdata"}, "testdata"},
		{"too long", cedarauthz.Options{PolicyFile: long}, "longer than 1048576 bytes"},
		{"file and text", cedarauthz.Options{PolicyFile: long, Policies: []byte("x")}, "not both"},
		{"empty text", cedarauthz.Options{Policies: []byte{}}, "no policy"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := cedarauthz.New(tt.o)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want it to contain %q", err, tt.want)
			}
		})
	}
}

// The file is read once, at the start; its digest is that of its bytes.
func TestPolicyFileReadOnce(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "own.cedar")
	text := []byte(`@id("mine") permit (principal, action, resource);`)
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	m := newMonitor(t, cedarauthz.Options{PolicyFile: name})
	if err := os.WriteFile(name, []byte("forbid (principal, action, resource);"), 0o600); err != nil {
		t.Fatal(err)
	}

	q := job.Access{Principal: ann, Action: job.ActionReadUsage, Owner: bob.Owner(), Time: noon}
	if got, want := m.Decide(t.Context(), q), (job.Decision{Allow: true, Policy: "mine"}); got != want {
		t.Errorf("Decide = %+v, want %+v", got, want)
	}
	sum := sha256.Sum256(text)
	if got, want := m.Digest(), hex.EncodeToString(sum[:]); got != want {
		t.Errorf("Digest = %s, want %s", got, want)
	}
	if m.Origin() != name {
		t.Errorf("Origin = %s, want %s", m.Origin(), name)
	}
	if b := newMonitor(t, cedarauthz.Options{}); b.Origin() != "built-in" || len(b.Digest()) != 64 {
		t.Errorf("built-in: origin %q, digest %q", b.Origin(), b.Digest())
	}
}

// The deciding files cannot do input or output: they import nothing that could.
func TestDecidingIsPure(t *testing.T) {
	t.Parallel()
	pure := map[string]bool{
		`"context"`: true, `"slices"`: true, `"strings"`: true,
		`"github.com/cedar-policy/cedar-go"`: true, `"claimcheck.example/internal/job"`: true,
	}
	for _, name := range []string{"monitor.go", "translate.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			if !pure[i.Path.Value] {
				t.Errorf("%s imports %s", name, i.Path.Value)
			}
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	m := newMonitor(b, cedarauthz.Options{AdminGroup: "operators"})
	p := ann
	p.Groups = []string{"staff", "imaging", "berlin", "photographers", "beta"}
	p.Email, p.EmailVerified = "ann@example.org", true
	tests := []struct {
		name, owner string
	}{{"allow", ann.Owner()}, {"deny", bob.Owner()}}
	for _, tt := range tests {
		q := job.Access{
			Principal: p, Action: job.ActionReadOutput, Owner: tt.owner, Job: jobOf(tt.owner, job.Completed),
			Time: noon, Source: netip.MustParseAddr("192.0.2.7"),
		}
		b.Run(tt.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Decide(b.Context(), q)
			}
		})
	}
}
