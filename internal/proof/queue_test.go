package proof_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/proof"
	"claimcheck.example/internal/sqsqueue"
)

func sqsClient(env *awstest.Env, endpoint string) *sqs.Client {
	return sqs.NewFromConfig(env.Servers.Config(), func(o *sqs.Options) { o.BaseEndpoint = &endpoint }, sqsqueue.ClientOptions)
}

// TestLocalQueue proves the local SQS.
func TestLocalQueue(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	client := sqsClient(env, env.SQSURL)
	t.Run("with message groups", func(t *testing.T) {
		t.Parallel()
		results, err := proof.Queue(t.Context(), client, true)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			if !r.Kept {
				t.Errorf("%s: %s", r.Promise, r.Saw)
			}
		}
	})
	t.Run("without message groups", func(t *testing.T) {
		t.Parallel()
		results, err := proof.Queue(t.Context(), client, false)
		if err != nil || slices.ContainsFunc(results, func(r proof.Result) bool { return r.Promise == "message group" }) {
			t.Errorf("%+v, %v", results, err)
		}
	})
}

// members returns a fault that removes members from an operation's input.
func members(operation string, names ...string) fault {
	return edited(operation, func(in map[string]any) {
		for _, name := range names {
			delete(in, name)
		}
	})
}

// edited returns a fault that changes an operation's input.
func edited(operation string, edit func(map[string]any)) fault {
	return func(_ *front, _ http.ResponseWriter, r *http.Request, body []byte) ([]byte, bool) {
		if operationOf(r) != operation {
			return body, false
		}
		var in map[string]any
		if err := json.Unmarshal(body, &in); err != nil {
			panic(http.ErrAbortHandler)
		}
		edit(in)
		body, err := json.Marshal(in)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		return body, false
	}
}

func operationOf(r *http.Request) string {
	return strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS.")
}

// pretended returns a fault that answers 200 to an operation without doing it.
func pretended(operation string) fault {
	return func(_ *front, w http.ResponseWriter, r *http.Request, body []byte) ([]byte, bool) {
		if operationOf(r) != operation {
			return body, false
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = w.Write([]byte("{}"))
		return nil, true
	}
}

// TestBrokenQueue runs the proof on a queue with one fault after the other.
func TestBrokenQueue(t *testing.T) {
	t.Parallel()
	refusesGroups := func(_ *front, w http.ResponseWriter, r *http.Request, body []byte) ([]byte, bool) {
		if !bytes.Contains(body, []byte("MessageGroupId\":")) {
			return body, false
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"__type":"com.amazonaws.sqs#InvalidParameterValue","message":"no"}`))
		return nil, true
	}
	tests := map[string]struct {
		fault  fault
		edit   func([]byte) []byte
		broken []string
		says   string
	}{
		"no fault":                   {members("", ""), nil, nil, ""},
		"attributes are dropped":     {members("SendMessage", "MessageAttributes"), nil, []string{"message with attributes"}, "traceparent"},
		"message groups are dropped": {members("SendMessage", "MessageGroupId"), nil, []string{"message group"}, "dropped"},
		"message groups are refused": {refusesGroups, nil, []string{"message group"}, "400 InvalidParameterValue"},
		"visibility is ignored": {edited("ReceiveMessage", func(in map[string]any) { in["VisibilityTimeout"] = 0 }), nil,
			[]string{"visibility ends, and is counted", "visibility is extended", "visibility of zero"}, "before its visibility"},
		"visibility never ends": {edited("ReceiveMessage", func(in map[string]any) { in["VisibilityTimeout"] = 600 }), nil,
			[]string{"visibility ends, and is counted"}, "does not come within"},
		"receives are not counted": {nil, func(answer []byte) []byte {
			return bytes.ReplaceAll(answer, []byte(`"ApproximateReceiveCount":"2"`), []byte(`"ApproximateReceiveCount":"1"`))
		}, []string{"visibility ends, and is counted"}, "ApproximateReceiveCount"},
		"extensions are ignored": {pretended("ChangeMessageVisibility"), nil, []string{"visibility is extended", "visibility of zero"}, "extended"},
		"deletes are ignored":    {pretended("DeleteMessage"), nil, []string{"delete"}, "comes again"},
		"delays are ignored":     {members("SendMessage", "DelaySeconds"), nil, []string{"delay"}, "at once"},
	}
	found := map[string]bool{}
	for _, tt := range tests {
		for _, promise := range tt.broken {
			found[promise] = true
		}
	}
	for _, p := range proof.OfQueue() {
		if !found[p.Name] {
			t.Errorf("no queue here breaks %q", p.Name)
		}
	}
	// All at once: a proof mostly waits, and fewer parallel tests would run at once.
	type finding struct {
		results []proof.Result
		err     error
	}
	findings := map[string]chan finding{}
	for name, tt := range tests {
		env := awstest.Start(t)
		client := sqsClient(env, newFront(t, &front{env: env, service: "sqs", to: env.SQSURL, fault: tt.fault, edit: tt.edit}))
		done := make(chan finding, 1)
		findings[name] = done
		go func() {
			results, err := proof.Queue(t.Context(), client, true)
			done <- finding{results, err}
		}()
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := <-findings[name]
			if f.err != nil {
				t.Fatal(f.err)
			}
			var broken, saw []string
			for _, r := range f.results {
				if !r.Kept {
					broken, saw = append(broken, r.Promise), append(saw, r.Saw)
				}
			}
			slices.Sort(broken)
			slices.Sort(tt.broken)
			if d := cmp.Diff(tt.broken, broken); d != "" || !strings.Contains(strings.Join(saw, "\n"), tt.says) {
				t.Errorf("it says %q, want %q; broken promises (-want +got):\n%s", saw, tt.says, d)
			}
		})
	}
}
