package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"claimcheck.example/internal/app"
	"claimcheck.example/internal/awslocal"
	"claimcheck.example/internal/config"
	"claimcheck.example/internal/oidclocal"
)

// localCmd runs everything on loopback, in one process.
type localCmd struct {
	Port      int    `default:"8080" env:"PORT" help:"Port of the API (default PORT of the environment, else 8080)."`
	S3Port    int    `name:"s3-port" default:"9000" help:"Port of the local S3 (default ${default})."`
	SQSPort   int    `name:"sqs-port" default:"9324" help:"Port of the local SQS (default ${default})."`
	Data      string `default:".claimcheck" help:"Folder of the data; it stays when the command ends (default ${default})."`
	Login     bool   `help:"Ask for tokens, and run an OpenID Connect provider for trials, with two users and an administrator."`
	LoginPort int    `default:"9400" help:"Port of that provider (default ${default})."`
	Worker    bool   `default:"true" negatable:"" help:"Also run a worker; --no-worker leaves the jobs to one of your own."`
	// Database is not taken from the environment: the jobs of the shell's database are not those of a trial.
	Database config.Location `placeholder:"URL" help:"Keep documents and messages in this PostgreSQL database, such as postgres:///claimcheck, and images in a folder, without S3 and SQS."`
}

// Names of the local bucket and queue.
const (
	localBucket = "claimcheck"
	localQueue  = "claimcheck"
)

// Run starts S3, SQS, the API and a worker, says how to use them, and stops them in the
// opposite order when ctx ends.
func (l localCmd) Run(ctx context.Context, s streams) (err error) {
	start := time.Now()
	for name, port := range map[string]int{"port": l.Port, "s3-port": l.S3Port, "sqs-port": l.SQSPort, "login-port": l.LoginPort} {
		if port < 1 || port > 65535 {
			return wrongLine("--%s: %d is not a port (1 to 65535)", name, port)
		}
	}
	if l.Login {
		if err := noOtherIssuer(); err != nil {
			return err
		}
	}
	listener, err := listen(ctx, l.Port)
	if err != nil {
		return err
	}
	defer listener.Close()
	data, err := filepath.Abs(l.Data)
	if err != nil {
		return err
	}
	if err := findEngine(); err != nil { // before the local S3 changes the working directory
		return err
	}
	if l.Database != "" {
		return l.onDatabase(ctx, s, listener, data)
	}
	secret, err := awslocal.SecretKey(data)
	if err != nil {
		return fmt.Errorf("%w (--data chooses another folder)", err)
	}
	aws, err := awslocal.Start(ctx, awslocal.Options{
		Dir: data, S3Addr: loopback(l.S3Port), SQSAddr: loopback(l.SQSPort), SecretKey: secret, Origins: l.uploaders(os.Getenv("CORS_ORIGINS")),
	})
	if err != nil {
		return fmt.Errorf("%w (--data, --s3-port and --sqs-port choose)", err)
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err = errors.Join(err, aws.Close(stop))
	}()
	var foreign []string // what would come between the caller's shell and these servers
	for _, k := range []string{"AWS_PROFILE", "AWS_SESSION_TOKEN"} {
		if os.Getenv(k) != "" {
			foreign = append(foreign, k)
		}
	}
	env, err := l.prepare(ctx, aws)
	if err != nil {
		return err
	}
	welcomed := false
	err = l.serve(ctx, listener, data, func(ctx context.Context, p *app.Process) {
		expire(ctx, aws, p.Config.JobTTLDays, p.Telemetry.Log)
	}, func(c *config.Config, people []signedIn) {
		var b strings.Builder
		l.welcome(&b, c, people, time.Since(start))
		welcomeAWS(&b, c, env, foreign, data)
		fmt.Fprint(s.out, b.String())
		welcomed = true
	})
	if welcomed {
		fmt.Fprintln(s.out, "\nStopped. Everything is kept in", data)
	}
	return err
}

