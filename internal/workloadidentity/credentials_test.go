package workloadidentity_test

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"claimcheck.example/internal/workloadidentity"
	"claimcheck.example/internal/workloadidentity/identitytest"
)

const role = "arn:aws:iam::123456789012:role/claimcheck-server"

// bench is a cloud, credentials from it, and their log.
type bench struct {
	*identitytest.Cloud
	credentials aws.CredentialsProvider
	log         *bytes.Buffer
}

// newBench makes credentials; from another metadata server if one is given, and with a
// timeout for a busy machine if timeout is 0.
func newBench(t *testing.T, does identitytest.Behaviour, metadata string, timeout time.Duration) *bench {
	t.Helper()
	does.Role, does.Audience, does.Session = role, "audience", "session"
	b := &bench{Cloud: identitytest.Start(t, does), log: &bytes.Buffer{}}
	b.credentials = workloadidentity.New(workloadidentity.Options{
		RoleARN: role, Audience: "audience", Session: "session", MetadataHost: cmp.Or(metadata, b.MetadataHost), Timeout: cmp.Or(timeout, time.Minute),
		Logger: slog.New(slog.NewTextHandler(b.log, nil)),
		Config: aws.Config{Region: "eu-central-1", BaseEndpoint: &b.STSURL, Retryer: func() aws.Retryer { return aws.NopRetryer{} }},
	})
	return b
}

// key returns the access key of the present credentials.
func (b *bench) key(t *testing.T) string {
	t.Helper()
	got, err := b.credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return got.AccessKeyID
}

// TestExchangedOnceAndKept asks a hundred times at once.
func TestExchangedOnceAndKept(t *testing.T) {
	t.Parallel()
	b := newBench(t, identitytest.Behaviour{}, "", 0)
	if tokens, _ := b.Counts(); tokens != 0 {
		t.Error("a token is fetched before anybody needs one")
	}
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			got, err := b.credentials.Retrieve(t.Context())
			if err != nil || got.AccessKeyID != "key-1" || got.SecretAccessKey != "secret" || got.SessionToken != "session-1" {
				t.Errorf("%v, %v", got.AccessKeyID, err)
			}
		})
	}
	all.Wait()
	if tokens, credentials := b.Counts(); tokens != 1 || credentials != 1 {
		t.Errorf("%d tokens, %d exchanges", tokens, credentials)
	}
}

// TestRenewedBeforeTheEnd has credentials that end within the window.
func TestRenewedBeforeTheEnd(t *testing.T) {
	t.Parallel()
	b := newBench(t, identitytest.Behaviour{Lifetime: 4 * time.Minute}, "", 0)
	for n := 1; n <= 3; n++ {
		if got, want := b.key(t), fmt.Sprint("key-", n); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	b.Change(func(does *identitytest.Behaviour) { does.Lifetime = time.Hour })
	for range 3 {
		if got := b.key(t); got != "key-4" {
			t.Errorf("%s, want key-4", got)
		}
	}
}

// TestOutage has each of the two services fail, in each way, while credentials are valid:
// they stay in use, a renewal is tried again only after a while, and the log warns the
// operator.
func TestOutage(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		does func(*identitytest.Behaviour)
		want string // in the log
	}{
		"no token":    {func(b *identitytest.Behaviour) { b.NoToken = true }, "503"},
		"STS fails":   {func(b *identitytest.Behaviour) { b.Refusal = "InternalFailure" }, "InternalFailure"},
		"STS refuses": {func(b *identitytest.Behaviour) { b.Refusal = "AccessDenied" }, "trust policy"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, identitytest.Behaviour{Lifetime: 4 * time.Minute}, "", 0)
			b.key(t)
			b.Change(tt.does)
			for range 3 {
				if got := b.key(t); got != "key-1" {
					t.Errorf("%s, want key-1", got)
				}
			}
			if lines := strings.Count(b.log.String(), "\n"); lines != 1 || !strings.Contains(b.log.String(), tt.want) || strings.Contains(b.log.String(), identitytest.Secret) {
				t.Errorf("log: %s", b.log)
			}
		})
	}
}

