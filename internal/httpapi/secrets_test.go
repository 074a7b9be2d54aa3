package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"claimcheck.example/internal/app"
	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/config"
	"claimcheck.example/internal/httpapi"
	"claimcheck.example/internal/httpapi/apitest"
	"claimcheck.example/internal/job"
)

// journal is a log that can be read while it is written.
type journal struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// endpoints tells the SDK where each service is.
type endpoints map[string]string

func (e endpoints) GetServiceBaseEndpoint(_ context.Context, service string) (string, bool, error) {
	url, ok := e[service]
	return url, ok, nil
}

// TestNothingSecretIsLogged sends secrets by every way in, to a service that works, one
// that refuses and one whose backends are down, at the chattiest level. None of them is
// in the log.
func TestNothingSecretIsLogged(t *testing.T) {
	t.Parallel()
	var log journal
	env := awstest.Start(t)
	begin := func(s3URL, sqsURL string, vars ...string) string {
		c, err := config.Load(config.Server, append(vars, "S3_BUCKET="+env.Bucket, "SQS_QUEUE_URL="+env.QueueURL))
		if err != nil {
			t.Fatal(err)
		}
		cfg := env.Servers.Config()
		cfg.ConfigSources = []any{endpoints{"S3": s3URL, "SQS": sqsURL}}
		tel := app.Quiet(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug - 4})))
		p, err := app.New(t.Context(), c, cfg, tel)
		if err != nil {
			t.Fatal(err)
		}
		api, err := p.API()
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(apitest.Handler(t, api.Handler))
		t.Cleanup(func() { server.Close(); api.Close() })
		if s3URL == env.S3URL {
			w, err := p.Worker()
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- w.Serve(ctx) }()
			t.Cleanup(func() { stop(); <-done })
		}
		return server.URL
	}
	const nowhere = "http://127.0.0.1:1"
	servers := map[string]string{
		"working":  begin(env.S3URL, env.SQSURL, "ALLOW_ANONYMOUS=true", "MAX_INLINE_BYTES=1KiB", linkKey),
		"refusing": begin(nowhere, nowhere, "OIDC_ISSUER="+nowhere, "OIDC_AUDIENCE=x"),
		"down":     begin(nowhere, nowhere, "ALLOW_ANONYMOUS=true"),
	}
	secret := func(name string) string { return "sesame-" + name }
	// A token that is well-formed, so that it is looked into.
	token := "Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ.eyJpc3MiOiJodHRwOi8vMTI3LjAuMC4xOjEifQ." + secret("signature")
	header := []string{"Authorization", token, "Cookie", secret("cookie"), "X-Forwarded-Authorization", secret("forwarded"), "User-Agent", secret("agent")}
	query := "?access_token=" + secret("query") + "&params=" + url.QueryEscape(`{"width":"`+secret("param")+`"}`)
	img := string(small(t))
	offers, links := make(chan offer, 10), make(chan string, 10)
	var all sync.WaitGroup // all at once: backends that are down are waited for
	for name, base := range servers {
		send := func(method, path, body string, more ...string) apptest.Answer {
			return apptest.Do(t, method, base+path, strings.NewReader(body), append(more, header...)...)
		}
		for _, r := range [][]string{
			{http.MethodPost, "/jobs" + query, img, "Content-Type", "image/png"},
			{http.MethodPost, "/jobs?access_token=" + secret("query"), secret("body"), "Content-Type", "image/png"},
			{http.MethodPost, "/jobs", `{"size_bytes":"` + secret("body") + `"}`, "Content-Type", "application/json"},
			{http.MethodGet, "/jobs/x" + query, ""},
			{http.MethodGet, "/nothing/" + secret("path") + query, ""},
			{http.MethodGet, "/usage?from=" + secret("query"), ""},
			{http.MethodGet, "/ready" + query, ""},
		} {
			all.Go(func() { send(r[0], r[1], r[2], r[3:]...) })
		}
		for i, r := range [][]string{
			{img, "Content-Type", "image/png", "Prefer", "wait=20"},
			{img + strings.Repeat("x", 2000), "Content-Type", "image/png"},
			{fmt.Sprintf(`{"content_type":"image/png","size_bytes":%d}`, len(img)), "Content-Type", "application/json"},
		} {
			all.Go(func() {
				a := send(http.MethodPost, "/jobs?access_token="+secret("query"), r[0], append(r[1:], "Idempotency-Key", fmt.Sprint(secret("key"), i))...)
				if name == "working" && a.JSON(t)["upload"] != nil {
					offers <- offerOf(t, a)
				}
				if l := strings.TrimSuffix(a.Header.Get("Location"), "/output"); l != "" && name == "working" {
					l = strings.TrimPrefix(l, base)
					send(http.MethodGet, l+query, "")
					send(http.MethodGet, l+"/output"+query, "")
					send(http.MethodPost, l+"/commit"+query, "")
					link, _ := send(http.MethodPost, l+"/links", "").JSON(t)["url"].(string)
					links <- link[strings.LastIndexByte(link, '/')+1:]
					send(http.MethodGet, strings.TrimPrefix(link, base)+query, "")
					send(http.MethodGet, strings.TrimPrefix(link, base)+"x", "")
					send(http.MethodDelete, l+query, "")
				}
			})
		}
	}
	all.Wait()
	close(offers)
	close(links)
	text := log.String()
	if len(offers) == 0 || strings.Count(text, "msg=request") < 30 {
		t.Fatalf("%d offers, %d lines", len(offers), strings.Count(text, "\n"))
	}
	for o := range offers {
		u, err := url.Parse(o.url)
		if err != nil {
			t.Fatal(err)
		}
		if sig := u.Query().Get("X-Amz-Signature"); sig == "" || strings.Contains(text, sig) {
			t.Errorf("the signature %q is in the log", sig)
		}
	}
	for token := range links {
		if len(token) < 90 || strings.Contains(text, token[:90]) {
			t.Errorf("the link's token %q is in the log", token)
		}
	}
	for line := range strings.Lines(text) {
		for _, s := range []string{"sesame", "Bearer", "X-Amz-", "access_token", "eyJhbGci", "eyJpc3Mi", "local" + "secret"} {
			if strings.Contains(line, s) {
				t.Errorf("%s is in the log: %s", s, line)
			}
		}
	}
}

// TestRequestRecordNamesOwnerAndJob checks that the one record of an ordinary read says whose
// read it was, of which job, and how it ended.
func TestRequestRecordNamesOwnerAndJob(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	h := handler(t, func(o *httpapi.Options) { o.Logger = slog.New(slog.NewJSONHandler(&log, nil)) })
	id := job.NewID().String()
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/jobs/"+id, nil))
	var got map[string]any
	if err := json.Unmarshal(log.Bytes(), &got); err != nil {
		t.Fatalf("not one record: %v in %s", err, &log)
	}
	for key, want := range map[string]any{"msg": "request", "owner": job.Anonymous.Owner(), "job_id": id, "status": 404.0, "method": "GET"} {
		if got[key] != want {
			t.Errorf("%s is %v, want %v", key, got[key], want)
		}
	}
}
