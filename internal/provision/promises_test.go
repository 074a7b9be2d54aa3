package provision_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/proof"
	"claimcheck.example/internal/provision"
	"claimcheck.example/internal/s3store"
	"claimcheck.example/internal/test/overlap"
)

func TestMain(m *testing.M) { os.Exit(overlap.Run(m)) }

// promises plans the proof of the local S3 and SQS, and returns its two steps.
func promises(t *testing.T, env *awstest.Env, again bool, options ...func(*s3.Options)) (*provision.Plan, []*provision.Step) {
	t.Helper()
	w := wanted(t)
	w.Region, w.Bucket, w.Queue, w.DeadLetter, w.Prove, w.Again = env.Region, env.Bucket, env.Bucket, env.Bucket+"-dead", true, again
	client := s3.NewFromConfig(env.Servers.Config(), append([]func(*s3.Options){func(o *s3.Options) { o.BaseEndpoint = &env.S3URL }, s3store.ClientOptions}, options...)...)
	p, err := provision.New(client, env.SQS, w)
	if err != nil {
		t.Fatal(err)
	}
	plan := p.Plan(t.Context())
	var steps []*provision.Step
	for _, s := range plan.Steps {
		if s.What == "promises" {
			steps = append(steps, s)
		}
	}
	if len(steps) != 2 {
		t.Fatalf("%d steps prove, want 2", len(steps))
	}
	return plan, steps
}

func states(steps []*provision.Step) []provision.State {
	return []provision.State{steps[0].State, steps[1].State}
}

// ignoring returns a client of a store that ignores If-Match.
func ignoring(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Build.Add(middleware.BuildMiddlewareFunc("ignoring",
			func(ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler) (middleware.BuildOutput, middleware.Metadata, error) {
				in.Request.(*smithyhttp.Request).Header.Del("If-Match")
				return next.HandleBuild(ctx, in)
			}), middleware.After)
	})
}

// TestPromises proves a store once, again on request, and again after it was found
// broken.
func TestPromises(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	done, fine := []provision.State{provision.Done, provision.Done}, []provision.State{provision.Fine, provision.Fine}

	if _, err := env.S3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &env.Bucket, Key: aws.String(proof.Key)}); err != nil {
		t.Fatal(err)
	}
	plan, steps := promises(t, env, false)
	env.ResetCount()
	promises(t, env, false)
	for call := range env.Count() {
		if name := strings.TrimPrefix(call, "S3 "); name != call && !strings.HasPrefix(name, "Get") && !strings.HasPrefix(name, "Head") && !strings.HasPrefix(name, "GET ") {
			t.Errorf("a plan makes the call %s", call)
		}
	}
	apply(t, plan)
	if got := states(steps); !slices.Equal(got, done) {
		t.Errorf("the first time: %v, want %v", got, done)
	}
	if _, steps = promises(t, env, false); !slices.Equal(states(steps), fine) {
		t.Errorf("the second time: %v, want %v", states(steps), fine)
	}

	plan, steps = promises(t, env, true, ignoring)
	plan.Prove(t.Context(), func(*provision.Step) {})
	if got, want := states(steps), []provision.State{provision.Failed, provision.Done}; !slices.Equal(got, want) {
		t.Fatalf("a store that ignores If-Match: %v, want %v", got, want)
	}
	for _, want := range []string{
		"must not hold documents: it breaks 5 of", "swap by a stale tag is refused: it gets 200: the store ignores the condition", "Without it: two workers hold one job", "To do: ", "PostgreSQL",
	} {
		if !strings.Contains(steps[0].Err.Error(), want) {
			t.Errorf("the step does not say %q: %v", want, steps[0].Err)
		}
	}
	f, _, err := proof.Read(t.Context(), env.S3, env.Bucket)
	if err != nil || len(proof.Broken(f.Results)) != 5 || f.Queue == nil {
		t.Errorf("the bucket holds the finding %+v, %v", f, err)
	}

	plan, steps = promises(t, env, false)
	if steps[0].State != provision.Change {
		t.Errorf("a store that was found broken: %v, want it to be proved anew", steps[0].State)
	}
	plan.Prove(t.Context(), func(*provision.Step) {})
	if _, steps = promises(t, env, false); !slices.Equal(states(steps), fine) {
		t.Errorf("after the repair: %v, want %v", states(steps), fine)
	}
}

// TestAWSIsNotProved plans for AWS's own endpoints.
func TestAWSIsNotProved(t *testing.T) {
	t.Parallel()
	w := wanted(t)
	w.Prove, w.Again = true, true
	w.Region = region
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // so any request would fail
	p, err := provision.New(s3.New(s3.Options{Region: region}), sqs.New(sqs.Options{Region: region}), w)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Plan(ctx).Steps {
		if s.What == "promises" {
			t.Errorf("AWS is proved: %s", s)
		}
	}
}
