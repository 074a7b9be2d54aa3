package e2e_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/proof"
	"claimcheck.example/internal/test/service"
)

// TestReadySaysWhatIsWrong starts the server with each mistake that only its backends can
// detect. /ready and the log name it.
func TestReadySaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	for name, tt := range map[string]struct{ mistake, want string }{
		"no such bucket":  {"S3_BUCKET=does-not-exist-1", `bucket "does-not-exist-1" does not exist; create it or correct S3_BUCKET`},
		"no such queue":   {"SQS_QUEUE_URL=" + env.QueueURL + "-not", "-not does not exist; create it or correct SQS_QUEUE_URL"},
		"wrong secret":    {"AWS_SECRET_ACCESS_KEY=wrong", "the AWS credentials are wrong or expired"},
		"wrong region":    {"AWS_REGION=eu-west-3", "AWS_REGION is not the region of the bucket"},
		"no credentials":  {"AWS_ACCESS_KEY_ID=", "there are no AWS credentials; set AWS_ACCESS_KEY_ID"},
		"no server there": {"AWS_ENDPOINT_URL_S3=http://127.0.0.1:1", "storage does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := service.Launch(t, env, "server", tt.mistake, "HOME="+t.TempDir())
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			if err := d.Await(ctx, d.URL+"/health"); err != nil {
				t.Fatal(err)
			}
			a := apptest.Get(t, d.URL+"/ready")
			if detail, _ := a.JSON(t)["detail"].(string); a.StatusCode != http.StatusServiceUnavailable || !strings.Contains(detail, tt.want) {
				t.Errorf("/ready answers %s: %s; want %q", a.Status, a.Bytes, tt.want)
			}
			if err := d.Stop(2 * time.Minute); err != nil {
				t.Error(err)
			}
			log := ""
			for line := range strings.Lines(d.Output()) { // each is JSON, also the SDK's own
				var l struct{ Error string }
				if err := json.Unmarshal([]byte(line), &l); err != nil {
					t.Errorf("%v in the log: %s", err, line)
				}
				log += l.Error
			}
			if !strings.Contains(log, tt.want) {
				t.Errorf("log says %s; want %q", d.Output(), tt.want)
			}
		})
	}
}

// TestWorkerSaysWhatIsWrong gives a worker a bucket that does not exist, and no job.
func TestWorkerSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	d := service.Launch(t, env, "worker", "S3_BUCKET=does-not-exist-1")
	for begin := time.Now(); !strings.Contains(d.Output(), "create it or correct S3_BUCKET"); {
		if time.Since(begin) > 2*time.Minute {
			t.Fatalf("log says %s", d.Output())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestUnprovedStoreStopsTheStart removes the proof from the bucket: neither server nor
// worker starts, and both say what to run.
func TestUnprovedStoreStopsTheStart(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	if _, err := env.S3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &env.Bucket, Key: aws.String(proof.Key)}); err != nil {
		t.Fatal(err)
	}
	const want = "must not hold documents: it is not proved; run claimcheck provision with the same S3_BUCKET and AWS_ENDPOINT_URL"
	for _, name := range []string{"server", "worker"} {
		d := service.Launch(t, env, name)
		if err := d.Wait(); err == nil || !strings.Contains(d.Output(), want) {
			t.Errorf("%s ends with %v, log says %s", name, err, d.Output())
		}
	}
}

// TestFunctionSaysWhatIsWrong starts the function on Google Cloud without authentication.
func TestFunctionSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	d := service.Launch(t, env, "function", "ALLOW_ANONYMOUS=", "K_SERVICE=claimcheck")
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		resp, err := http.Get(d.URL + "/health")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode != http.StatusInternalServerError {
				t.Errorf("a misconfigured function answers %s", resp.Status)
			}
			break
		}
		if time.Since(begin) > 2*time.Minute {
			t.Fatal(err)
		}
	}
	d.Kill()
	for line := range strings.Lines(d.Output()) {
		var l struct{ Severity, Message, Error string }
		if json.Unmarshal([]byte(line), &l) == nil && l.Severity == "ERROR" && strings.Contains(l.Error, "OIDC_ISSUER and OIDC_AUDIENCE are missing") {
			return
		}
	}
	t.Errorf("log says %s", d.Output())
}
