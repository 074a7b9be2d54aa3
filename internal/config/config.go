// Package config turns environment variables into a Config. It reports all mistakes at once,
// in sentences for the operator; a wrong or missing value stops the start.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// Config has all settings of the environment, with the defaults of docs/configuration.md.
type Config struct {
	Port          int    `env:"PORT" envDefault:"8080"`
	MetricsPort   int    `env:"METRICS_PORT"`
	Bucket        string `env:"S3_BUCKET"`
	QueueURL      string `env:"SQS_QUEUE_URL"`
	MessageGroups bool   `env:"SQS_MESSAGE_GROUPS" envDefault:"true"`
	// DatabaseURL, DocumentsURL, ObjectsURL and QueueLocation: see Documents, Objects, Queue.
	DatabaseURL   Location   `env:"DATABASE_URL"`
	DocumentsURL  Location   `env:"DOCUMENTS"`
	ObjectsURL    Location   `env:"OBJECTS"`
	QueueLocation Location   `env:"QUEUE"`
	UploadKeys    []string   `env:"UPLOAD_KEY"` // never shown
	LinkKeys      []string   `env:"LINK_KEY"`   // never shown
	LogLevel      slog.Level `env:"LOG_LEVEL" envDefault:"info"`
	LogFormat     string     `env:"LOG_FORMAT" envDefault:"auto"`
	PublicURL     URL        `env:"PUBLIC_URL"`
	MaxImageBytes Bytes      `env:"MAX_IMAGE_BYTES" envDefault:"100MiB"`
	// MaxImagePixels counts all frames of an image together.
	MaxImagePixels int64         `env:"MAX_IMAGE_PIXELS" envDefault:"50000000"`
	MaxAttempts    int           `env:"MAX_ATTEMPTS" envDefault:"3"`
	JobTTLDays     int           `env:"JOB_TTL_DAYS" envDefault:"7"`
	ListJobs       bool          `env:"LIST_JOBS" envDefault:"true"`
	PricesFile     string        `env:"PRICES_FILE"`
	CORSOrigins    []string      `env:"CORS_ORIGINS"`
	QueueRetention time.Duration `env:"QUEUE_RETENTION" envDefault:"96h"`
	IdleTimeout    time.Duration `env:"IDLE_TIMEOUT" envDefault:"30s"`
	MaxUploads     int           `env:"MAX_UPLOADS" envDefault:"128"`
	MaxWaiters     int           `env:"MAX_WAITERS" envDefault:"256"`
	MaxOutputs     int           `env:"MAX_OUTPUTS" envDefault:"128"`
	MaxInlineBytes Bytes         `env:"MAX_INLINE_BYTES"` // zero: see InlineBytes
	UploadTTL      time.Duration `env:"UPLOAD_TTL" envDefault:"1h"`
	RateLimit      Rate          `env:"RATE_LIMIT"`
	// OutboundAllow are addresses that clients may name in addition to public servers.
	OutboundAllow Destinations `env:"OUTBOUND_ALLOW"`
	// LogDecisions is denied or all; either records writes and denials.
	LogDecisions string `env:"LOG_DECISIONS" envDefault:"denied"`
	LogExport    string `env:"LOG_EXPORT" envDefault:"stderr"`

	Issuers   []string `env:"OIDC_ISSUER"`
	Audiences []string `env:"OIDC_AUDIENCE"`
	// AudienceClaim is aud, or client_id for providers whose access tokens have no aud.
	AudienceClaim string `env:"AUDIENCE_CLAIM" envDefault:"aud"`
	// AuthorizedParties are the clients whose tokens are accepted; empty for all.
	AuthorizedParties []string `env:"OIDC_AUTHORIZED_PARTIES"`
	// ClientID is the public client by which the page signs in at the first issuer.
	ClientID       string `env:"OIDC_CLIENT_ID"`
	Scopes         string `env:"OIDC_SCOPES" envDefault:"openid"`
	AuthHeader     string `env:"AUTH_HEADER" envDefault:"Authorization"`
	GroupsClaim    string `env:"GROUPS_CLAIM" envDefault:"groups"`
	AllowAnonymous bool   `env:"ALLOW_ANONYMOUS"`
	PolicyFile     string `env:"POLICY_FILE"`
	TrustedProxies int    `env:"TRUSTED_PROXIES"` // zero: see Proxies
	AdminGroup     string `env:"ADMIN_GROUP"`

	Processor    string   `env:"PROCESSOR" envDefault:"image"`
	ProcessorEnv []string `env:"PROCESSOR_ENV"`
	// ProcessorSchema is the JSON Schema of a command's or a server's params, or its file.
	ProcessorSchema string `env:"PROCESSOR_SCHEMA"`
	// Imaging chooses the engine of the built-in processor: auto, vips or embedded.
	Imaging string `env:"IMAGING" envDefault:"auto"`
	// ProcessorMemory bounds the address space of each process of a command.
	ProcessorMemory Bytes         `env:"PROCESSOR_MEMORY" envDefault:"4GiB"`
	MaxOutputBytes  Bytes         `env:"MAX_OUTPUT_BYTES" envDefault:"256MiB"`
	Concurrency     int           `env:"CONCURRENCY" envDefault:"2"`
	WorkerPixels    int64         `env:"WORKER_PIXELS"` // zero: see DecodedPixels
	ProcessTimeout  time.Duration `env:"PROCESS_TIMEOUT" envDefault:"5m"`
	Lease           time.Duration `env:"LEASE" envDefault:"60s"`
	Grace           time.Duration `env:"SHUTDOWN_GRACE" envDefault:"8s"`
	ExitWhenIdle    time.Duration `env:"EXIT_WHEN_IDLE" envDefault:"0s"`

	// WebhookKeys are one or two keys; without them there are no webhooks. WebhookQueueURL:
	// see WebhookQueue.
	WebhookKeys        []string `env:"WEBHOOK_KEY"` // never shown
	WebhookQueueURL    Location `env:"WEBHOOK_QUEUE_URL"`
	WebhookConcurrency int      `env:"WEBHOOK_CONCURRENCY" envDefault:"32"`

	Cloud Cloud
}

