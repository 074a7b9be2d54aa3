package config_test

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"claimcheck.example/internal/config"
)

var good = []string{"S3_BUCKET=jobs", "SQS_QUEUE_URL=https://sqs.eu-central-1.amazonaws.com/1/jobs", "ALLOW_ANONYMOUS=true"}

func TestDefaultsAreTheDocumentedOnes(t *testing.T) {
	t.Parallel()
	c, err := config.Load(config.Server, good)
	if err != nil {
		t.Fatal(err)
	}
	if c.Port != 8080 || c.MaxImageBytes != 100<<20 || c.MaxImagePixels != 50_000_000 || c.MaxAttempts != 3 || c.JobTTLDays != 7 || c.QueueRetention != 96*time.Hour || c.Processor != "image" || c.DecodedPixels() != 50_000_000 {
		t.Errorf("defaults are %+v", c)
	}
}

func TestEveryMistakeIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := config.Load(config.Server, []string{
		"PORT=http", "MAX_IMAGE_BYTES=lots", "MAX_ATTEMPTS=0", "TRUSTED_PROXIES=-1", "PUBLIC_URL=jobs.example", "LOG_LEVEL=loud",
		"LOG_FORMAT=xml", "SQS_QUEUE_URL=jobs", "OIDC_ISSUER=https://id.example", "CORS_ORIGINS=app.example", "LINK_KEY=short", "WEBHOOK_KEY=" + strings.Repeat("k", 44),
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, name := range []string{"PORT", "MAX_IMAGE_BYTES", "MAX_ATTEMPTS", "TRUSTED_PROXIES", "PUBLIC_URL", "LOG_LEVEL", "LOG_FORMAT", "S3_BUCKET", "SQS_QUEUE_URL", "OIDC_AUDIENCE", "CORS_ORIGINS", "LINK_KEY", "WEBHOOK_KEY"} {
		if !strings.Contains(err.Error(), "- "+name) {
			t.Errorf("%s is not named in: %s", name, err)
		}
	}
}

func TestEachMistakeIsReportedOnceInPlainWords(t *testing.T) {
	t.Parallel()
	for vars, want := range map[string]string{
		"PORT=http":          `PORT: "http" is not a whole number`,
		"MAX_ATTEMPTS=1.5":   `MAX_ATTEMPTS: "1.5" is not a whole number`,
		"ALLOW_ANONYMOUS=no": `ALLOW_ANONYMOUS: "no" is neither true nor false`,
		"LEASE=60":           `LEASE: "60" is not a time such as 30s, 5m or 1h30m`,
		"LOG_LEVEL=loud":     `LOG_LEVEL: "loud" is not one of debug, info, warn, error`,
		"JOB_TTL_DAYS=3":     `JOB_TTL_DAYS: 3 days are less than QUEUE_RETENTION (96h0m0s): jobs that wait in the queue would be deleted`,
		"MAX_IMAGE_BYTES=x":  `MAX_IMAGE_BYTES: "x" is not a size such as 1048576, 512KiB or 100MiB`,
	} {
		_, err := config.Load(config.Worker, append(good, vars))
		if want := "the configuration has 1 mistake(s):\n  - " + want; err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", vars, err, want)
		}
	}
}

func TestServerDoesNotStartOpen(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		role config.Role
		env  []string
		ok   bool
	}{
		"server without any":                 {config.Server, nil, false},
		"server, explicitly anonymous":       {config.Server, []string{"ALLOW_ANONYMOUS=true"}, true},
		"server, anonymous turned off":       {config.Server, []string{"ALLOW_ANONYMOUS=false"}, false},
		"server with issuer and audience":    {config.Server, []string{"OIDC_ISSUER=https://id.example", "OIDC_AUDIENCE=jobs"}, true},
		"server with issuer alone":           {config.Server, []string{"OIDC_ISSUER=https://id.example"}, false},
		"server with audience alone":         {config.Server, []string{"OIDC_AUDIENCE=jobs"}, false},
		"server with another audience claim": {config.Server, []string{"OIDC_ISSUER=https://id.example", "OIDC_AUDIENCE=jobs", "AUDIENCE_CLAIM=sub"}, false},
		"server with issuer, yet anonymous":  {config.Server, []string{"OIDC_ISSUER=https://id.example", "OIDC_AUDIENCE=jobs", "ALLOW_ANONYMOUS=true"}, false},
		"a worker serves no callers":         {config.Worker, nil, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load(tt.role, append([]string{"S3_BUCKET=jobs", "SQS_QUEUE_URL=http://127.0.0.1:9324/0/jobs"}, tt.env...))
			if (err == nil) != tt.ok {
				t.Errorf("error is %v", err)
			}
		})
	}
}

