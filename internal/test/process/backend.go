package process

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"claimcheck.example/internal/awslocal"
)

// backendEnv marks a process that is the backend and nothing else.
const backendEnv = "CLAIMCHECK_FLEET_BACKEND"

// Backend is S3 and SQS in a process of their own.
type Backend struct {
	*Process
	// Env has the variables of server and worker for it.
	Env []string
	// S3URL and SQSURL are its endpoints.
	S3URL, SQSURL string
}

// Names of the backend's bucket and queue.
const (
	Bucket = "jobs"
	Queue  = "jobs"
)

// StartBackend runs this same program again as the backend, on the given ports, with its
// data in dir. The program's main, or TestMain, must begin with [RunBackend].
func StartBackend(ctx context.Context, dir string, s3Port, sqsPort int, log io.Writer) (*Backend, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p, err := start(exec.Command(self), []string{backendEnv + "=" + strings.Join([]string{strconv.Itoa(s3Port), strconv.Itoa(sqsPort), dir}, ",")}, log)
	if err != nil {
		return nil, err
	}
	b := &Backend{Process: p, S3URL: "http://127.0.0.1:" + strconv.Itoa(s3Port), SQSURL: "http://127.0.0.1:" + strconv.Itoa(sqsPort)}
	b.Env = []string{
		"AWS_ENDPOINT_URL_S3=" + b.S3URL, "AWS_ENDPOINT_URL_SQS=" + b.SQSURL, "AWS_REGION=" + awslocal.DefaultRegion,
		"AWS_ACCESS_KEY_ID=" + awslocal.DefaultAccessKey, "AWS_SECRET_ACCESS_KEY=" + awslocal.DefaultSecretKey,
		"S3_BUCKET=" + Bucket, "SQS_QUEUE_URL=" + b.SQSURL + "/000000000000/" + Queue,
	}
	for tick := time.NewTicker(5 * time.Millisecond); !strings.Contains(p.Output(), "backend ready"); {
		select {
		case <-tick.C:
		case <-p.Done():
			return nil, fmt.Errorf("backend: %v: %s", p.Wait(), p.Output())
		case <-ctx.Done():
			p.Kill()
			return nil, fmt.Errorf("backend: %w: %s", ctx.Err(), p.Output())
		}
	}
	return b, nil
}

// RunBackend returns at once, unless this process was started as the backend: then it
// serves until SIGTERM, and exits.
func RunBackend() {
	spec, ok := os.LookupEnv(backendEnv)
	if !ok {
		return
	}
	if err := runBackend(spec); err != nil {
		fmt.Fprintln(os.Stderr, "backend:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func runBackend(spec string) error {
	parts := strings.SplitN(spec, ",", 3)
	if len(parts) != 3 {
		return fmt.Errorf("%s is malformed", backendEnv)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	s, err := awslocal.Start(ctx, awslocal.Options{Dir: parts[2], S3Addr: "127.0.0.1:" + parts[0], SQSAddr: "127.0.0.1:" + parts[1], NoSync: true})
	if err != nil {
		return err
	}
	if err := s.EnsureBucket(ctx, Bucket); err != nil {
		return err
	}
	if _, err := s.EnsureQueue(ctx, Queue, awslocal.QueueOptions{Visibility: 30 * time.Second, DeadLetter: Queue + "-dead", MaxReceives: 50}); err != nil {
		return err
	}
	fmt.Println("backend ready")
	<-ctx.Done()
	end, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return s.Close(end)
}