// Cloud has the variables that the platforms set.
type Cloud struct {
	Service  string `env:"K_SERVICE"`                // Cloud Run and Cloud Functions
	Revision string `env:"K_REVISION"`               // Cloud Run and Cloud Functions
	Project  string `env:"GOOGLE_CLOUD_PROJECT"`     // set by the operator
	Location string `env:"GOOGLE_CLOUD_LOCATION"`    // set by the operator
	Function string `env:"AWS_LAMBDA_FUNCTION_NAME"` // Lambda
	// FunctionMiB is the memory of a Lambda function.
	FunctionMiB uint64 `env:"AWS_LAMBDA_FUNCTION_MEMORY_SIZE"`
	Pool        string `env:"CLOUD_RUN_WORKER_POOL"` // Cloud Run worker pools
}

// Google reports whether the process runs on Google Cloud.
func (c Cloud) Google() bool { return c.Service != "" || c.Pool != "" }

// Anywhere reports whether the process runs in a cloud, without a developer at a terminal.
func (c Cloud) Anywhere() bool { return c.Google() || c.Function != "" }

// Role is the task of a process; it decides which variables the process needs.
type Role int

const (
	Server Role = iota // answers clients
	Worker             // takes jobs from the queue
)

// maxObject is 10,000 parts of 5 MiB: the largest upload of unknown length.
const maxObject = 10_000 * 5 << 20

// Load reads a Config from environ, a list of "KEY=value" as os.Environ returns. The error
// names every mistake, one per line.
func Load(role Role, environ []string) (*Config, error) {
	vars := make(map[string]string, len(environ))
	for _, kv := range environ {
		if k, v, ok := strings.Cut(kv, "="); ok && strings.TrimSpace(v) != "" {
			vars[k] = strings.TrimSpace(v) // an empty value is as good as none
		}
	}
	var c Config
	mistakes := parseMistakes(env.ParseWithOptions(&c, env.Options{Environment: vars}), vars)
	unread := map[string]bool{} // their values are not those that were given
	for _, m := range mistakes {
		unread[named(m)] = true
	}
	mistakes = append(mistakes, slices.DeleteFunc(c.check(role), func(m string) bool { return unread[named(m)] })...)
	if len(mistakes) == 0 {
		return &c, nil
	}
	return nil, fmt.Errorf("the configuration has %d mistake(s):\n  - %s", len(mistakes), strings.Join(mistakes, "\n  - "))
}

