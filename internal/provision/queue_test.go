package provision_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/provision"
)

// planQueues plans on the local S3 and SQS, where the bucket exists.
func planQueues(t *testing.T, env *awstest.Env, w provision.Wanted) *provision.Plan {
	t.Helper()
	w.Region, w.Bucket = env.Region, env.Bucket
	p, err := provision.New(env.S3, env.SQS, w)
	if err != nil {
		t.Fatal(err)
	}
	return p.Plan(t.Context())
}

func makeQueue(t *testing.T, env *awstest.Env, name string, attributes map[string]string) {
	t.Helper()
	if _, err := env.SQS.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes, Tags: map[string]string{"team": "photos"}}); err != nil {
		t.Fatal(err)
	}
}

// attributesOf returns the named attributes of a queue.
func attributesOf(t *testing.T, env *awstest.Env, name string, names ...string) map[string]string {
	t.Helper()
	url, err := env.SQS.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &name})
	if err != nil {
		t.Fatal(err)
	}
	out, err := env.SQS.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: url.QueueUrl, AttributeNames: []types.QueueAttributeName{"All"}})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, n := range names {
		got[n] = out.Attributes[n]
	}
	return got
}

func arn(env *awstest.Env, name string) string {
	return "arn:aws:sqs:" + env.Region + ":000000000000:" + name
}

// TestNewQueues creates both queues over the wire; a second run changes nothing.
func TestNewQueues(t *testing.T) {
	t.Parallel()
	env, w := awstest.Start(t), wanted(t)
	plan := planQueues(t, env, w)
	if _, err := env.SQS.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &w.Queue}); err == nil {
		t.Fatal("a plan has made a queue")
	}
	apply(t, plan)
	want := map[string]string{
		"MessageRetentionPeriod": "345600", "VisibilityTimeout": "60", "ReceiveMessageWaitTimeSeconds": "20", "SqsManagedSseEnabled": "true",
		"RedrivePolicy": `{"deadLetterTargetArn":"` + arn(env, w.DeadLetter) + `","maxReceiveCount":"100"}`,
	}
	if d := cmp.Diff(want, attributesOf(t, env, w.Queue, "MessageRetentionPeriod", "VisibilityTimeout", "ReceiveMessageWaitTimeSeconds", "SqsManagedSseEnabled", "RedrivePolicy")); d != "" {
		t.Errorf("the queue (-want +got):\n%s", d)
	}
	want = map[string]string{
		"MessageRetentionPeriod": "1209600", "SqsManagedSseEnabled": "true",
		"RedriveAllowPolicy": `{"redrivePermission":"byQueue","sourceQueueArns":["` + arn(env, w.Queue) + `"]}`,
	}
	if d := cmp.Diff(want, attributesOf(t, env, w.DeadLetter, "MessageRetentionPeriod", "SqsManagedSseEnabled", "RedriveAllowPolicy")); d != "" {
		t.Errorf("the dead-letter queue (-want +got):\n%s", d)
	}
	if !strings.HasSuffix(plan.QueueURL(), "/"+w.Queue) {
		t.Errorf("its URL is %s", plan.QueueURL())
	}
	again := planQueues(t, env, w)
	if n := again.Count(provision.Create, provision.Change, provision.Failed); n != 0 {
		t.Errorf("the second time %d steps are to be done", n)
	}
}

