package provision

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"claimcheck.example/internal/proof"
)

// attrPolicy is the attribute with a queue's policy.
const attrPolicy = string(types.QueueAttributeNamePolicy)

// denySid names our statement in a policy.
const denySid = "ClaimcheckDenyPlainHTTP"

// statement is one statement of a resource policy.
type statement struct {
	Sid       string
	Effect    string
	Principal string
	Action    string
	Resource  []string
	Condition map[string]map[string]string
}

// denyHTTP returns the statement that denies every request over plain http to the
// resources.
func denyHTTP(service string, resources ...string) statement {
	return statement{
		Sid: denySid, Effect: "Deny", Principal: "*", Action: service + ":*", Resource: resources,
		Condition: map[string]map[string]string{"Bool": {"aws:SecureTransport": "false"}},
	}
}

// withStatement returns a policy with the statement s, and whether it had s already.
// Other statements stay.
func withStatement(policy string, s statement) (with string, has bool, err error) {
	all := map[string]json.RawMessage{"Version": json.RawMessage(`"2012-10-17"`)}
	var statements []json.RawMessage
	if policy != "" {
		if err := json.Unmarshal([]byte(policy), &all); err != nil {
			return "", false, fmt.Errorf("the policy cannot be read: %w", err)
		}
		if json.Unmarshal(all["Statement"], &statements) != nil { // a single statement needs no list
			statements = []json.RawMessage{all["Statement"]}
		}
	}
	ours, err := json.Marshal(s)
	if err != nil {
		return "", false, err
	}
	at := slices.IndexFunc(statements, func(raw json.RawMessage) bool {
		var named struct{ Sid string }
		return json.Unmarshal(raw, &named) == nil && named.Sid == denySid
	})
	switch {
	case at < 0:
		statements = append(statements, ours)
	case sameStatement(statements[at], ours):
		return policy, true, nil
	default:
		statements[at] = ours
	}
	if all["Statement"], err = json.Marshal(statements); err != nil {
		return "", false, err
	}
	next, err := json.Marshal(all)
	return string(next), false, err
}

// sameStatement compares two statements as AWS does: without the case of actions, with a
// list of one equal to its element, and without order.
func sameStatement(a, b json.RawMessage) bool {
	normal := func(raw json.RawMessage) string {
		var tree any
		if json.Unmarshal(raw, &tree) != nil {
			return ""
		}
		text, _ := json.Marshal(plain(tree)) // it was parsed from JSON
		return strings.ToLower(string(text))
	}
	return normal(a) == normal(b)
}

func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 1 && v["AWS"] == "*" { // the same principal
			return "*"
		}
		for key := range v {
			v[key] = plain(v[key])
		}
	case []any:
		if len(v) == 1 {
			return plain(v[0])
		}
		slices.SortFunc(v, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
	return v
}

// describeHTTP says how plain http is treated, for a plan.
func describeHTTP(denied bool) string {
	if denied {
		return "denied"
	}
	return "possible"
}

// partition returns the AWS partition of a region, as in ARNs.
func partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// bucketTransport plans that S3 refuses requests for the bucket over plain http; nil under a
// custom endpoint, whose TLS may end at a proxy before the store.
func (p *Provisioner) bucketTransport(ctx context.Context, exists bool) *Step {
	if proof.Custom(p.s3.Options().BaseEndpoint) {
		return nil
	}
	s := p.bucketStep("plain http", "s3:PutBucketPolicy")
	policy := ""
	if exists {
		out, err := p.s3.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &p.w.Bucket})
		if codeOf(err) != "NoSuchBucketPolicy" && s.seen(err, "s3:GetBucketPolicy") {
			return s
		}
		if err == nil {
			policy = awssdk.ToString(out.Policy)
		}
	}
	arn := "arn:" + partition(p.w.Region) + ":s3:::" + p.w.Bucket
	next, has, err := withStatement(policy, denyHTTP("s3", arn, arn+"/*"))
	if err != nil {
		s.State, s.Err = Failed, err
		return s
	}
	s.Diffs = []Diff{{"aws:SecureTransport=false", describeHTTP(has), describeHTTP(true)}}
	if has {
		return s
	}
	s.State = Change
	s.Commands = []string{aws(p.s3api("put-bucket-policy", "--policy", next)...)}
	s.apply = func(ctx context.Context) error {
		_, err := p.s3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &p.w.Bucket, Policy: &next})
		return denied(err, "s3:PutBucketPolicy")
	}
	return s
}

// transport plans that SQS refuses requests for the queue over plain http; nil under a
// custom endpoint.
func (q *queue) transport() *Step {
	if proof.Custom(q.p.sqs.Options().BaseEndpoint) {
		return nil
	}
	s := q.step("plain http", "sqs:SetQueueAttributes")
	policy := q.attributes[attrPolicy]
	shown, has, err := withStatement(policy, denyHTTP("sqs", q.arnRef()))
	if err != nil {
		s.State, s.Err = Failed, err
		return s
	}
	s.Diffs = []Diff{{"aws:SecureTransport=false", describeHTTP(has), describeHTTP(true)}}
	if !has {
		q.set(s, attrPolicy, shown, func() string {
			next, _, _ := withStatement(policy, denyHTTP("sqs", q.arn)) // it was parsed before
			return next
		})
	}
	return s
}