// named is the variable at the beginning of a mistake.
func named(mistake string) string {
	return mistake[:strings.IndexAny(mistake+" ", ": ")]
}

// parseMistakes names the variable in each of the parser's errors.
func parseMistakes(err error, vars map[string]string) []string {
	if err == nil {
		return nil
	}
	var list []string
	var all env.AggregateError
	if !errors.As(err, &all) {
		return []string{err.Error()}
	}
	for _, err := range all.Errors {
		var pe env.ParseError
		if errors.As(err, &pe) {
			list = append(list, fmt.Sprintf("%s: %s", variable(pe.Name), unreadable(pe, vars[variable(pe.Name)])))
			continue
		}
		list = append(list, err.Error())
	}
	return list
}

// unreadable describes the expected value in place of the parser's error.
func unreadable(e env.ParseError, value string) string {
	switch e.Type {
	case reflect.TypeFor[int](), reflect.TypeFor[int64]():
		return fmt.Sprintf("%q is not a whole number", value)
	case reflect.TypeFor[bool]():
		return fmt.Sprintf("%q is neither true nor false", value)
	case reflect.TypeFor[time.Duration]():
		return fmt.Sprintf("%q is not a time such as 30s, 5m or 1h30m", value)
	case reflect.TypeFor[slog.Level]():
		return fmt.Sprintf("%q is not one of debug, info, warn, error", value)
	}
	return e.Err.Error()
}

// variable is the name of the variable of a field.
func variable(field string) string {
	if f, ok := reflect.TypeFor[Config]().FieldByName(field); ok {
		return f.Tag.Get("env")
	}
	return field
}

