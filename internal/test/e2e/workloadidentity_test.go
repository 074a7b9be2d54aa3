package e2e_test

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/test/service"
	"claimcheck.example/internal/workloadidentity/identitytest"
)

// onGoogle returns a cloud that issues the credentials of env's bucket and queue, and the
// variables of a process there, which has no key.
func onGoogle(t *testing.T, env *awstest.Env) (cloud *identitytest.Cloud, vars []string) {
	t.Helper()
	const role, audience = "arn:aws:iam::123456789012:role/claimcheck", "sts.claimcheck.example"
	cloud = identitytest.Start(t, identitytest.Behaviour{
		Role: role, Audience: audience, Session: "claimcheck", AccessKey: env.AccessKey, SecretKey: env.SecretKey,
	})
	return cloud, []string{
		"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_ROLE_ARN=" + role, "AWS_WEB_IDENTITY_AUDIENCE=" + audience,
		"GCE_METADATA_HOST=" + cloud.MetadataHost, "AWS_ENDPOINT_URL_STS=" + cloud.STSURL,
	}
}

// TestJobWithoutKeys runs a job through server and worker without keys: each exchanges
// its identity once.
func TestJobWithoutKeys(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	cloud, vars := onGoogle(t, env)
	server := service.Open(t, env, "server", vars...)
	service.Open(t, env, "worker", vars...)
	ct, body := apptest.Form(t, apptest.Photograph(t))
	a := apptest.Do(t, http.MethodPost, server.URL+"/jobs", bytes.NewReader(body), "Content-Type", ct, "Prefer", "wait=30")
	if a.StatusCode != http.StatusCreated {
		t.Errorf("answer is %s: %s", a.Status, a.Bytes)
	}
	service.Open(t, env, "server", append(vars, "AWS_ACCESS_KEY_ID="+env.AccessKey, "AWS_SECRET_ACCESS_KEY="+env.SecretKey)...) // keys take precedence over the role
	if tokens, credentials := cloud.Counts(); tokens != 2 || credentials != 2 {
		t.Errorf("%d tokens were fetched and %d credentials, by two processes", tokens, credentials)
	}
}

// TestRoleDenied starts a server whose role does not trust it: /ready and the log say
// what to do, clients learn nothing of it, and the token appears nowhere.
func TestRoleDenied(t *testing.T) {
	t.Parallel()
	env := awstest.Start(t)
	cloud, vars := onGoogle(t, env)
	cloud.Change(func(does *identitytest.Behaviour) { does.Refusal = "AccessDenied" })
	server := service.Launch(t, env, "server", vars...)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := server.Await(ctx, server.URL+"/health"); err != nil {
		t.Fatal(err)
	}
	ready := apptest.Get(t, server.URL+"/ready")
	const role, advice = "arn:aws:iam::123456789012:role/claimcheck", "its trust policy must allow sts:AssumeRoleWithWebIdentity"
	if text := string(ready.Bytes); ready.StatusCode != http.StatusServiceUnavailable || !strings.Contains(text, role) || !strings.Contains(text, advice) || strings.Contains(text, "grant s3:") {
		t.Errorf("/ready is %s: %s", ready.Status, text)
	}
	for tick := time.NewTicker(time.Millisecond); !strings.Contains(server.Output(), advice); { // the log is on its way
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the log does not say it: %s", server.Output())
		}
	}
	ct, body := apptest.Form(t, apptest.Photograph(t))
	refused := apptest.Do(t, http.MethodPost, server.URL+"/jobs", bytes.NewReader(body), "Content-Type", ct)
	if refused.StatusCode != http.StatusInternalServerError || bytes.Contains(refused.Bytes, []byte("trust policy")) {
		t.Errorf("a submit is answered %s: %s", refused.Status, refused.Bytes)
	}
	if strings.Contains(server.Output(), identitytest.Secret) || bytes.Contains(ready.Bytes, []byte(identitytest.Secret)) {
		t.Error("the token appears")
	}
}
