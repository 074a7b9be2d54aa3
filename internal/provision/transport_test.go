package provision_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"claimcheck.example/internal/awslocal/sqsserver"
	"claimcheck.example/internal/provision"
)

// answering returns a client whose requests a handler answers, whatever their host.
type answering struct{ http.Handler }

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, in)
	return w.Result(), nil
}

// onAWS returns a provisioner whose clients have no custom endpoint, over fakes.
func onAWS(t *testing.T, f *fakeS3, w provision.Wanted) (*provision.Provisioner, *sqs.Client) {
	t.Helper()
	queues, err := sqsserver.New(sqsserver.Options{
		Path: filepath.Join(t.TempDir(), "queues"), NoSync: true, Region: region, AccessKey: "key", SecretKey: "secret",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = queues.Close() })
	keys := credentials.NewStaticCredentialsProvider("key", "secret", "")
	store := s3.New(s3.Options{Region: region, Credentials: keys, UsePathStyle: true, Retryer: aws.NopRetryer{}, HTTPClient: &http.Client{Transport: answering{f}}})
	queue := sqs.New(sqs.Options{Region: region, Credentials: keys, Retryer: aws.NopRetryer{}, HTTPClient: &http.Client{Transport: answering{queues}}})
	p, err := provision.New(store, queue, w)
	if err != nil {
		t.Fatal(err)
	}
	return p, queue
}

// denials returns the resources for which a policy denies plain http, and the number of
// its other statements.
func denials(t *testing.T, policy string) (resources []string, others int) {
	t.Helper()
	var p struct {
		Version   string
		Statement []struct {
			Sid, Effect, Action string
			Principal, Resource any
			Condition           map[string]map[string]string
		}
	}
	if err := json.Unmarshal([]byte(policy), &p); err != nil {
		t.Fatalf("%q: %v", policy, err)
	}
	for _, s := range p.Statement {
		if s.Effect != "Deny" || s.Principal != "*" || s.Condition["Bool"]["aws:SecureTransport"] != "false" || !strings.HasSuffix(s.Action, ":*") {
			others++
			continue
		}
		for _, r := range s.Resource.([]any) {
			resources = append(resources, r.(string))
		}
	}
	return resources, others
}

// TestPlainHTTPIsDenied creates and repairs bucket and queues; a second run changes
// nothing.
func TestPlainHTTPIsDenied(t *testing.T) {
	t.Parallel()
	const foreign = `{"Version":"2012-10-17","Id":"house","Statement":{"Sid":"Partner","Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::pictures/shared/*"}}`
	weaker := `{"Version":"2012-10-17","Statement":[{"Sid":"ClaimcheckDenyPlainHTTP","Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":["arn:aws:s3:::pictures/*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`
	tests := map[string]struct {
		policy string // of an existing bucket
		exists bool
		others int
	}{
		"nothing is there":      {},
		"no policy":             {exists: true},
		"a statement of others": {policy: foreign, exists: true, others: 1},
		"a weaker one of ours":  {policy: weaker, exists: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, w := newFakeS3(t), wanted(t)
			w.Queue, w.DeadLetter = "jobs", "jobs-dead"
			if tt.exists {
				f.buckets["pictures"] = map[string]string{"policy": tt.policy}
			}
			p, queues := onAWS(t, f, w)
			if tt.exists {
				if _, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("jobs")}); err != nil {
					t.Fatal(err)
				}
			}
			plan := p.Plan(t.Context())
			apply(t, plan)
			got, others := denials(t, f.buckets["pictures"]["policy"])
			if want := []string{"arn:aws:s3:::pictures", "arn:aws:s3:::pictures/*"}; !slices.Equal(got, want) || others != tt.others {
				t.Errorf("the bucket's policy is %s", f.buckets["pictures"]["policy"])
			}
			for _, name := range []string{"jobs", "jobs-dead"} {
				url, err := queues.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &name})
				if err != nil {
					t.Fatal(err)
				}
				out, err := queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: url.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{"All"}})
				if err != nil {
					t.Fatal(err)
				}
				if got, _ := denials(t, out.Attributes["Policy"]); !slices.Equal(got, []string{"arn:aws:sqs:" + region + ":000000000000:" + name}) {
					t.Errorf("the policy of %s is %s", name, out.Attributes["Policy"])
				}
			}
			for _, s := range p.Plan(t.Context()).Steps {
				if s.What == "plain http" && s.State != provision.Fine {
					t.Errorf("the second time: %s", s)
				}
			}
		})
	}
}

// TestPlainHTTPUnderACustomEndpoint checks that a store behind a proxy that ends TLS
// stays reachable.
func TestPlainHTTPUnderACustomEndpoint(t *testing.T) {
	t.Parallel()
	plan, _ := bucketSteps(t, newFakeS3(t), wanted(t))
	for _, s := range plan.Steps {
		if s.What == "plain http" {
			t.Errorf("%s is planned", s)
		}
	}
}

func TestPolicyThatCannotBeRead(t *testing.T) {
	t.Parallel()
	f := newFakeS3(t)
	f.buckets["pictures"] = map[string]string{"policy": "{"}
	p, _ := onAWS(t, f, wanted(t))
	plan := p.Plan(t.Context())
	if s := stateOf(t, plan.Steps, "plain http"); s.State != provision.Failed {
		t.Errorf("it is %s", s)
	}
}
