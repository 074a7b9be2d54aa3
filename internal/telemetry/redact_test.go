package telemetry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"claimcheck.example/internal/telemetry"
)

// secret must not appear in any log; presigned contains it as a URL of S3 would.
const (
	secret    = "s3cr3ts3cr3ts3cr3t"
	presigned = "https://bucket.s3.eu-central-1.amazonaws.com/input/1?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA&X-Amz-Signature=" + secret
	jwt       = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0." + secret
)

type valuer struct{}

func (valuer) LogValue() slog.Value { return slog.GroupValue(slog.String("id_token", secret)) }

type stringer struct{}

func (stringer) String() string { return "Bearer " + secret }

func TestNoSecretReachesALine(t *testing.T) {
	t.Parallel()
	parsed, err := url.Parse(presigned)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]slog.Attr{
		"name":                  slog.String("token", secret),
		"name with punctuation": slog.String("X-Serverless-Authorization", secret),
		"name in camel case":    slog.String("awsSecretAccessKey", secret),
		"named group":           slog.Group("credentials", "id", secret),
		"inside a group":        slog.Group("aws", "session_token", secret),
		"log valuer":            slog.Any("who", valuer{}),
		"stringer":              slog.Any("header", stringer{}),
		"map":                   slog.Any("m", map[string]string{"password": secret}),
		"header":                slog.Any("h", http.Header{"Authorization": {"Bearer " + secret}, "Accept": {"*/*"}}),
		"struct":                slog.Any("s", struct{ Cookie string }{secret}),
		"nested slice":          slog.Any("s", []any{map[string]any{"url": presigned}}),
		"raw JSON":              slog.Any("r", json.RawMessage(`{"apiKey":"`+secret+`"}`)),
		"bytes":                 slog.Any("b", []byte(secret)),
		"presigned URL":         slog.String("upload", presigned),
		"parsed URL":            slog.Any("upload", parsed),
		"URL by value":          slog.Any("upload", *parsed),
		"path of a presigned":   slog.String("path", "/input/1?X-Amz-Signature="+secret),
		"goog signature":        slog.String("path", "/o?x=1&X-Goog-Signature="+secret),
		"error":                 slog.Any("error", &url.Error{Op: "Put", URL: presigned, Err: errors.New("timeout")}),
		"wrapped error":         slog.Any("error", fmt.Errorf("upload: %w", &url.Error{Op: "Put", URL: presigned, Err: errors.New("x")})),
		"userinfo":              slog.String("endpoint", "http://user:"+secret+"@localhost:9000/"),
		"other query":           slog.String("callback", "https://example.com/?code="+secret),
		"bearer":                slog.String("header", "got bearer "+secret+" from"),
		"jwt":                   slog.String("seen", "the text "+jwt+" is none"),
		"sigv4":                 slog.String("header", "AWS4-HMAC-SHA256 Credential=AKIA/x, SignedHeaders=host, Signature="+secret),
		"wire dump":             slog.String("dump", "X-Amz-Security-Token: "+secret+"\r\nHost: a"),
	}
	for name, attr := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, format := range []telemetry.Format{telemetry.FormatGCP, telemetry.FormatJSON, telemetry.FormatText} {
				var out bytes.Buffer
				log := telemetry.NewLogger(telemetry.LogOptions{Format: format, Writer: &out})
				log.Info("as an argument", attr)
				log.With(attr).Info("as an attribute")
				log.WithGroup("g").With(attr).Info("inside a group", attr)
				log.InfoContext(telemetry.With(t.Context(), attr), "in the context")
				if got := out.String(); strings.Contains(got, secret) || strings.Count(got, "\n") < 4 {
					t.Errorf("%s:\n%s", format, got)
				}
			}
		})
	}
}

func TestMessageIsGuarded(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	telemetry.NewLogger(telemetry.LogOptions{Format: telemetry.FormatJSON, Writer: &out}).Info("cannot put " + presigned + " now")
	want := "cannot put https://bucket.s3.eu-central-1.amazonaws.com/input/1?[redacted] now"
	if got := line(t, out.Bytes())["msg"]; got != want {
		t.Errorf("msg = %q, want %q", got, want)
	}
}

func TestOtherTextIsNotRedacted(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		attr slog.Attr
		want any
	}{
		"text":            {slog.String("detail", "what is this? a signature of nothing: see https://example.com/a#b"), "what is this? a signature of nothing: see https://example.com/a#b"},
		"count of tokens": {slog.Int("token_count", 3), 3.0},
		"flag":            {slog.Bool("authorization_required", true), true},
		"bearer in prose": {slog.String("detail", "send a bearer token"), "send a bearer token"},
		"error":           {slog.Any("error", errors.New("no such job")), "no such job"},
		"nil":             {slog.Any("error", nil), nil},
		"nil error":       {slog.Any("error", (*url.Error)(nil)), "[*url.Error cannot be shown]"},
		"function":        {slog.Any("f", func() {}), "[func() cannot be shown]"},
		"big number":      {slog.Any("n", map[string]int64{"n": 9007199254740993}), map[string]any{"n": 9007199254740992.0}},
		"list":            {slog.Any("list", []string{"a", "b"}), []any{"a", "b"}},
		"owner":           {slog.String("owner", "https://issuer.example|subject"), "https://issuer.example|subject"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			telemetry.NewLogger(telemetry.LogOptions{Format: telemetry.FormatJSON, Writer: &out}).Info("m", tc.attr)
			if got := line(t, out.Bytes())[tc.attr.Key]; fmt.Sprint(got) != fmt.Sprint(tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func FuzzGuardKeepsLinesWhole(f *testing.F) {
	f.Add("key", presigned)
	f.Add("", "\xff\n\"")
	f.Fuzz(func(t *testing.T, key, value string) {
		var out bytes.Buffer
		log := telemetry.NewLogger(telemetry.LogOptions{Format: telemetry.FormatGCP, Writer: &out})
		log.Info(value, key, value, slog.Group(key, value, key))
		if !json.Valid(out.Bytes()) || bytes.Count(out.Bytes(), []byte("\n")) != 1 {
			t.Errorf("line %q", &out)
		}
	})
}