func (c *Config) check(role Role) (mistakes []string) {
	require := func(ok bool, format string, args ...any) {
		if !ok {
			mistakes = append(mistakes, fmt.Sprintf(format, args...))
		}
	}
	c.checkBackends(require)
	for name, keys := range map[string][]string{"UPLOAD_KEY": c.UploadKeys, "LINK_KEY": c.LinkKeys} {
		for _, k := range keys {
			require(len(k) >= 32, "%s: a key of %d characters is too short (at least 32)", name, len(k))
		}
	}
	c.checkWebhooks(require)
	require(c.Port >= 1 && c.Port <= 65535, "PORT: %d is not a port (1 to 65535)", c.Port)
	require(c.MetricsPort == 0 || c.MetricsPort >= 1 && c.MetricsPort <= 65535 && c.MetricsPort != c.Port, "METRICS_PORT: %d is not a port of its own (1 to 65535, not PORT)", c.MetricsPort)
	require(c.MaxImageBytes > 0 && c.MaxImageBytes <= maxObject, "MAX_IMAGE_BYTES: %d is out of range (1 to %d)", c.MaxImageBytes, int64(maxObject))
	require(c.MaxImagePixels > 0, "MAX_IMAGE_PIXELS: %d is out of range (at least 1)", c.MaxImagePixels)
	require(c.MaxAttempts >= 1, "MAX_ATTEMPTS: %d is out of range (at least 1)", c.MaxAttempts)
	require(c.JobTTLDays >= 1, "JOB_TTL_DAYS: %d is out of range (at least 1)", c.JobTTLDays)
	require(c.JobTTLDays < 1 || c.JobTTLDays > 14 || time.Duration(c.JobTTLDays)*24*time.Hour >= c.QueueRetention,
		"JOB_TTL_DAYS: %d days are less than QUEUE_RETENTION (%s): jobs that wait in the queue would be deleted", c.JobTTLDays, c.QueueRetention)
	require(c.QueueRetention >= time.Minute && c.QueueRetention <= 14*24*time.Hour, "QUEUE_RETENTION: %s is out of range (1m to 336h, the range of SQS)", c.QueueRetention)
	require(c.IdleTimeout >= time.Second, "IDLE_TIMEOUT: %s is out of range (at least 1s)", c.IdleTimeout)
	require(c.MaxUploads >= 1, "MAX_UPLOADS: %d is out of range (at least 1)", c.MaxUploads)
	require(c.TrustedProxies >= 0 && c.TrustedProxies <= 100, "TRUSTED_PROXIES: %d is out of range (0 to 100)", c.TrustedProxies)
	require(c.MaxOutputs >= 1, "MAX_OUTPUTS: %d is out of range (at least 1)", c.MaxOutputs)
	require(c.MaxWaiters >= 0, "MAX_WAITERS: %d is negative", c.MaxWaiters)
	require(c.UploadTTL >= time.Minute && c.UploadTTL <= 7*24*time.Hour, "UPLOAD_TTL: %s is out of range (1m to 168h)", c.UploadTTL)
	require(c.Concurrency >= 1 && c.Concurrency <= 1000, "CONCURRENCY: %d is out of range (1 to 1000)", c.Concurrency)
	require(c.WorkerPixels >= 0, "WORKER_PIXELS: %d is negative", c.WorkerPixels)
	require(c.ProcessTimeout >= time.Second && c.ProcessTimeout <= 11*time.Hour, "PROCESS_TIMEOUT: %s is out of range (1s to 11h)", c.ProcessTimeout)
	require(c.Lease >= 3*time.Second && c.Lease <= 12*time.Hour, "LEASE: %s is out of range (3s to 12h)", c.Lease)
	require(slices.Contains([]string{"auto", "vips", "embedded"}, c.Imaging), "IMAGING: %q is not one of auto, vips, embedded", c.Imaging)
	require(c.ProcessorSchema == "" || c.Processor != "image", "PROCESSOR_SCHEMA is for a command or a server: the built-in processor describes its own params")
	require(c.ProcessorMemory > 0, "PROCESSOR_MEMORY must not be zero")
	require(c.MaxOutputBytes > 0, "MAX_OUTPUT_BYTES must not be zero")
	require(c.Grace >= 0, "SHUTDOWN_GRACE: %s is negative", c.Grace)
	require(c.ExitWhenIdle == 0 || c.ExitWhenIdle >= time.Second, "EXIT_WHEN_IDLE: %s is too short (1s or more; 0 never ends)", c.ExitWhenIdle)
	require(slices.Contains([]string{"auto", "json", "text", "gcp"}, c.LogFormat), "LOG_FORMAT: %q is not one of auto, json, text, gcp", c.LogFormat)
	require(c.LogDecisions == "denied" || c.LogDecisions == "all", "LOG_DECISIONS: %q is not one of denied, all", c.LogDecisions)
	require(c.LogExport == "stderr" || c.LogExport == "api", "LOG_EXPORT: %q is not one of stderr, api", c.LogExport)
	require(c.LogExport != "api" || c.Cloud.Project != "", "GOOGLE_CLOUD_PROJECT is missing: LOG_EXPORT=api wants to know whose log it is")
	for i, o := range c.CORSOrigins {
		spelled, err := origin(strings.TrimSpace(o))
		require(err == nil, "CORS_ORIGINS: %q: %v", o, err)
		c.CORSOrigins[i] = spelled
	}
	if role == Server {
		c.checkAuth(require)
	}
	return mistakes
}

// lambdaInlineBytes is the part of a Lambda invocation's 6 MB that is left for an image: base64
// takes a third, and the event has other fields.
const lambdaInlineBytes = 4 << 20

// InlineBytes is the maximum size of an image in a submit.
func (c *Config) InlineBytes() Bytes {
	n := c.MaxInlineBytes
	if n == 0 && c.Cloud.Function != "" {
		n = lambdaInlineBytes
	}
	if n == 0 || n > c.MaxImageBytes {
		n = c.MaxImageBytes
	}
	return n
}

// Proxies is the number of trusted entries at the end of X-Forwarded-For: those of the
// operator's proxies, else that of Google's front end. Lambda passes the address outside of
// the headers.
func (c *Config) Proxies() int {
	if c.TrustedProxies == 0 && c.Cloud.Service != "" {
		return 1
	}
	return c.TrustedProxies
}

// DecodedPixels is the maximum number of pixels of all pictures that a worker has decoded at
// once.
func (c *Config) DecodedPixels() int64 { return cmp.Or(c.WorkerPixels, c.MaxImagePixels) }

