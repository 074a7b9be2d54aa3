package httpapi_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"claimcheck.example/internal/app/apptest"
)

// TestPreconditionsOfOutputs holds answers against the order of RFC 9110, 13.2.2: first of a
// job whose document has the entity tag of its output, and then without the tag, as another
// worker may leave it.
func TestPreconditionsOfOutputs(t *testing.T) {
	t.Parallel()
	s, location := completed(t)
	known := apptest.Get(t, location+"/output")
	etag := known.Header.Get("ETag")
	at, err := http.ParseTime(known.Header.Get("Last-Modified"))
	if err != nil {
		t.Fatal(err)
	}
	date := func(d time.Duration) string { return at.Add(d).Format(http.TimeFormat) }
	const past, future = -time.Hour, time.Hour
	tests := map[string]struct {
		header []string
		status int
	}{
		"none":                                   {nil, 200},
		"match":                                  {[]string{"If-Match", etag}, 200},
		"match of one among others":              {[]string{"If-Match", `"x", ` + etag}, 200},
		"match of anything":                      {[]string{"If-Match", "*"}, 200},
		"match of another":                       {[]string{"If-Match", `"x"`}, 412},
		"match of a weak tag":                    {[]string{"If-Match", "W/" + etag}, 412},
		"unmodified since its date":              {[]string{"If-Unmodified-Since", date(0)}, 200},
		"unmodified since before":                {[]string{"If-Unmodified-Since", date(past)}, 412},
		"unmodified since no date":               {[]string{"If-Unmodified-Since", "yesterday"}, 200},
		"match comes before unmodified since":    {[]string{"If-Match", etag, "If-Unmodified-Since", date(past)}, 200},
		"none match":                             {[]string{"If-None-Match", etag}, 304},
		"none match of a weak tag":               {[]string{"If-None-Match", "W/" + etag}, 304},
		"none match of anything":                 {[]string{"If-None-Match", "*"}, 304},
		"none match of another":                  {[]string{"If-None-Match", `"x"`}, 200},
		"modified since its date":                {[]string{"If-Modified-Since", date(0)}, 304},
		"modified since later":                   {[]string{"If-Modified-Since", date(future)}, 304},
		"modified since before":                  {[]string{"If-Modified-Since", date(past)}, 200},
		"modified since no date":                 {[]string{"If-Modified-Since", "0"}, 200},
		"none match comes before modified":       {[]string{"If-None-Match", `"x"`, "If-Modified-Since", date(0)}, 200},
		"match fails before none match":          {[]string{"If-Match", `"x"`, "If-None-Match", etag}, 412},
		"unmodified fails before none match":     {[]string{"If-Unmodified-Since", date(past), "If-None-Match", etag}, 412},
		"match holds, none match does not":       {[]string{"If-Match", etag, "If-None-Match", etag}, 304},
		"a range of what is known":               {[]string{"Range", "bytes=0-3", "If-None-Match", etag}, 304},
		"a range of what matches":                {[]string{"Range", "bytes=0-3", "If-Match", etag}, 206},
		"a range of what does not match":         {[]string{"Range", "bytes=0-3", "If-Match", `"x"`}, 412},
		"a range outside":                        {[]string{"Range", "bytes=9999999-"}, 416},
		"a range outside of what does not match": {[]string{"Range", "bytes=9999999-", "If-Match", `"x"`}, 412},
		"a range outside of what is known":       {[]string{"Range", "bytes=9999999-", "If-Modified-Since", date(0)}, 304},
		"a range outside of what matches":        {[]string{"Range", "bytes=9999999-", "If-Match", etag}, 416},
	}
	for _, document := range []string{"with the tag", "without the tag"} {
		for name, tt := range tests {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				want := tt.status
				if method == http.MethodHead && (want == 206 || want == 416) {
					want = 200 // HEAD has no ranges
				}
				a := apptest.Do(t, method, location+"/output", nil, tt.header...)
				if a.StatusCode != want || method == http.MethodHead && a.Header.Get("Content-Range") != "" {
					t.Errorf("%s, %s, %s: %s, want %d; Content-Range %q", name, method, document, a.Status, want, a.Header.Get("Content-Range"))
				}
				if want == 304 && (len(a.Bytes) > 0 || a.Header.Get("ETag") != etag) {
					t.Errorf("%s, %s, %s: ETag %q, %d bytes", name, method, document, a.Header.Get("ETag"), len(a.Bytes))
				}
			}
		}
		key := "jobs/" + location[strings.LastIndexByte(location, '/')+1:]
		doc := object(t, s, key)
		delete(doc["output"].(map[string]any), "etag")
		put(t, s, key, doc)
	}
}

// object returns a JSON object in storage.
func object(t *testing.T, s *apptest.System, key string) (v map[string]any) {
	t.Helper()
	got, err := s.S3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &s.Bucket, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	if err := json.NewDecoder(got.Body).Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func put(t *testing.T, s *apptest.System, key string, v map[string]any) {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.S3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &s.Bucket, Key: &key, Body: bytes.NewReader(raw), ContentType: aws.String("application/json")}); err != nil {
		t.Fatal(err)
	}
}