// listen opens the API's port. When another local Claimcheck has it, the error says so and
// names the folder of that one's data.
func listen(ctx context.Context, port int) (net.Listener, error) {
	addr := loopback(port)
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		if folder, ok := neighbourData(ctx, addr); ok {
			return nil, fmt.Errorf("another claimcheck local has port %d: it answers at http://localhost:%d and keeps its data in %s; use that one, or choose another port with --port or PORT", port, port, folder)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the API cannot listen on port %d; choose another with --port or PORT: %w", port, err)
	}
	return l, nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// origins are those of the page.
func (l localCmd) origins() []string {
	port := strconv.Itoa(l.Port)
	list := []string{"http://localhost:" + port, "http://127.0.0.1:" + port}
	if u, err := url.Parse(os.Getenv("PUBLIC_URL")); err == nil && u.Host != "" {
		list = append(list, u.Scheme+"://"+u.Host)
	}
	return list
}

// uploaders are the origins whose pages upload large images to S3 themselves: that of the
// page, and those of CORS_ORIGINS.
func (l localCmd) uploaders(cors string) []string {
	list := l.origins()
	for origin := range strings.SplitSeq(cors, ",") {
		if origin = strings.TrimSpace(origin); origin != "" {
			list = append(list, origin)
		}
	}
	return list
}

// prepare makes bucket and queue, which server and worker never do, and puts what
// server and worker want to know into the environment, in the place of whatever it says
// of the developer's own account. It returns that.
func (l localCmd) prepare(ctx context.Context, aws *awslocal.Servers) ([]string, error) {
	if err := aws.EnsureBucket(ctx, localBucket); err != nil {
		return nil, err
	}
	if err := aws.AllowUploads(ctx, localBucket, l.uploaders(os.Getenv("CORS_ORIGINS"))...); err != nil {
		return nil, err
	}
	queue, err := aws.EnsureQueue(ctx, localQueue, awslocal.QueueOptions{
		Visibility: 30 * time.Second, DeadLetter: localQueue + "-dead", MaxReceives: 20,
	})
	if err != nil {
		return nil, err
	}
	env := aws.Env(localBucket, queue)
	if err := forgetStorage(); err != nil {
		return nil, err
	}
	for _, kv := range os.Environ() {
		if k, _, _ := strings.Cut(kv, "="); strings.HasPrefix(k, "AWS_") {
			if err := os.Unsetenv(k); err != nil {
				return nil, err
			}
		}
	}
	alone := []string{"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull}
	for _, kv := range append(alone, env...) {
		k, v, _ := strings.Cut(kv, "=")
		if err := os.Setenv(k, v); err != nil {
			return nil, err
		}
	}
	return env, nil
}

// serve runs API, worker and what expires jobs, until ctx ends or one of them fails.
func (l localCmd) serve(ctx context.Context, listener net.Listener, data string, expire func(context.Context, *app.Process), ready func(*config.Config, []signedIn)) error {
	// The caller's own settings count, over what suits a machine on which a worker that
	// was killed is soon started again.
	linkKey, err := awslocal.Secret(data, "link-key")
	if err != nil {
		return fmt.Errorf("%w (--data chooses another folder)", err)
	}
	webhookSecret, err := awslocal.Secret(data, "webhook-key")
	if err != nil {
		return fmt.Errorf("%w (--data chooses another folder)", err)
	}
	seed := sha256.Sum256([]byte(webhookSecret))
	environ := []string{
		"LEASE=15s", "LOG_LEVEL=warn", "SHUTDOWN_GRACE=5s", "LINK_KEY=" + linkKey,
		"WEBHOOK_KEY=whsk_" + base64.StdEncoding.EncodeToString(seed[:]), "OUTBOUND_ALLOW=" + localAllow,
	}
	var login *oidclocal.Provider
	var people []signedIn
	switch {
	case l.Login:
		if login, people, err = l.startLogin(ctx); err != nil {
			return err
		}
		defer login.Close()
	case os.Getenv("OIDC_ISSUER") == "" && os.Getenv("OIDC_AUDIENCE") == "":
		environ = append(environ, "ALLOW_ANONYMOUS=true")
	}
	environ = append(environ, os.Environ()...)
	if l.Login {
		environ = withLogin(environ, login)
	}
	c, err := config.Load(config.Server, environ)
	if err != nil {
		return err
	}
	p, err := app.Open(ctx, c, app.RoleLocal)
	if err != nil {
		return err
	}
	defer p.Close()
	api, err := p.API()
	if err != nil {
		return err
	}
	defer api.Close()
	api.Handler = withData(data, api.Handler)
	parts := []app.Role{app.RoleServer}
	var worker *app.Workers
	if l.Worker {
		if worker, err = p.Worker(); err != nil {
			return err
		}
		parts = append(parts, app.RoleWorker)
	}
	stop, err := p.ServeMetrics(ctx, parts...)
	if err != nil {
		return err
	}
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	if l.Login {
		group.Go(func() error { return login.Serve(ctx) })
	}
	group.Go(func() error { return app.ServeAPI(ctx, listener, api, c) })
	if worker != nil {
		group.Go(func() error { return worker.Serve(ctx) })
	}
	group.Go(func() error {
		expire(ctx, p)
		return nil
	})
	ready(c, people)
	return group.Wait()
}

// localAllow lets webhooks reach receivers on this machine. It is written as
// config.Destinations writes it.
const localAllow = "localhost,127.0.0.0/8,::1/128"

// expiring are the prefixes whose objects go by JOB_TTL_DAYS. Usage records stay.
var expiring = []string{"jobs/", "input/", "output/", "lists/", "deliveries/"}

// expire deletes, now and once an hour, what a bucket's lifecycle rules delete in the cloud.
func expire(ctx context.Context, aws *awslocal.Servers, days int, log *slog.Logger) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		if err := aws.Expire(ctx, localBucket, expiring, time.Now().AddDate(0, 0, -days)); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "cannot delete old jobs", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// findEngine adds the folder to PATH into which make imaging puts the vips engine.
func findEngine() error {
	bin, err := filepath.Abs("bin")
	if err != nil {
		return err
	}
	if info, err := os.Stat(filepath.Join(bin, "imaging")); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	return os.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// welcome is the first screen of a new user.
func (l localCmd) welcome(b *strings.Builder, c *config.Config, people []signedIn, took time.Duration) {
	base := "http://localhost:" + strconv.Itoa(l.Port)
	fmt.Fprintf(b, "Claimcheck answers at %s (ready in %.1f s). Ctrl-C stops it.\n\n", base, took.Seconds())
	welcomePeople(b, people)
	fmt.Fprintf(b, "Open it in a browser and drop an image, or submit one from here; the answer has the job URL:\n\n")
	curl := "    curl"
	if !c.AllowAnonymous {
		curl += fmt.Sprintf(" -H \"%s: Bearer $TOKEN\"", c.AuthHeader)
	}
	fmt.Fprintf(b, "%s -i -F \"image=@picture.jpg\" %s/jobs\n", curl, base)
	fmt.Fprintf(b, "%s -i %s/jobs/{job_id}\n", curl, base)
	fmt.Fprintf(b, "%s -o out.jpg %s/jobs/{job_id}/output\n\n", curl, base)
	if c.OutboundAllow.String() == localAllow {
		fmt.Fprintf(b, "Webhooks may call this machine (OUTBOUND_ALLOW=%s): claimcheck listen receives them.\n\n", localAllow)
	}
	if !c.AllowAnonymous && !l.Login {
		fmt.Fprintf(b, "TOKEN is a token of %s for %s.\n\n", strings.Join(c.Issuers, " or "), strings.Join(c.Audiences, " or "))
	}
	if !l.Worker {
		fmt.Fprintf(b, "No worker runs here: jobs stay pending until your own worker takes them.\n\n")
	}
}

// welcomeAWS says how to use the local S3 and SQS.
func welcomeAWS(b *strings.Builder, c *config.Config, env, foreign []string, data string) {
	fmt.Fprintf(b, "Other programs, such as your own worker, use the local S3 and SQS with:\n\n")
	if len(foreign) > 0 {
		fmt.Fprintf(b, "    unset %s\n", strings.Join(foreign, " "))
	}
	for _, kv := range env {
		fmt.Fprintf(b, "    export %s\n", kv)
	}
	fmt.Fprintf(b, "\nThe AWS CLI before 2.13 also needs --endpoint-url.\n")
	fmt.Fprintf(b, "\nJobs and their results are deleted after %d days (JOB_TTL_DAYS).\n", c.JobTTLDays)
	fmt.Fprintf(b, "\nData is kept in %s\n", data)
}
