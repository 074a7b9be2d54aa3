package provision

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Names of queue attributes, as SQS has them.
const (
	attrARN         = string(types.QueueAttributeNameQueueArn)
	attrRetention   = string(types.QueueAttributeNameMessageRetentionPeriod)
	attrVisibility  = string(types.QueueAttributeNameVisibilityTimeout)
	attrWait        = string(types.QueueAttributeNameReceiveMessageWaitTimeSeconds)
	attrManagedSSE  = string(types.QueueAttributeNameSqsManagedSseEnabled)
	attrKey         = string(types.QueueAttributeNameKmsMasterKeyId)
	attrRedrive     = string(types.QueueAttributeNameRedrivePolicy)
	attrRedriveFrom = string(types.QueueAttributeNameRedriveAllowPolicy)
)

// longPoll is the longest time that SQS lets a receive wait, in seconds.
const longPoll = "20"

// queue is one of the two queues, as found or as created.
type queue struct {
	p        *Provisioner
	on, name string
	urlVar   variable
	arnVar   variable

	url, arn   string
	attributes map[string]string // nil when the queue does not exist
}

func (q *queue) step(what, call string) *Step { return &Step{On: q.on, What: what, Call: call} }

// queues plans both queues: the dead-letter queue first, since the other names it.
func (p *Provisioner) queues(ctx context.Context) ([]*Step, *queue) {
	dead := &queue{p: p, on: "dead-letter queue " + p.w.DeadLetter, name: p.w.DeadLetter, urlVar: deadURL, arnVar: deadARN}
	main := &queue{p: p, on: "queue " + p.w.Queue, name: p.w.Queue, urlVar: queueURL, arnVar: queueARN}
	deadFound, deadErr := dead.look(ctx)
	mainFound, mainErr := main.look(ctx)

	steps := []*Step{deadFound}
	if deadErr == nil {
		// The maximum of SQS, since a dead letter's age counts from the time its message was
		// sent.
		retention := strconv.Itoa(int(maxRetention / time.Second))
		if dead.attributes == nil {
			dead.create(deadFound, map[string]string{attrRetention: retention, attrManagedSSE: "true"})
		} else {
			steps = append(steps, dead.atLeast("retention", attrRetention, retention), dead.encryption())
		}
		if s := dead.transport(); s != nil {
			steps = append(steps, s)
		}
	}
	steps = append(steps, mainFound)
	if mainErr == nil && deadErr == nil {
		if main.attributes == nil {
			main.createMain(mainFound, dead)
		} else {
			steps = append(steps, main.retention(), main.atLeast("visibility", attrVisibility, seconds(p.w.Visibility)),
				main.atLeast("long poll", attrWait, longPoll), main.encryption(), main.redrive(dead))
		}
		if s := main.transport(); s != nil {
			steps = append(steps, s)
		}
		steps = append(steps, dead.redriveAllow(ctx, main))
		if s := p.queuePromises(ctx, main); s != nil {
			steps = append(steps, s)
		}
	}
	return steps, main
}

// look reads the queue and its attributes.
func (q *queue) look(ctx context.Context) (*Step, error) {
	s := q.step("queue", "sqs:CreateQueue")
	s.creates = true
	found, err := q.p.sqs.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &q.name})
	switch codeOf(err) {
	case "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue":
		return s, nil
	}
	if s.seen(err, "sqs:GetQueueUrl") {
		return s, err
	}
	q.url = awssdk.ToString(found.QueueUrl)
	out, err := q.p.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &q.url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	if s.seen(err, "sqs:GetQueueAttributes") {
		return s, err
	}
	q.attributes, q.arn = out.Attributes, out.Attributes[attrARN]
	if q.attributes == nil {
		q.attributes = map[string]string{}
	}
	s.Diffs = []Diff{{"url", q.url, q.url}}
	return s, nil
}

// urlRef and arnRef are the queue's URL and ARN in a command: the value, or a shell
// variable that an earlier command has set.
func (q *queue) urlRef() string { return orVariable(q.url, q.urlVar) }
func (q *queue) arnRef() string { return orVariable(q.arn, q.arnVar) }

func orVariable(known string, v variable) string {
	if known == "" {
		return v.in()
	}
	return known
}

func (q *queue) sqsCommand(operation string, args ...string) string {
	return aws(append([]string{"sqs", operation, "--region", q.p.w.Region}, args...)...)
}

// create makes the step create the queue with these attributes.
func (q *queue) create(s *Step, attributes map[string]string) {
	q.createWith(s, attributes, func() map[string]string { return attributes })
}