func TestStartLineShowsSettingsWithoutKeys(t *testing.T) {
	t.Parallel()
	c, err := config.Load(config.Server, append([]string{"AWS_SECRET_ACCESS_KEY=hush", "MAX_IMAGE_BYTES=20MiB"}, good...))
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	slog.New(slog.NewTextHandler(&buf, nil)).Info("start", "config", c)
	if !strings.Contains(buf.String(), "MAX_IMAGE_BYTES=20971520") || strings.Contains(buf.String(), "hush") {
		t.Errorf("line is %s", buf.String())
	}
}

func TestBackends(t *testing.T) {
	t.Parallel()
	const sqs, pg, other = "https://sqs.eu-central-1.amazonaws.com/1/jobs", "postgres://u:hush@h/claimcheck?sslmode=require", "postgresql://h/other"
	tests := map[string]struct {
		env                       string
		documents, objects, queue config.Location
		mistakes                  []string
	}{
		"AWS":                     {env: "S3_BUCKET=b SQS_QUEUE_URL=" + sqs, documents: "s3://b", objects: "s3://b", queue: sqs},
		"database and folder":     {env: "DATABASE_URL=" + pg + " OBJECTS=file:///srv/c", documents: pg, objects: "file:///srv/c", queue: pg},
		"database and bucket":     {env: "DATABASE_URL=" + pg + " S3_BUCKET=b", documents: pg, objects: "s3://b", queue: pg},
		"database and SQS":        {env: "DOCUMENTS=" + pg + " S3_BUCKET=b SQS_QUEUE_URL=" + sqs, documents: pg, objects: "s3://b", queue: sqs},
		"each apart":              {env: "DOCUMENTS=" + pg + " OBJECTS=s3://o QUEUE=" + other, documents: pg, objects: "s3://o", queue: other},
		"QUEUE decides":           {env: "DATABASE_URL=" + pg + " S3_BUCKET=b SQS_QUEUE_URL=" + sqs + " QUEUE=" + other, documents: pg, objects: "s3://b", queue: other},
		"documents in the bucket": {env: "DATABASE_URL=" + pg + " DOCUMENTS=s3://b OBJECTS=s3://b", documents: "s3://b", objects: "s3://b", queue: pg},
		"nothing":                 {mistakes: []string{"S3_BUCKET", "SQS_QUEUE_URL"}},
		"two queues":              {env: "DATABASE_URL=" + pg + " S3_BUCKET=b SQS_QUEUE_URL=" + sqs, mistakes: []string{"QUEUE is missing"}},
		"no place for images":     {env: "DATABASE_URL=" + pg, mistakes: []string{"OBJECTS is missing"}},
		"no place for documents":  {env: "OBJECTS=file:///srv/c QUEUE=" + pg, mistakes: []string{"DOCUMENTS is missing"}},
		"all wrong": {env: "DATABASE_URL=mysql://u:hush@h/d DOCUMENTS=file:///d OBJECTS=file:// QUEUE=amqp://u:hush@h",
			mistakes: []string{"DATABASE_URL: mysql://u@h/d is", "DOCUMENTS: file:///d is", "OBJECTS: file: is", "QUEUE: amqp://u@h is"}},
		"a folder by a relative path": {env: "OBJECTS=file:srv DATABASE_URL=" + pg, mistakes: []string{"OBJECTS: file:srv is"}},
		"a bucket with a prefix":      {env: "OBJECTS=s3://b/p DATABASE_URL=" + pg, mistakes: []string{"OBJECTS: s3://b/p is"}},
		"a short key":                 {env: "OBJECTS=file:///srv DATABASE_URL=" + pg + " UPLOAD_KEY=hush", mistakes: []string{"UPLOAD_KEY: a key of 4 characters"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := config.Load(config.Worker, strings.Fields(tt.env))
			if len(tt.mistakes) == 0 {
				if err != nil || c.Documents() != tt.documents || c.Objects() != tt.objects || c.Queue() != tt.queue {
					t.Errorf("got %+v, %v", c, err)
				}
				return
			}
			if err == nil || strings.Count(err.Error(), "\n  - ") != len(tt.mistakes) || strings.Contains(err.Error(), "hush") {
				t.Fatalf("got %v, want %d mistakes and no password", err, len(tt.mistakes))
			}
			for _, m := range tt.mistakes {
				if !strings.Contains(err.Error(), "\n  - "+m) {
					t.Errorf("%q is not in: %v", m, err)
				}
			}
		})
	}
}

