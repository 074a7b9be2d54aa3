package provision

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// redrivePolicy is the attribute that names a queue's dead-letter queue.
type redrivePolicy struct {
	Target string `json:"deadLetterTargetArn"`
	Max    count  `json:"maxReceiveCount"`
}

func (r redrivePolicy) String() string { return lean(r) }

// count is a number that SQS sends and accepts as a number or as a string.
type count int

// UnmarshalJSON reads 20 and "20".
func (c *count) UnmarshalJSON(text []byte) error {
	n, err := strconv.Atoi(strings.Trim(string(text), `"`))
	*c = count(n)
	return err
}

// MarshalJSON writes "20".
func (c count) MarshalJSON() ([]byte, error) {
	return strconv.AppendQuote(nil, strconv.Itoa(int(c))), nil
}

func (p *Provisioner) describeRedrive() string {
	return fmt.Sprintf("to %s after %d receives", p.w.DeadLetter, p.w.MaxReceives)
}

// redrive plans that messages without success end in the dead-letter queue. A queue that
// has another dead-letter queue keeps it.
func (q *queue) redrive(dead *queue) *Step {
	s := q.step("redrive policy", "sqs:SetQueueAttributes")
	should := q.p.describeRedrive()
	set := func() {
		with := func(arn string) string { return redrivePolicy{arn, count(q.p.w.MaxReceives)}.String() }
		q.set(s, attrRedrive, with(dead.arnRef()), func() string { return with(dead.arn) })
	}
	text := q.attributes[attrRedrive]
	if text == "" {
		s.Diffs = []Diff{{attrRedrive, "", should}}
		set()
		return s
	}
	var is redrivePolicy
	if err := json.Unmarshal([]byte(text), &is); err != nil {
		s.State, s.Err = Failed, fmt.Errorf("its redrive policy is not readable: %w", err)
		return s
	}
	shown := fmt.Sprintf("to %s after %d receives", nameOf(is.Target), is.Max)
	s.Diffs = []Diff{{attrRedrive, shown, should}}
	switch {
	case nameOf(is.Target) != q.p.w.DeadLetter || dead.arn != "" && is.Target != dead.arn:
		s.State = Left
		s.Note = fmt.Sprintf("its dead letters go to another queue; give --dlq %s to keep that one", nameOf(is.Target))
	case int(is.Max) >= q.p.w.MaxReceives:
		s.Diffs[0].Should = shown
	default:
		set()
	}
	return s
}

// allowPolicy is the attribute of a dead-letter queue that says which queues may use it.
type allowPolicy struct {
	Permission string   `json:"redrivePermission"`
	Sources    []string `json:"sourceQueueArns,omitempty"`
}

// mostSources is SQS's limit of queues in an allow policy.
const mostSources = 10

// redriveAllow plans that the dead-letter queue accepts dead letters of this queue and of
// the queues that already use it, but of no others.
func (q *queue) redriveAllow(ctx context.Context, from *queue) *Step {
	s := q.step("redrive allow policy", "sqs:SetQueueAttributes")
	is := allowPolicy{Permission: "allowAll"}
	if text := q.attributes[attrRedriveFrom]; text != "" {
		if err := json.Unmarshal([]byte(text), &is); err != nil {
			s.State, s.Err = Failed, fmt.Errorf("its redrive allow policy is not readable: %w", err)
			return s
		}
	}
	should := allowPolicy{"byQueue", slices.Clone(is.Sources)}
	switch is.Permission {
	case "denyAll":
		s.State, s.Diffs = Left, []Diff{{attrRedriveFrom, is.names(), from.name}}
		s.Note = "it is set to take no dead letters at all; change that by hand, or choose another --dlq"
		return s
	case "allowAll":
		others, err := q.sources(ctx)
		if s.seen(err, "sqs:ListDeadLetterSourceQueues") {
			return s
		}
		for _, arn := range others {
			if arn != from.arn {
				should.Sources = append(should.Sources, arn)
			}
		}
	}
	if from.arn == "" || !slices.Contains(should.Sources, from.arn) {
		should.Sources = append(should.Sources, from.arnRef())
	}
	s.Diffs = []Diff{{attrRedriveFrom, is.names(), strings.ReplaceAll(should.names(), from.arnVar.in(), from.name)}}
	switch {
	case is.Permission == should.Permission && slices.Equal(is.Sources, should.Sources):
		return s
	case len(should.Sources) > mostSources:
		s.State = Left
		s.Note = fmt.Sprintf("%d queues use it, more than a policy can name; choose another --dlq", len(should.Sources))
		return s
	}
	q.set(s, attrRedriveFrom, lean(should), func() string {
		return strings.ReplaceAll(lean(should), from.arnVar.in(), from.arn)
	})
	return s
}

// sources returns the ARNs of the queues that use this dead-letter queue.
func (q *queue) sources(ctx context.Context) ([]string, error) {
	if q.url == "" {
		return nil, nil
	}
	var arns []string
	pages := sqs.NewListDeadLetterSourceQueuesPaginator(q.p.sqs, &sqs.ListDeadLetterSourceQueuesInput{QueueUrl: &q.url})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, url := range page.QueueUrls {
			// A source has the account and region of its dead-letter queue.
			arns = append(arns, strings.TrimSuffix(q.arn, ":"+q.name)+":"+path.Base(url))
		}
	}
	return arns, nil
}

func (a allowPolicy) names() string {
	if a.Permission != "byQueue" {
		return a.Permission
	}
	var names []string
	for _, arn := range a.Sources {
		names = append(names, nameOf(arn))
	}
	return "by " + strings.Join(names, ", ")
}

// nameOf returns the name of the queue with this ARN.
func nameOf(arn string) string { return arn[strings.LastIndexByte(arn, ':')+1:] }
