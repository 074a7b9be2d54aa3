package telemetry

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
)

// redacted replaces a secret.
const redacted = "[redacted]"

// secretWords mark an attribute as secret by its name, compared in lower case and without
// punctuation: X-Serverless-Authorization, refresh_token, apiKey, ...
var secretWords = []string{
	"authorization", "token", "secret", "password", "passwd", "cookie", "credential",
	"apikey", "accesskey", "privatekey", "assertion", "signature",
}

// secretTexts match secrets anywhere in a text. A URL loses its whole query and user,
// since only its server knows which parameters are secret.
var secretTexts = []struct {
	look *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`(?i)(\b[a-z][a-z0-9+.-]*://)[^\s/?#@"'<>]+@`), "${1}" + redacted + "@"},
	{regexp.MustCompile(`(?i)(\b[a-z][a-z0-9+.-]*://[^\s?#"'<>]*)\?[^\s"'<>]*`), "${1}?" + redacted},
	{regexp.MustCompile(`(?i)\?[^\s"'<>]*\bX-(?:Amz|Goog)-[a-z-]+=[^\s"'<>]*`), "?" + redacted},
	{regexp.MustCompile(`(?i)\b((?:X-(?:Amz|Goog)-)?(?:Signature|Credential|Security-Token)\s*[=:]\s*)[^\s,&"'<>\[]+`), "${1}" + redacted},
	{regexp.MustCompile(`(?i)\b(Bearer\s+)[\w.~+/=-]{16,}`), "${1}" + redacted},
	{regexp.MustCompile(`\beyJ[\w-]{8,}(?:\.[\w-]*)+`), redacted},
}

// guardAttr returns the attribute without secrets.
func guardAttr(a slog.Attr) slog.Attr {
	a.Value = a.Value.Resolve()
	switch a.Value.Kind() {
	case slog.KindBool, slog.KindInt64, slog.KindUint64, slog.KindFloat64, slog.KindDuration, slog.KindTime:
		return a // numbers are not secret: token_count
	}
	if secretName(a.Key) {
		return slog.String(a.Key, redacted)
	}
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(guardText(a.Value.String()))
	case slog.KindGroup:
		group := a.Value.Group()
		guarded := make([]slog.Attr, len(group))
		for i, member := range group {
			guarded[i] = guardAttr(member)
		}
		a.Value = slog.GroupValue(guarded...)
	case slog.KindAny:
		a.Value = guardAny(a.Value.Any())
	}
	return a
}

// guardText returns the text without anything that looks like a secret.
func guardText(s string) string {
	if !strings.ContainsAny(s, "?@=:") && !strings.Contains(s, "eyJ") && !strings.Contains(strings.ToLower(s), "bearer") {
		return s
	}
	for _, secret := range secretTexts {
		s = secret.look.ReplaceAllString(s, secret.with)
	}
	return s
}

// guardAny converts values that slog does not know, so that they hide no secret: errors,
// URLs and Stringers to text, raw bytes to their number, all others by their JSON.
func guardAny(v any) (guarded slog.Value) {
	defer func() {
		if p := recover(); p != nil { // for example an Error method called on a nil pointer
			guarded = slog.StringValue(fmt.Sprintf("[%T cannot be shown]", v))
		}
	}()
	switch v := v.(type) {
	case nil:
		return slog.AnyValue(nil)
	case error:
		return slog.StringValue(guardText(v.Error()))
	case *url.URL:
		return slog.StringValue(guardText(v.String()))
	case []byte:
		return slog.StringValue(fmt.Sprintf("[%d bytes]", len(v)))
	case json.Marshaler, encoding.TextMarshaler:
	case fmt.Stringer:
		return slog.StringValue(guardText(v.String()))
	}
	encoded, err := json.Marshal(v)
	if err != nil {
		return slog.StringValue(fmt.Sprintf("[%T cannot be shown]", v))
	}
	var tree any
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.UseNumber()
	if err := decoder.Decode(&tree); err != nil {
		return slog.StringValue(fmt.Sprintf("[%T cannot be shown]", v))
	}
	return slog.AnyValue(guardTree(tree))
}

// guardTree guards a decoded JSON value in place.
func guardTree(v any) any {
	switch v := v.(type) {
	case string:
		return guardText(v)
	case []any:
		for i := range v {
			v[i] = guardTree(v[i])
		}
	case map[string]any:
		for key, member := range v {
			switch member.(type) {
			case nil, bool, json.Number:
			default:
				if secretName(key) {
					v[key] = redacted
				} else {
					v[key] = guardTree(member)
				}
			}
		}
	}
	return v
}

func secretName(name string) bool {
	bare := strings.Map(func(r rune) rune {
		switch r {
		case '-', '_', '.', ' ':
			return -1
		}
		return r
	}, strings.ToLower(name))
	for _, word := range secretWords {
		if strings.Contains(bare, word) {
			return true
		}
	}
	return false
}