// createMain makes the step create the queue that names dead, whose ARN may become known
// only when dead is created.
func (q *queue) createMain(s *Step, dead *queue) {
	attributes := map[string]string{
		attrRetention: seconds(q.p.w.Retention), attrVisibility: seconds(q.p.w.Visibility), attrWait: longPoll, attrManagedSSE: "true",
	}
	with := func(arn string) map[string]string {
		all := maps.Clone(attributes)
		all[attrRedrive] = redrivePolicy{arn, count(q.p.w.MaxReceives)}.String()
		return all
	}
	q.createWith(s, with(dead.arnRef()), func() map[string]string { return with(dead.arn) })
	for i, d := range s.Diffs {
		if d.Setting == attrRedrive {
			s.Diffs[i].Should = q.p.describeRedrive()
		}
	}
}

// createWith makes the step create the queue. shown are the attributes in the printed
// command; attributes returns them when the step runs.
func (q *queue) createWith(s *Step, shown map[string]string, attributes func() map[string]string) {
	s.State = Create
	for _, name := range []string{attrRetention, attrVisibility, attrWait, attrManagedSSE, attrRedrive} {
		if value, ok := shown[name]; ok {
			s.Diffs = append(s.Diffs, Diff{name, "", value})
		}
	}
	s.Commands = []string{
		q.urlVar.set(q.sqsCommand("create-queue", "--queue-name", q.name, "--attributes", lean(shown), "--query", "QueueUrl", "--output", "text")),
		q.arnVar.set(q.sqsCommand("get-queue-attributes", "--queue-url", q.urlVar.in(), "--attribute-names", attrARN, "--query", "Attributes."+attrARN, "--output", "text")),
	}
	s.apply = func(ctx context.Context) error {
		made, err := q.p.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &q.name, Attributes: attributes()})
		if err != nil {
			return denied(err, "sqs:CreateQueue")
		}
		q.url = awssdk.ToString(made.QueueUrl)
		return q.learnARN(ctx)
	}
}

// settleTime is how long a queue that was just made may remain unknown to SQS.
const settleTime = 10 * time.Second

// learnARN asks for the ARN of a new queue.
func (q *queue) learnARN(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for {
		out, err := q.p.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
			QueueUrl: &q.url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
		})
		if err == nil {
			q.arn = out.Attributes[attrARN]
			return nil
		}
		if code := codeOf(err); code != "QueueDoesNotExist" && code != "AWS.SimpleQueueService.NonExistentQueue" {
			return denied(err, "sqs:GetQueueAttributes")
		}
		t := time.NewTimer(time.Second)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return fmt.Errorf("it was created, but does not appear: %w", err)
		}
	}
}

// set makes the step set one attribute of the queue.
func (q *queue) set(s *Step, name, shown string, value func() string) {
	s.State = Change
	s.Commands = []string{q.sqsCommand("set-queue-attributes", "--queue-url", q.urlRef(), "--attributes", lean(map[string]string{name: shown}))}
	s.apply = func(ctx context.Context) error {
		_, err := q.p.sqs.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: &q.url, Attributes: map[string]string{name: value()}})
		return denied(err, "sqs:SetQueueAttributes")
	}
}

// atLeast plans a lower bound for a number; a higher one stays.
func (q *queue) atLeast(what, name, should string) *Step {
	s := q.step(what, "sqs:SetQueueAttributes")
	is := q.attributes[name]
	if number(is) >= number(should) {
		s.Diffs = []Diff{{name, is, is}}
		return s
	}
	s.Diffs = []Diff{{name, is, should}}
	q.set(s, name, should, func() string { return should })
	return s
}

// retention plans that the queue keeps messages for exactly as long as the service
// assumes: a job without its message counts as failed.
func (q *queue) retention() *Step {
	s := q.step("retention", "sqs:SetQueueAttributes")
	is, should := q.attributes[attrRetention], seconds(q.p.w.Retention)
	s.Diffs = []Diff{{attrRetention, is, should}}
	switch {
	case number(is) == number(should):
	case number(is) > number(should) && !q.p.w.Shorten:
		s.State = Left
		s.Note = fmt.Sprintf("the change would delete messages sooner than now; allow it by --shorten, or set QUEUE_RETENTION=%s for server and provision", time.Duration(number(is))*time.Second)
	default:
		q.set(s, attrRetention, should, func() string { return should })
	}
	return s
}

// encryption plans encryption at rest with SQS's own keys; a key that is already set
// stays.
func (q *queue) encryption() *Step {
	s := q.step("encryption", "sqs:SetQueueAttributes")
	if key := q.attributes[attrKey]; key != "" {
		s.Diffs = []Diff{{attrKey, key, key}}
		return s
	}
	s.Diffs = []Diff{{attrManagedSSE, q.attributes[attrManagedSSE], "true"}}
	if differ(s.Diffs) {
		q.set(s, attrManagedSSE, "true", func() string { return "true" })
	}
	return s
}

func seconds(d time.Duration) string { return strconv.Itoa(int((d + time.Second - 1) / time.Second)) }

// number reads an attribute; invalid text counts as less than every number.
func number(value string) int {
	n, err := strconv.Atoi(value)
	if err != nil {
		return -1
	}
	return n
}
