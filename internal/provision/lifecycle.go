package provision

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// abortDays is the age at which the parts of an unfinished upload are deleted. No upload
// of a living server takes as long.
const abortDays = 1

// rule is one of our lifecycle rules. There is none for usage/ and its sums: bills
// outlive jobs.
type rule struct {
	id, prefix string
	uploads    bool // objects under the prefix may be uploaded in parts
	// born objects are never written again: their time begins with the submit, and that of a
	// document, which may be written as long as its message lives, at its last write.
	born bool
}

var rules = []rule{
	{"claimcheck-jobs", "jobs/", false, false},
	{"claimcheck-input", "input/", true, false},
	{"claimcheck-output", "output/", true, false},
	{"claimcheck-lists", "lists/", false, true},
	{"claimcheck-deliveries", "deliveries/", false, false},
}

// lifecycle plans the expiry of jobs, their images and unfinished uploads. Rules with
// other names stay, and so do additions to our rules.
func (p *Provisioner) lifecycle(ctx context.Context, exists bool) []*Step {
	s := p.bucketStep("lifecycle rules", "s3:PutBucketLifecycleConfiguration")
	now := &s3.GetBucketLifecycleConfigurationOutput{}
	if exists {
		got, err := p.s3.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: &p.w.Bucket})
		if codeOf(err) != "NoSuchLifecycleConfiguration" && s.seen(err, "s3:GetLifecycleConfiguration") {
			return []*Step{s}
		}
		if err == nil {
			now = got
		}
	}
	next := slices.Clone(now.Rules)
	var held []*Step
	changed := false
	for _, r := range rules {
		at := slices.IndexFunc(next, func(l types.LifecycleRule) bool { return awssdk.ToString(l.ID) == r.id })
		if at < 0 {
			next = append(next, types.LifecycleRule{ID: &r.id})
			at = len(next) - 1
		}
		is, should := next[at], r.over(next[at], r.days(p.w))
		d := Diff{r.id, describe(is), describe(should)}
		switch {
		case d.Is == d.Should:
			s.Diffs = append(s.Diffs, Diff{Setting: r.id, Is: d.Is, Should: d.Should})
		case sooner(is, should) && !p.w.Shorten:
			h := p.bucketStep("lifecycle rule "+r.id, s.Call)
			h.State, h.Diffs = Left, []Diff{d}
			h.Note = "the change would delete jobs sooner than now; allow it by --shorten, or set JOB_TTL_DAYS to what the rule has"
			held = append(held, h)
		default:
			next[at] = should
			s.Diffs, changed = append(s.Diffs, d), true
		}
	}
	if changed {
		s.State = Change
		p.putLifecycle(s, next, now.TransitionDefaultMinimumObjectSize)
	}
	if len(s.Diffs) == 0 { // all rules are in force
		return held
	}
	return append([]*Step{s}, held...)
}

// putLifecycle makes the step replace the configuration, which is one document: it sends
// the rules of others back unchanged, and the one setting beside the rules, too.
func (p *Provisioner) putLifecycle(s *Step, next []types.LifecycleRule, size types.TransitionDefaultMinimumObjectSize) {
	in := &s3.PutBucketLifecycleConfigurationInput{
		Bucket: &p.w.Bucket, LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: next}, TransitionDefaultMinimumObjectSize: size,
	}
	args := p.s3api("put-bucket-lifecycle-configuration", "--lifecycle-configuration", lean(in.LifecycleConfiguration))
	if size != "" {
		args = append(args, "--transition-default-minimum-object-size", string(size))
	}
	s.Commands = []string{aws(args...)}
	s.apply = func(ctx context.Context) error {
		_, err := p.s3.PutBucketLifecycleConfiguration(ctx, in)
		return denied(err, "s3:PutLifecycleConfiguration")
	}
}

// days returns after how many days the objects go.
func (r rule) days(w Wanted) int {
	if !r.born {
		return w.JobTTLDays
	}
	const day = 24 * time.Hour
	return w.JobTTLDays + int((w.Retention+day-1)/day)
}

// over returns the wanted rule: ours merged into the existing one.
func (r rule) over(is types.LifecycleRule, days int) types.LifecycleRule {
	is.Status = types.ExpirationStatusEnabled
	//lint:ignore SA1019 rules may still have it, and not beside a filter
	is.Prefix, is.Filter = nil, &types.LifecycleRuleFilter{Prefix: &r.prefix}
	is.Expiration = &types.LifecycleExpiration{Days: awssdk.Int32(int32(days))}
	if r.uploads {
		is.AbortIncompleteMultipartUpload = &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: awssdk.Int32(abortDays)}
	}
	return is
}

// sooner reports whether an existing rule would begin to delete sooner.
func sooner(is, should types.LifecycleRule) bool {
	if is.Status == "" {
		return false // a new rule
	}
	if is.Status != should.Status || is.Expiration == nil || is.Expiration.Days == nil {
		return true // it has expired nothing so far
	}
	return *should.Expiration.Days < *is.Expiration.Days || prefixOf(is) != prefixOf(should) || narrowed(is)
}

// narrowed reports whether a rule applies only to some objects under its prefix, by tags
// or sizes.
func narrowed(r types.LifecycleRule) bool {
	f := r.Filter
	return f != nil && (f.And != nil || f.Tag != nil || f.ObjectSizeGreaterThan != nil || f.ObjectSizeLessThan != nil)
}

func prefixOf(r types.LifecycleRule) string {
	//lint:ignore SA1019 rules may still have it
	old := r.Prefix
	switch {
	case old != nil:
		return *old
	case r.Filter == nil:
		return ""
	case r.Filter.And != nil:
		return awssdk.ToString(r.Filter.And.Prefix)
	}
	return awssdk.ToString(r.Filter.Prefix)
}

// describe summarises a rule; empty for a rule that does not exist.
func describe(r types.LifecycleRule) string {
	if r.Status == "" {
		return ""
	}
	words := []string{prefixOf(r) + "*"}
	if narrowed(r) {
		words = append(words, "(some of it)")
	}
	if r.Expiration != nil && r.Expiration.Days != nil {
		words = append(words, fmt.Sprintf("expires after %d d", *r.Expiration.Days))
	} else if r.Expiration != nil {
		words = append(words, "expires otherwise")
	}
	if a := r.AbortIncompleteMultipartUpload; a != nil {
		words = append(words, fmt.Sprintf("unfinished uploads after %d d", awssdk.ToInt32(a.DaysAfterInitiation)))
	}
	if r.Status != types.ExpirationStatusEnabled {
		words = append(words, "disabled")
	}
	return strings.Join(words, ", ")
}
