package provision

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Provisioner checks and sets up one bucket and its queues.
//
// Rights needed (IAM actions) to check: s3:ListBucket, s3:GetBucketPublicAccessBlock,
// s3:GetBucketOwnershipControls, s3:GetEncryptionConfiguration, s3:GetBucketPolicy,
// s3:GetBucketVersioning, s3:GetLifecycleConfiguration; sqs:GetQueueUrl,
// sqs:GetQueueAttributes, sqs:ListDeadLetterSourceQueues. To change, in addition:
// s3:CreateBucket, s3:PutBucketPublicAccessBlock, s3:PutBucketOwnershipControls,
// s3:PutEncryptionConfiguration, s3:PutBucketPolicy, s3:PutLifecycleConfiguration;
// sqs:CreateQueue, sqs:SetQueueAttributes.
type Provisioner struct {
	s3  *s3.Client
	sqs *sqs.Client
	w   Wanted
}

// New returns a provisioner for w, or an error that names the mistakes in w. The clients
// must be of w's region.
func New(s3 *s3.Client, sqs *sqs.Client, w Wanted) (*Provisioner, error) {
	if err := w.Check(); err != nil {
		return nil, err
	}
	return &Provisioner{s3, sqs, w}, nil
}

// Plan reads the present state and changes nothing. A setting that it cannot read is a
// failed step; it reads the rest all the same.
func (p *Provisioner) Plan(ctx context.Context) *Plan {
	plan := &Plan{Steps: p.bucket(ctx)}
	if !p.w.noQueues() {
		steps, main := p.queues(ctx)
		plan.Steps, plan.queue = append(plan.Steps, steps...), main
	}
	if p.w.Webhooks != "" {
		other := *p // a pair of queues like the other
		other.w.Queue, other.w.DeadLetter, other.w.Prove = p.w.Webhooks, p.w.webhookDead(), false
		var steps []*Step
		steps, plan.webhooks = other.queues(ctx)
		plan.Steps = append(plan.Steps, steps...)
	}
	return plan
}

// noSuchThing is the note of a step that the backend does not support.
const noSuchThing = "this backend does not support it"

// codeOf returns the API's error code; empty when there was no answer.
func codeOf(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}

func statusOf(err error) int {
	if e, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return e.HTTPStatusCode()
	}
	return 0
}

// unsupported reports whether the backend does not have the call.
func unsupported(err error) bool {
	switch codeOf(err) {
	case "NotImplemented", "MethodNotAllowed":
		return true
	}
	return statusOf(err) == http.StatusNotImplemented
}

// seen sets the step's state from the error of a read, and reports whether that settles
// the step.
func (s *Step) seen(err error, action string) bool {
	switch {
	case err == nil:
		return false
	case unsupported(err):
		s.State, s.Note = Unsupported, noSuchThing
	default:
		s.State, s.Err = Failed, denied(err, action)
	}
	return true
}

// denied names the right that a refused call needs.
func denied(err error, action string) error {
	if statusOf(err) == http.StatusForbidden {
		return fmt.Errorf("access is denied; it needs the right %s: %w", action, err)
	}
	return err
}