func TestStartLineShowsNoPassword(t *testing.T) {
	t.Parallel()
	const pg = "postgres://u:hush@h/claimcheck?password=hush"
	c, err := config.Load(config.Worker, []string{"DATABASE_URL=" + pg, "DOCUMENTS=" + pg, "QUEUE=" + pg, "OBJECTS=file:///srv", "UPLOAD_KEY=" + strings.Repeat("hush", 8)})
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	slog.New(slog.NewTextHandler(&buf, nil)).Info("start", "config", c)
	if line := buf.String(); strings.Contains(line, "hush") || !strings.Contains(line, "DATABASE_URL=postgres://u@h/claimcheck") {
		t.Errorf("line is %s", line)
	}
}

func TestOriginsAreSpelledAsBrowsersDo(t *testing.T) {
	t.Parallel()
	tests := map[string]string{ // empty: refused
		"*": "*", "https://app.example": "https://app.example", "HTTPS://App.Example:443": "https://app.example", "http://app.example:80": "http://app.example",
		"http://app.example:443": "http://app.example:443", "https://app.example:8443": "https://app.example:8443", "http://[::1]:3000": "http://[::1]:3000",
		"https://[0:0::1]:443": "https://[::1]", "capacitor://localhost": "capacitor://localhost", "https://xn--bcher-kva.example": "https://xn--bcher-kva.example",
		"https://bücher.example": "", "app.example": "", "null": "", "https://": "", "https://app.example/": "", "https://app.example/path": "",
		"https://app.example?": "", "https://app.example#": "", "https://u@app.example": "", "https://:443": "", "https://*.example/": "",
	}
	for said, want := range tests {
		c, err := config.Load(config.Server, append(good, "CORS_ORIGINS="+said))
		switch {
		case want == "" && (err == nil || !strings.Contains(err.Error(), "CORS_ORIGINS")):
			t.Errorf("%q: %v", said, err)
		case want != "" && (err != nil || !slices.Equal(c.CORSOrigins, []string{want})):
			t.Errorf("%q: %v, want %q", said, err, want)
		}
	}
	c, err := config.Load(config.Server, append(good, "CORS_ORIGINS=https://A.example:443, https://b.example"))
	if err != nil || !slices.Equal(c.CORSOrigins, []string{"https://a.example", "https://b.example"}) {
		t.Errorf("%v, %v", c, err)
	}
}

func TestBytes(t *testing.T) {
	t.Parallel()
	tests := map[string]int64{"0": 0, "17": 17, "1KiB": 1024, "100MiB": 100 << 20, "2 GiB": 2 << 30, "-1": -1, "1MB": -1, "": -1, "9999999999GiB": -1}
	for text, want := range tests {
		var b config.Bytes
		err := b.UnmarshalText([]byte(text))
		if want < 0 && err == nil || want >= 0 && (err != nil || int64(b) != want) {
			t.Errorf("%q: got %d, %v; want %d", text, b, err, want)
		}
	}
}

func TestRate(t *testing.T) {
	t.Parallel()
	tests := map[string]*config.Rate{
		"60/minute": {SubmitsPerMinute: 60}, "10GiB/day": {BytesPerDay: 10 << 30}, "5/minute, 1MiB/day": {SubmitsPerMinute: 5, BytesPerDay: 1 << 20},
		"60": nil, "0/minute": nil, "60/hour": nil, "x/day": nil, "": nil,
	}
	for text, want := range tests {
		var r config.Rate
		err := r.UnmarshalText([]byte(text))
		if (err == nil) != (want != nil) || want != nil && r != *want {
			t.Errorf("%q: got %+v, %v", text, r, err)
		}
	}
}