// TestQueueThatExists plans for queues that others have created.
func TestQueueThatExists(t *testing.T) {
	t.Parallel()
	redrive := func(env *awstest.Env, to, max string) string {
		return `{"deadLetterTargetArn":"` + arn(env, to) + `","maxReceiveCount":` + max + `}`
	}
	tests := map[string]struct {
		queue, dead func(env *awstest.Env, w provision.Wanted) map[string]string // attributes
		change      func(*provision.Wanted)
		step        string
		want        provision.State
		hint        string            // in the step
		then        map[string]string // attributes of the queue thereafter
	}{
		"lower": {
			queue: func(*awstest.Env, provision.Wanted) map[string]string {
				return map[string]string{"VisibilityTimeout": "5", "MessageRetentionPeriod": "60", "ReceiveMessageWaitTimeSeconds": "1"}
			},
			step: "retention", want: provision.Change,
			then: map[string]string{"VisibilityTimeout": "60", "MessageRetentionPeriod": "345600", "ReceiveMessageWaitTimeSeconds": "20", "SqsManagedSseEnabled": "true"},
		},
		"longer visibility": {
			queue: func(*awstest.Env, provision.Wanted) map[string]string {
				return map[string]string{"VisibilityTimeout": "600"}
			},
			step: "visibility", want: provision.Fine, then: map[string]string{"VisibilityTimeout": "600"},
		},
		"longer retention": {
			queue: func(*awstest.Env, provision.Wanted) map[string]string {
				return map[string]string{"MessageRetentionPeriod": "1209600"}
			},
			step: "retention", want: provision.Left, hint: "QUEUE_RETENTION=336h", then: map[string]string{"MessageRetentionPeriod": "1209600"},
		},
		"longer retention, to be shortened": {
			queue: func(*awstest.Env, provision.Wanted) map[string]string {
				return map[string]string{"MessageRetentionPeriod": "1209600"}
			},
			change: func(w *provision.Wanted) { w.Shorten = true },
			step:   "retention", want: provision.Change, then: map[string]string{"MessageRetentionPeriod": "345600"},
		},
		"a key of its own": {
			queue: func(*awstest.Env, provision.Wanted) map[string]string {
				return map[string]string{"KmsMasterKeyId": "alias/photos"}
			},
			step: "encryption", want: provision.Fine, then: map[string]string{"KmsMasterKeyId": "alias/photos", "SqsManagedSseEnabled": "false"},
		},
		"more receives": {
			queue: func(env *awstest.Env, w provision.Wanted) map[string]string {
				return map[string]string{"RedrivePolicy": redrive(env, w.DeadLetter, "500")}
			},
			step: "redrive policy", want: provision.Fine,
		},
		"fewer receives": {
			queue: func(env *awstest.Env, w provision.Wanted) map[string]string {
				return map[string]string{"RedrivePolicy": redrive(env, w.DeadLetter, "3")}
			},
			step: "redrive policy", want: provision.Change,
		},
		"another dead-letter queue": {
			queue: func(env *awstest.Env, w provision.Wanted) map[string]string {
				return map[string]string{"RedrivePolicy": redrive(env, w.Queue+"-else", "3")}
			},
			step: "redrive policy", want: provision.Left, hint: "--dlq",
		},
		"no dead letters taken": {
			dead: func(*awstest.Env, provision.Wanted) map[string]string {
				return map[string]string{"RedriveAllowPolicy": `{"redrivePermission":"denyAll"}`}
			},
			step: "redrive allow policy", want: provision.Left, hint: "by hand",
		},
		"taken of another": {
			dead: func(env *awstest.Env, w provision.Wanted) map[string]string {
				return map[string]string{"RedriveAllowPolicy": `{"redrivePermission":"byQueue","sourceQueueArns":["` + arn(env, "another") + `"]}`}
			},
			step: "redrive allow policy", want: provision.Change, hint: "by another → by another, ",
		},
		"in use by another": {
			dead: func(env *awstest.Env, w provision.Wanted) map[string]string { return map[string]string{} },
			step: "redrive allow policy", want: provision.Change, hint: "allowAll → by ",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, w := awstest.Start(t), wanted(t)
			w.Queue = env.Bucket
			w.DeadLetter = w.Queue + "-dead"
			dead := map[string]string{}
			if tt.dead != nil {
				dead = tt.dead(env, w)
			}
			makeQueue(t, env, w.DeadLetter, dead)
			makeQueue(t, env, w.Queue+"-else", nil)
			if name == "in use by another" {
				makeQueue(t, env, w.Queue+"-other", map[string]string{"RedrivePolicy": redrive(env, w.DeadLetter, "3")})
			}
			if tt.queue != nil {
				env.SetQueueAttributes(t, tt.queue(env, w))
			}
			if tt.change != nil {
				tt.change(&w)
			}
			plan := planQueues(t, env, w)
			var step *provision.Step
			for _, s := range plan.Steps {
				if s.What == tt.step && (s.On == "queue "+w.Queue || tt.step == "redrive allow policy") {
					step = s
				}
			}
			if step == nil || step.State != tt.want || !strings.Contains(step.String(), tt.hint) {
				t.Fatalf("got %v", step)
			}
			apply(t, plan)
			for attribute, value := range tt.then {
				if got := attributesOf(t, env, w.Queue, attribute)[attribute]; got != value {
					t.Errorf("%s is %q then, want %q", attribute, got, value)
				}
			}
			if name == "in use by another" {
				got := attributesOf(t, env, w.DeadLetter, "RedriveAllowPolicy")["RedriveAllowPolicy"]
				if !strings.Contains(got, arn(env, w.Queue)+`"`) || !strings.Contains(got, arn(env, w.Queue+"-other")) {
					t.Errorf("a queue that used it before is shut out: %s", got)
				}
			}
			tags, err := env.SQS.ListQueueTags(t.Context(), &sqs.ListQueueTagsInput{QueueUrl: aws.String(env.SQSURL + "/000000000000/" + w.DeadLetter)})
			if err != nil || tags.Tags["team"] != "photos" {
				t.Errorf("tags are %v, %v", tags, err)
			}
			if n := planQueues(t, env, w).Count(provision.Create, provision.Change, provision.Failed); n != 0 {
				t.Errorf("the second time %d steps are to be done", n)
			}
		})
	}
}

// TestWantedRefusesMistakes checks that one error names every mistake.
func TestWantedRefusesMistakes(t *testing.T) {
	t.Parallel()
	w := provision.Wanted{Bucket: "Pictures", Queue: "jobs.fifo", DeadLetter: "jobs.fifo", Visibility: 13 * 3600e9}
	_, err := provision.New(nil, nil, w)
	if err == nil {
		t.Fatal("no error")
	}
	for _, hint := range []string{"region", `"Pictures"`, "FIFO", "must be two", "time to live", "retention", "visibility", "receives"} {
		if !strings.Contains(err.Error(), hint) {
			t.Errorf("%q says nothing of %s", err, hint)
		}
	}
}

// TestQueueOfWebhooks makes a second pair of queues; a second run changes nothing.
func TestQueueOfWebhooks(t *testing.T) {
	t.Parallel()
	env, w := awstest.Start(t), wanted(t)
	w.Webhooks = "hooks"
	apply(t, planQueues(t, env, w))
	got := attributesOf(t, env, "hooks", "MessageRetentionPeriod", "ReceiveMessageWaitTimeSeconds", "RedrivePolicy")
	if got["MessageRetentionPeriod"] == "" || got["ReceiveMessageWaitTimeSeconds"] != "20" || !strings.Contains(got["RedrivePolicy"], arn(env, "hooks-dead")) {
		t.Errorf("the queue has %v", got)
	}
	plan := planQueues(t, env, w)
	if n := plan.Count(provision.Create, provision.Change, provision.Left, provision.Failed); n != 0 || !strings.HasSuffix(plan.WebhookQueueURL(), "/hooks") {
		t.Errorf("a second run finds %d differences, and the URL %q", n, plan.WebhookQueueURL())
	}
	w.Webhooks = w.DeadLetter
	if err := w.Check(); err == nil {
		t.Error("the dead-letter queue is taken for webhooks")
	}
}