// checkAuth prevents a server from starting without authentication by mistake.
func (c *Config) checkAuth(require func(bool, string, ...any)) {
	if c.AllowAnonymous {
		require(len(c.Issuers) == 0, "ALLOW_ANONYMOUS and OIDC_ISSUER contradict each other: set one of them")
		require(len(c.AuthorizedParties) == 0, "ALLOW_ANONYMOUS and OIDC_AUTHORIZED_PARTIES contradict each other: set one of them")
		require(c.ClientID == "", "ALLOW_ANONYMOUS and OIDC_CLIENT_ID contradict each other: set one of them")
		return
	}
	if len(c.Issuers) == 0 && len(c.Audiences) == 0 {
		require(false, "OIDC_ISSUER and OIDC_AUDIENCE are missing: name the issuer and the audience of your users' tokens, or set ALLOW_ANONYMOUS=true to serve everyone")
		return
	}
	require(len(c.Issuers) > 0, "OIDC_ISSUER is missing: OIDC_AUDIENCE has no effect without it")
	require(len(c.Audiences) > 0, "OIDC_AUDIENCE is missing: without it the server would accept tokens for other services")
	require(c.AudienceClaim == "aud" || c.AudienceClaim == "client_id", "AUDIENCE_CLAIM: %q is neither aud nor client_id", c.AudienceClaim)
	require(c.ClientID == "" || len(c.AuthorizedParties) == 0 || slices.Contains(c.AuthorizedParties, c.ClientID),
		"OIDC_AUTHORIZED_PARTIES lacks the client of OIDC_CLIENT_ID: the server would refuse the tokens of the page's login")
}

// LogValue is the log line at the start: the effective settings without secrets.
func (c *Config) LogValue() slog.Value {
	var attrs []slog.Attr
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("env")
		if name == "" || v.Field(i).IsZero() {
			continue
		}
		if strings.HasSuffix(name, "_KEY") {
			attrs = append(attrs, slog.String(name, "(set)"))
			continue
		}
		attrs = append(attrs, slog.String(name, fmt.Sprint(v.Field(i).Interface())))
	}
	return slog.GroupValue(attrs...)
}

// Bytes is a size in bytes, written as a plain number or with KiB, MiB or GiB.
type Bytes int64

// UnmarshalText reads "1048576", "1024KiB", "1MiB" or "1GiB".
func (b *Bytes) UnmarshalText(text []byte) error {
	s, unit := string(text), int64(1)
	for suffix, n := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if rest, ok := strings.CutSuffix(s, suffix); ok {
			s, unit = strings.TrimSpace(rest), n
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > (1<<62)/unit {
		return fmt.Errorf("%q is not a size such as 1048576, 512KiB or 100MiB", text)
	}
	*b = Bytes(n * unit)
	return nil
}

// URL is an absolute http(s) URL without query or fragment, or nothing.
type URL struct{ *url.URL }

// UnmarshalText reads an absolute URL.
func (u *URL) UnmarshalText(text []byte) error {
	p, err := url.Parse(string(text))
	if err != nil || p.Scheme != "http" && p.Scheme != "https" || p.Host == "" || p.RawQuery != "" || p.Fragment != "" || p.User != nil {
		return fmt.Errorf("%q is not an absolute URL such as https://jobs.example.com/api", text)
	}
	u.URL = p
	return nil
}

// Rate bounds the submits of one owner, written as "60/minute", "10GiB/day" or both,
// separated by a comma. Zero means no limit.
type Rate struct {
	SubmitsPerMinute int
	BytesPerDay      int64
}

// UnmarshalText reads a rate.
func (r *Rate) UnmarshalText(text []byte) error {
	for part := range strings.SplitSeq(string(text), ",") {
		part = strings.TrimSpace(part)
		if n, ok := strings.CutSuffix(part, "/minute"); ok {
			i, err := strconv.Atoi(n)
			if err == nil && i > 0 {
				r.SubmitsPerMinute = i
				continue
			}
		}
		if n, ok := strings.CutSuffix(part, "/day"); ok {
			var b Bytes
			if b.UnmarshalText([]byte(n)) == nil && b > 0 {
				r.BytesPerDay = int64(b)
				continue
			}
		}
		return fmt.Errorf("%q is not a rate such as 60/minute,10GiB/day", text)
	}
	return nil
}
