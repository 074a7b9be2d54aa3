// Package cedarauthz is the reference monitor: it decides who may do what by Cedar policies
// (https://docs.cedarpolicy.com).
//
// The built-in policies and their schema are the files policies.cedar and
// schema.cedarschema in this folder. An operator may replace the policies by another file,
// but never the schema. Policies are parsed and validated once, before the first request;
// after that nothing can change them.
//
// Some rules are code and hold under every policy (see [Monitor.Decide]). Policies decide
// the rest, and what no policy permits is denied.
//
// # Threats
//
// A policy file is as powerful as the program: its author decides who sees which image. It
// is read once, at the start. The log record of the start should contain [Monitor.Digest],
// so that an exchanged file is noticed.
//
// Cedar itself skips a policy whose evaluation fails, so a broken forbid would allow. Here
// every failure denies. Validation finds most of them beforehand; others, such as an
// overflow, deny and are logged as errors.
package cedarauthz

import (
	"context"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go"

	"claimcheck.example/internal/job"
)

// Options configure New.
type Options struct {
	// PolicyFile names a file of Cedar policies that replaces the built-in ones; empty
	// for the built-in. At most 1 MiB.
	PolicyFile string
	// Policies is the text of Cedar policies instead of a file; nil for none.
	Policies []byte
	// AdminGroup is the group of the administrators; empty for none. Each issuer has its own
	// group names: with several issuers write "issuer|group", which no other issuer can
	// claim. A name without "|" is accepted from every issuer.
	AdminGroup string
}

// Monitor decides by Cedar policies. It implements [job.Monitor].
type Monitor struct {
	actions    map[job.Action]resources
	policies   *policySet
	adminGroup string
}

// New parses the policies and validates them against the schema. Its error tells the
// operator the file, the line and the mistake.
func New(o Options) (*Monitor, error) {
	v, err := loadSchema()
	if err != nil {
		return nil, err
	}
	set, err := loadPolicies(v.validator, o)
	if err != nil {
		return nil, err
	}
	return &Monitor{actions: v.actions, policies: set, adminGroup: o.AdminGroup}, nil
}

// Digest returns the SHA-256 of the policies' text in lower-case hexadecimal.
func (m *Monitor) Digest() string { return m.policies.digest }

// Origin returns the source of the policies: the file's name, or "built-in".
func (m *Monitor) Origin() string { return m.policies.origin }

// Decide answers q. It does no input or output and is safe for concurrent use.
//
// These rules hold under every policy:
//
//   - A principal without issuer or subject gets nothing.
//   - A question that contradicts itself or lacks a part (no time, no job to read, an
//     owner who is not the job's, an action that the schema does not know) is denied.
//   - The anonymous principal reaches no jobs of others and never administers, since
//     anyone can be the anonymous principal.
//   - When the evaluation of any policy fails, the answer is no.
//
// A policy's denial about a job is Visible when the same principal may read the job's
// status; one about no job has nothing to hide and is always visible.
func (m *Monitor) Decide(_ context.Context, q job.Access) job.Decision {
	d, _ := m.decide(q)
	return d
}

// decide is Decide with its reason, which is only for the operator's log.
func (m *Monitor) decide(q job.Access) (job.Decision, reason) {
	if why := m.guard(q); why != "" {
		return job.Decision{Visible: q.Job == nil}, reason{text: why}
	}
	req, ents := m.translate(q)
	d, why := m.ask(req, &ents)
	if d.Allow {
		return d, why
	}
	switch {
	case q.Job == nil:
		d.Visible = true
	case q.Action != job.ActionReadStatus:
		req.Action = actionUID(job.ActionReadStatus)
		seen, _ := m.ask(req, &ents)
		d.Visible = seen.Allow
	}
	return d, why
}

// ask evaluates the policies for one request.
func (m *Monitor) ask(req cedar.Request, ents *entities) (job.Decision, reason) {
	decision, diag := cedar.Authorize(m.policies, ents, req)
	if len(diag.Errors) > 0 {
		return job.Decision{Policy: erroredNames(diag.Errors)}, reason{text: diag.Errors[0].Message, failed: true}
	}
	d := job.Decision{Allow: decision == cedar.Allow, Policy: reasonNames(diag.Reasons)}
	switch {
	case d.Allow:
		return d, reason{text: "permitted"}
	case d.Policy != "":
		return d, reason{text: "forbidden"}
	default:
		return d, reason{text: "no policy permits it"}
	}
}

// reason explains a decision.
type reason struct {
	text string
	// failed: a policy could not be evaluated, which the operator must fix.
	failed bool
}

// guard returns why q is denied under every policy; empty when the policies decide.
func (m *Monitor) guard(q job.Access) string {
	switch {
	case q.Principal.Issuer == "" || q.Principal.Subject == "":
		return "the principal has no issuer or no subject"
	case q.Time.IsZero():
		return "the question has no time"
	case q.Job != nil && q.Job.ID == "":
		return "the job has no identifier"
	case q.Job != nil && q.Owner != q.Job.Owner:
		return "the question's owner is not the job's"
	}

	on, known := m.actions[q.Action]
	switch {
	case !known:
		return "the action is unknown"
	case q.Job == nil && !on.account && !on.service:
		return "the question names no job"
	case q.Job != nil && !on.job:
		return "the question names a job, which this action is not about"
	case anonymous(q.Principal) && (on.service || q.Owner != q.Principal.Owner()):
		return "an anonymous principal reaches nothing of others"
	}
	return ""
}

func anonymous(p job.Principal) bool { return p.Issuer == job.Anonymous.Issuer }

// admin reports whether p is in the administrators' group.
func (m *Monitor) admin(p job.Principal) bool {
	if m.adminGroup == "" || anonymous(p) {
		return false
	}
	if strings.Contains(m.adminGroup, "|") {
		group, ok := strings.CutPrefix(m.adminGroup, p.Issuer+"|")
		return ok && slices.Contains(p.Groups, group)
	}
	return slices.Contains(p.Groups, m.adminGroup)
}

func reasonNames(rs []cedar.DiagnosticReason) string {
	if len(rs) == 1 {
		return string(rs[0].PolicyID)
	}
	names := make([]string, len(rs))
	for i, r := range rs {
		names[i] = string(r.PolicyID)
	}
	return strings.Join(names, ", ")
}

func erroredNames(es []cedar.DiagnosticError) string {
	names := make([]string, len(es))
	for i, e := range es {
		names[i] = string(e.PolicyID)
	}
	return strings.Join(names, ", ")
}
