package provision_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"claimcheck.example/internal/s3store"
)

// fakeS3 keeps the settings of buckets as the XML that it received, and returns that XML
// as S3 does.
type fakeS3 struct {
	url string

	// mu guards the fields below.
	mu       sync.Mutex
	buckets  map[string]map[string]string // bucket → setting → XML
	headers  map[string]http.Header       // setting → the header of its answer
	writes   []write
	refusals map[string]refusal // "METHOD setting" → its answer
}

// write is a request that changed something.
type write struct {
	bucket, setting string // setting is empty for the bucket itself
	header          http.Header
	body            string
}

type refusal struct {
	status int
	code   string
	header http.Header
}

// absent is S3's answer for a setting that does not exist.
var absent = map[string]string{
	"publicAccessBlock": "NoSuchPublicAccessBlockConfiguration",
	"ownershipControls": "OwnershipControlsNotFoundError",
	"policy":            "NoSuchBucketPolicy",
	"encryption":        "ServerSideEncryptionConfigurationNotFoundError",
	"cors":              "NoSuchCORSConfiguration",
	"lifecycle":         "NoSuchLifecycleConfiguration",
}

func newFakeS3(t *testing.T) *fakeS3 {
	t.Helper()
	f := &fakeS3{buckets: map[string]map[string]string{}, headers: map[string]http.Header{}, refusals: map[string]refusal{}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

func (f *fakeS3) client() *s3.Client {
	return s3.New(s3.Options{
		Region: region, BaseEndpoint: &f.url, Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	}, s3store.ClientOptions, func(o *s3.Options) { o.Retryer = aws.NopRetryer{} })
}

// settingOf returns the setting of a request; empty for the bucket itself.
func settingOf(r *http.Request) string {
	for name := range r.URL.Query() {
		if name != "x-id" {
			return name
		}
	}
	return ""
}

func (f *fakeS3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	bucket, setting := strings.Trim(r.URL.Path, "/"), settingOf(r)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	if no, ok := f.refusals[r.Method+" "+setting]; ok {
		for name, values := range no.header {
			w.Header()[name] = values
		}
		say(w, no.status, no.code)
		return
	}
	settings, exists := f.buckets[bucket]
	switch {
	case r.Method == http.MethodPut && setting == "":
		if exists {
			say(w, http.StatusConflict, "BucketAlreadyOwnedByYou")
			return
		}
		f.buckets[bucket] = map[string]string{}
	case !exists:
		say(w, http.StatusNotFound, "NoSuchBucket")
		return
	case r.Method == http.MethodPut:
		settings[setting] = string(body)
	case setting == "":
		w.Header().Set("X-Amz-Bucket-Region", region)
		return
	case setting == "versioning" && settings[setting] == "":
		io.WriteString(w, `<VersioningConfiguration/>`)
		return
	case settings[setting] == "":
		say(w, http.StatusNotFound, absent[setting])
		return
	default:
		for name, values := range f.headers[setting] {
			w.Header()[name] = values
		}
		io.WriteString(w, settings[setting])
		return
	}
	f.writes = append(f.writes, write{bucket, setting, r.Header, string(body)})
}

func say(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<Error><Code>%s</Code><Message>%s</Message></Error>`, code, code)
}

// take returns the writes so far and forgets them.
func (f *fakeS3) take() []write {
	f.mu.Lock()
	defer f.mu.Unlock()
	writes := f.writes
	f.writes = nil
	return writes
}

// flat returns an XML document as one line for each leaf: its path and its text.
func flat(t *testing.T, doc string) []string {
	t.Helper()
	var path, lines []string
	leaf, text := false, ""
	d := xml.NewDecoder(bytes.NewReader([]byte(doc)))
	for {
		token, err := d.Token()
		if err == io.EOF {
			return lines
		}
		if err != nil {
			t.Fatalf("%q is not XML: %v", doc, err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			path, leaf, text = append(path, token.Name.Local), true, ""
		case xml.CharData:
			text += string(token)
		case xml.EndElement:
			if leaf {
				lines = append(lines, strings.Join(path, "/")+"="+text)
			}
			path, leaf = path[:len(path)-1], false
		}
	}
}
