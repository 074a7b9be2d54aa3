package awstest_test

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"claimcheck.example/internal/awslocal/awstest"
)

func TestStart(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	other := awstest.Start(t)
	ctx := t.Context()

	for _, key := range []string{"jobs/a", "jobs/b"} {
		_, err := env.S3.PutObject(ctx, &s3.PutObjectInput{Bucket: &env.Bucket, Key: aws.String(key), Body: strings.NewReader("hello")})
		if err != nil {
			t.Fatal(err)
		}
	}
	object, err := env.S3.GetObject(ctx, &s3.GetObjectInput{Bucket: &env.Bucket, Key: aws.String("jobs/a")})
	if err != nil {
		t.Fatal(err)
	}
	defer object.Body.Close()
	if body, err := io.ReadAll(object.Body); err != nil || string(body) != "hello" {
		t.Errorf("body = %q, %v; want hello", body, err)
	}
	if _, err := env.SQS.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &env.QueueURL, MessageBody: aws.String("m")}); err != nil {
		t.Fatal(err)
	}
	received, err := env.SQS.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &env.QueueURL})
	if err != nil || len(received.Messages) != 1 {
		t.Fatalf("received %v, %v; want one message", received, err)
	}

	want := map[string]int{"S3 PutObject": 2, "S3 GetObject": 1, "SQS SendMessage": 1, "SQS ReceiveMessage": 1}
	if diff := cmp.Diff(want, env.Count()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if got := other.Count(); len(got) != 0 {
		t.Errorf("another environment's counts = %v; want none", got)
	}
	env.ResetCount()
	if got := env.Count(); len(got) != 0 {
		t.Errorf("counts after the reset = %v; want none", got)
	}
}

func TestPath(t *testing.T) {
	t.Parallel()
	awstest.Start(t)
	if _, err := os.Stat(awstest.Path("awstest_test.go")); err != nil {
		t.Errorf("a file beside the test is not found: %v", err)
	}
}

// TestNothingIsLeftBehind runs this test in two more processes. The first is killed while
// its servers run; the second removes the data of both.
func TestNothingIsLeftBehind(t *testing.T) {
	const role = "CLAIMCHECK_AWSTEST_ROLE"
	switch os.Getenv(role) {
	case "killed":
		awstest.Start(t)
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	case "ends":
		awstest.Start(t)
		return
	}
	dir := t.TempDir()
	for _, step := range []struct {
		role string
		left int
	}{{"killed", 1}, {"ends", 0}} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNothingIsLeftBehind$")
		cmd.Env = append(os.Environ(), role+"="+step.role, "TMPDIR="+dir)
		out, err := cmd.CombinedOutput()
		if (err != nil) != (step.role == "killed") {
			t.Fatalf("the process that is %s: %v: %s", step.role, err, out)
		}
		left, err := os.ReadDir(dir)
		if err != nil || len(left) != step.left {
			t.Errorf("the process that is %s leaves %v, %v; want %d folders", step.role, left, err, step.left)
		}
	}
}