// TestQuiet is TestOutage with an STS that never answers.
func TestQuiet(t *testing.T) {
	t.Parallel()
	b := newBench(t, identitytest.Behaviour{Lifetime: 4 * time.Minute}, "", 500*time.Millisecond)
	for begin := time.Now(); ; { // a busy machine may need several tries
		if _, err := b.credentials.Retrieve(t.Context()); err == nil {
			break
		} else if time.Since(begin) > time.Minute {
			t.Fatal(err)
		}
	}
	b.Change(func(does *identitytest.Behaviour) { does.Silent = true })
	for range 3 {
		if got := b.key(t); got != "key-1" {
			t.Errorf("%s, want key-1", got)
		}
	}
	if lines := strings.Count(b.log.String(), "\n"); lines != 1 || !strings.Contains(b.log.String(), "does not answer") || strings.Contains(b.log.String(), identitytest.Secret) {
		t.Errorf("log: %s", b.log)
	}
}

// TestUsedToTheEnd has credentials of a second that cannot be renewed.
func TestUsedToTheEnd(t *testing.T) {
	t.Parallel()
	b := newBench(t, identitytest.Behaviour{Lifetime: time.Second}, "", 0)
	first, err := b.credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.Change(func(does *identitytest.Behaviour) { does.Refusal = "InternalFailure" })
	for range time.Tick(50 * time.Millisecond) {
		begun := time.Since(first.Expires)
		_, err := b.credentials.Retrieve(t.Context())
		ended := time.Since(first.Expires)
		switch {
		case err != nil && ended < 0:
			t.Fatalf("given up %s before the end: %v", -ended, err)
		case err != nil:
			if !strings.Contains(err.Error(), "InternalFailure") {
				t.Errorf("the error does not say why: %v", err)
			}
			return
		case begun > 5*time.Second:
			t.Fatal("used on beyond the end")
		}
	}
}

// TestTheRealEnd checks that credentials report when they end, not when they are renewed,
// and that only those are kept that last longer than the window.
func TestTheRealEnd(t *testing.T) {
	t.Parallel()
	for lifetime, kept := range map[time.Duration]bool{29 * time.Minute: false, 31 * time.Minute: true} {
		begin := time.Now()
		b := newBench(t, identitytest.Behaviour{Lifetime: lifetime}, "", 0)
		first, err := b.credentials.Retrieve(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if first.Expires.Before(begin.Add(lifetime)) || first.Expires.After(time.Now().Add(lifetime)) {
			t.Errorf("of %s: they end at %s, want in that time", lifetime, first.Expires)
		}
		if again := b.key(t); (again == first.AccessKeyID) != kept {
			t.Errorf("of %s: %s after %s, want it kept: %v", lifetime, again, first.AccessKeyID, kept)
		}
	}
}

// TestRefusals checks that each error says what to do and contains no token.
func TestRefusals(t *testing.T) {
	t.Parallel()
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }))
	t.Cleanup(stranger.Close)
	missing := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(missing.Close)
	tests := map[string]struct {
		metadata string // instead of the cloud's
		does     identitytest.Behaviour
		want     string
	}{
		"role denied":        {does: identitytest.Behaviour{Refusal: "AccessDenied"}, want: role + " (AWS_ROLE_ARN) to this service account; its trust policy must allow"},
		"token not taken":    {does: identitytest.Behaviour{Refusal: "IDPRejectedClaim"}, want: "AWS_WEB_IDENTITY_AUDIENCE (audience)"},
		"no Google Cloud":    {metadata: "127.0.0.1:1", want: "is this Google Cloud?"},
		"a stranger":         {metadata: stranger.URL, want: "is not Google's"},
		"no service account": {metadata: missing.URL, want: "service account"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, tt.does, strings.TrimPrefix(tt.metadata, "http://"), 0)
			_, err := b.credentials.Retrieve(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("%v; want %q in it", err, tt.want)
			}
			if strings.Contains(err.Error(), identitytest.Secret) {
				t.Errorf("the error contains the token: %v", err)
			}
		})
	}
}
