package main

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/config"
	"claimcheck.example/internal/pgstore"
	"claimcheck.example/internal/pgstore/pgtest"
)

// TestProvision makes a bucket and queues by the command line. The local S3 has no
// lifecycle rules, encryption or public access blocks, which the command says.
func TestProvision(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	vars := env.Servers.Env(env.Bucket+"-new", env.QueueURL+"-new")
	exists := func() bool {
		name := env.Bucket + "-new"
		_, err := env.SQS.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &name})
		return err == nil
	}
	steps := []struct {
		args     []string
		want     int
		out, err string
		made     bool
	}{
		{[]string{"--dry-run"}, exitDiffers, "5 to create, 4 to change", "", false},
		{[]string{"--print"}, exitOK, "aws s3api create-bucket --region us-east-1", "", false},
		{[]string{"--print", "--dry-run"}, exitUsage, "", "can't be used together", false},
		{[]string{"--retention", "1s"}, exitError, "", "out of range", false},
		{nil, exitDiffers, "6 done, 3 not supported here\n\n    export S3_BUCKET=" + env.Bucket + "-new SQS_QUEUE_URL=" + env.QueueURL + "-new\n", "", true},
		{nil, exitDiffers, "nothing to change, 3 not supported here", "", true},
		{[]string{"--origin", "https://jobs.example.com/", "--dry-run"}, exitError, "", "is not an origin", true},
		{[]string{"--origin", "https://jobs.example.com"}, exitDiffers, "1 done, 3 not supported here", "", true},
		{[]string{"--origin", "https://jobs.example.com"}, exitDiffers, "nothing to change, 3 not supported here", "", true},
		{[]string{"--print"}, exitOK, "# nothing to change", "", true},
		{[]string{"--check"}, exitDiffers, "2 done, 3 not supported here", "", true},
		{[]string{"--check", "--dry-run"}, exitUsage, "", "can't be used together", true},
		{[]string{"--check", "--queue", "third", "--dlq", "third-dead"}, exitError, "", "not tried: what it is about could not be created", true},
		{[]string{"--queue", "other", "--dlq", env.QueueURL + "-new-dead", "--dry-run"}, exitDiffers, "to " + env.Bucket + "-new-dead after 100 receives", "", true},
	}
	for _, step := range steps {
		r := operate(t, vars, append([]string{"provision"}, step.args...)...)
		if r.code != step.want || !strings.Contains(r.out, step.out) || !strings.Contains(r.err, step.err) {
			t.Errorf("%v: exit code %d, errors %q, output\n%s", step.args, r.code, r.err, r.out)
		}
		if got := exists(); got != step.made {
			t.Errorf("%v: the queue exists: %v", step.args, got)
		}
	}
}

// TestProvisionHasTheServersDefaults holds what provision sets up against what server
// and worker take for granted.
func TestProvisionHasTheServersDefaults(t *testing.T) {
	t.Parallel()
	c, err := config.Load(config.Worker, []string{"S3_BUCKET=b", "SQS_QUEUE_URL=https://sqs.example/q"})
	if err != nil {
		t.Fatal(err)
	}
	r := claimcheck(t.Context(), nil, "provision", "--help")
	for _, want := range []string{
		"--retention=" + strings.TrimSuffix(c.QueueRetention.String(), "0m0s"),
		"(default 7)", "(default 60s)",
	} {
		if !strings.Contains(r.out, want) {
			t.Errorf("--help says nothing of %s:\n%s", want, r.out)
		}
	}
	if c.JobTTLDays != 7 || c.Lease.Seconds() != 60 {
		t.Errorf("the server's defaults are %d days and %s", c.JobTTLDays, c.Lease)
	}
}

// TestProvisionBucketBesideDatabase makes the bucket of images beside documents and messages in
// a database: no queue, and no proof.
func TestProvisionBucketBesideDatabase(t *testing.T) {
	t.Parallel()
	env, database := awstest.Start(t), pgtest.Start(t)
	bucket := env.Bucket + "-images"
	vars := append(env.Servers.Env("", ""), "DATABASE_URL="+database, "OBJECTS=s3://"+bucket)
	for _, want := range []string{"2 to create", "nothing to change"} {
		r := operate(t, vars, "provision", "--dry-run")
		if r.code != exitDiffers || !strings.Contains(r.out, want) || !strings.Contains(r.out, "bucket "+bucket) || strings.Contains(r.out, "queue") || strings.Contains(r.out, "promises") {
			t.Errorf("exit code %d, errors %q, want %q in\n%s", r.code, r.err, want, r.out)
		}
		if want == "nothing to change" {
			break
		}
		if r := operate(t, vars, "provision"); r.code != exitDiffers || !strings.Contains(r.out, "✓ bucket") {
			t.Errorf("exit code %d, errors %q\n%s", r.code, r.err, r.out)
		}
	}
	if _, err := env.S3.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: &bucket}); err != nil {
		t.Error(err)
	}
	if v, err := pgstore.Version(t.Context(), database); err != nil || v != pgstore.SchemaVersion {
		t.Errorf("the schema has version %d, %v", v, err)
	}
}
