package awslocal_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"claimcheck.example/internal/awslocal"
)

// childDir is the variable that makes this test binary a server of that data folder,
// until it is killed.
const childDir = "AWSLOCAL_TEST_CHILD_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(child(dir))
	}
	os.Exit(m.Run())
}

// child serves dir and prints the endpoints and the queue.
func child(dir string) int {
	ctx := context.Background()
	servers, err := awslocal.Start(ctx, awslocal.Options{Dir: dir})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	queue, err := servers.EnsureQueue(ctx, "jobs", awslocal.QueueOptions{})
	if err = errors.Join(err, servers.EnsureBucket(ctx, "bucket")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(servers.S3URL(), servers.SQSURL(), queue)
	select {}
}

// TestKilledServerLosesNothing kills a server under load: everything that it acknowledged
// is there afterwards. While it runs, no other server can open its folder.
func TestKilledServerLosesNothing(t *testing.T) {
	dir := t.TempDir()
	server := exec.CommandContext(t.Context(), os.Args[0])
	server.Env = append(os.Environ(), childDir+"="+dir)
	server.Stderr = os.Stderr
	stdout, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var s3URL, sqsURL, queue string
	if _, err := fmt.Sscan(line, &s3URL, &sqsURL, &queue); err != nil {
		t.Fatal(err)
	}
	if _, err := awslocal.Start(t.Context(), awslocal.Options{Dir: dir}); !errors.Is(err, awslocal.ErrInUse) || !strings.Contains(err.Error(), dir) {
		t.Errorf("start on a folder in use: %v; want ErrInUse that names %s", err, dir)
	}

	keys := credentials.NewStaticCredentialsProvider(awslocal.DefaultAccessKey, awslocal.DefaultSecretKey, "")
	objects := s3.New(s3.Options{Region: awslocal.DefaultRegion, BaseEndpoint: &s3URL, UsePathStyle: true, Credentials: keys, RetryMaxAttempts: 1})
	messages := sqs.New(sqs.Options{Region: awslocal.DefaultRegion, BaseEndpoint: &sqsURL, Credentials: keys, RetryMaxAttempts: 1})
	acknowledged := make(chan string)
	var senders sync.WaitGroup
	for sender := range 4 {
		senders.Go(func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("%d-%d", sender, i)
				if _, err := objects.PutObject(t.Context(), &s3.PutObjectInput{
					Bucket: aws.String("bucket"), Key: aws.String("jobs/" + name), Body: strings.NewReader(name),
				}); err != nil {
					return
				}
				if _, err := messages.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: &name}); err != nil {
					return
				}
				acknowledged <- name
			}
		})
	}
	go func() {
		senders.Wait()
		close(acknowledged)
	}()
	var want []string
	for name := range acknowledged {
		want = append(want, name)
		if len(want) == 200 {
			if err := server.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = server.Wait()
	if len(want) < 200 {
		t.Fatalf("%d messages were acknowledged; want 200 before the kill", len(want))
	}

	servers := start(t, awslocal.Options{Dir: dir})
	defer stop(t, servers)
	queue, err = servers.EnsureQueue(t.Context(), "jobs", awslocal.QueueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for {
		out, err := servers.SQSClient().ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &queue, MaxNumberOfMessages: 10, VisibilityTimeout: 600})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			break
		}
		for _, m := range out.Messages {
			got = append(got, *m.Body)
		}
	}
	for _, name := range want {
		if !slices.Contains(got, name) {
			t.Errorf("message %s was acknowledged and is lost", name)
		}
		if body := get(t, servers, "jobs/"+name); body != name {
			t.Errorf("object %s = %q", name, body)
		}
	}
}
