package sqsserver_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"
)

// signed returns a request of the query protocol as a server receives it.
func signed(t *testing.T, endpoint, form string) *http.Request {
	t.Helper()
	return signedAt(t, endpoint, form, time.Now(), region, accessKey, secretKey)
}

func signedAt(t *testing.T, endpoint, form string, at time.Time, region, access, secret string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, endpoint, strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	sum := sha256.Sum256([]byte(form))
	err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: access, SecretAccessKey: secret},
		r, hex.EncodeToString(sum[:]), "sqs", region, at)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// query sends a request of the query protocol and decodes the XML into out.
func (b *bench) query(endpoint string, form url.Values, out any) int {
	b.t.Helper()
	w := httptest.NewRecorder()
	b.server.ServeHTTP(w, signed(b.t, endpoint, form.Encode()))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := xml.Unmarshal(body, out); err != nil {
		b.t.Fatalf("%v in %s", err, body)
	}
	return w.Code
}

func TestSignature(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx := t.Context()
	clients := []struct {
		name   string
		client *sqs.Client
		code   string
	}{
		{"right", newClient(b.url, region, accessKey, secretKey), ""},
		{"wrong secret", newClient(b.url, region, accessKey, "other"), "SignatureDoesNotMatch"},
		{"wrong key", newClient(b.url, region, "other", secretKey), "InvalidClientTokenId"},
		{"wrong region", newClient(b.url, "us-west-1", accessKey, secretKey), "SignatureDoesNotMatch"},
	}
	for _, test := range clients {
		_, err := test.client.ListQueues(ctx, &sqs.ListQueuesInput{})
		if test.code == "" {
			if err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
			continue
		}
		wantCode(t, err, test.code)
	}

	const form = "Action=ListQueues"
	now := time.Now()
	tests := []struct {
		name string
		edit func(r *http.Request)
		want int
	}{
		{"untouched", func(*http.Request) {}, http.StatusOK},
		{"unsigned", func(r *http.Request) { r.Header.Del("Authorization") }, http.StatusForbidden},
		{"no scheme", func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, http.StatusForbidden},
		{"empty fields", func(r *http.Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=") }, http.StatusForbidden},
		{"no signature", func(r *http.Request) {
			head, _, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
			r.Header.Set("Authorization", head+"Signature=")
		}, http.StatusForbidden},
		{"other body", func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("Action=ListQueuez")) }, http.StatusForbidden},
		{"other host", func(r *http.Request) { r.Host = "elsewhere" }, http.StatusForbidden},
		{"other path", func(r *http.Request) { r.URL.Path = "/other" }, http.StatusForbidden},
		{"other signed header", func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, http.StatusForbidden},
		{"other unsigned header", func(r *http.Request) { r.Header.Set("User-Agent", "x") }, http.StatusOK},
		{"no date", func(r *http.Request) { r.Header.Del("X-Amz-Date") }, http.StatusForbidden},
	}
	for _, test := range tests {
		r := signedAt(t, b.url, form, now, region, accessKey, secretKey)
		test.edit(r)
		w := httptest.NewRecorder()
		b.server.ServeHTTP(w, r)
		if w.Code != test.want {
			t.Errorf("%s: status %d; want %d: %s", test.name, w.Code, test.want, w.Body)
		}
	}
	for _, skew := range []time.Duration{-16 * time.Minute, 16 * time.Minute} {
		w := httptest.NewRecorder()
		b.server.ServeHTTP(w, signedAt(t, b.url, form, now.Add(skew), region, accessKey, secretKey))
		if w.Code != http.StatusForbidden {
			t.Errorf("signed %v from now: status %d; want 403", skew, w.Code)
		}
	}
}

func TestQueryProtocol(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var created struct {
		URL string `xml:"CreateQueueResult>QueueUrl"`
		ID  string `xml:"ResponseMetadata>RequestId"`
	}
	b.query(b.url, url.Values{
		"Action": {"CreateQueue"}, "QueueName": {"jobs"},
		"Attribute.1.Name": {"VisibilityTimeout"}, "Attribute.1.Value": {"45"}, "Tag.1.Key": {"k"}, "Tag.1.Value": {"v"},
	}, &created)
	if want := b.url + "/000000000000/jobs"; created.URL != want || created.ID == "" {
		t.Fatalf("created %+v; want %s", created, want)
	}

	var sent struct {
		Results []struct {
			ID               string `xml:"Id"`
			MessageID        string `xml:"MessageId"`
			MD5OfMessageBody string
		} `xml:"SendMessageBatchResult>SendMessageBatchResultEntry"`
		Errors []struct {
			ID          string `xml:"Id"`
			SenderFault bool
			Code        string
		} `xml:"SendMessageBatchResult>BatchResultErrorEntry"`
	}
	b.query(created.URL, url.Values{ // as botocore does: to the queue, without QueueUrl
		"Action":                            {"SendMessageBatch"},
		"SendMessageBatchRequestEntry.1.Id": {"a"},
		"SendMessageBatchRequestEntry.1.MessageBody":                          {"<first> & \r\n"},
		"SendMessageBatchRequestEntry.1.MessageAttribute.1.Name":              {"raw"},
		"SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.DataType":    {"Binary"},
		"SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.BinaryValue": {"AAH/"},
		"SendMessageBatchRequestEntry.10.Id":                                  {"c"},
		"SendMessageBatchRequestEntry.10.MessageBody":                         {"bad\x01"},
		"SendMessageBatchRequestEntry.2.Id":                                   {"b"},
		"SendMessageBatchRequestEntry.2.MessageBody":                          {"second"},
		"SendMessageBatchRequestEntry.2.DelaySeconds":                         {"900"},
	}, &sent)
	if len(sent.Results) != 2 || sent.Results[0].ID != "a" || sent.Results[1].ID != "b" {
		t.Errorf("sent %+v; want a and b", sent.Results)
	}
	if len(sent.Errors) != 1 || sent.Errors[0].ID != "c" || !sent.Errors[0].SenderFault || sent.Errors[0].Code != "InvalidMessageContents" {
		t.Errorf("errors %+v; want c to have invalid contents", sent.Errors)
	}

	type pair struct{ Name, Value string }
	var received struct {
		Messages []struct {
			Body             string
			ReceiptHandle    string
			Attribute        []pair
			MessageAttribute []struct {
				Name  string
				Value struct{ DataType, BinaryValue string }
			}
		} `xml:"ReceiveMessageResult>Message"`
	}
	b.query(b.url, url.Values{
		"Action": {"ReceiveMessage"}, "QueueUrl": {created.URL}, "MaxNumberOfMessages": {"10"},
		"AttributeName.1": {"ApproximateReceiveCount"}, "MessageAttributeName": {"All"},
	}, &received)
	if len(received.Messages) != 1 {
		t.Fatalf("received %+v; want one message", received)
	}
	m := received.Messages[0]
	if m.Body != "<first> & \r\n" {
		t.Errorf("body = %q", m.Body)
	}
	if diff := cmp.Diff([]pair{{"ApproximateReceiveCount", "1"}}, m.Attribute); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if len(m.MessageAttribute) != 1 || m.MessageAttribute[0].Value.BinaryValue != "AAH/" {
		t.Errorf("message attributes = %+v; want raw", m.MessageAttribute)
	}

	var deleted struct {
		XMLName xml.Name
		ID      string `xml:"ResponseMetadata>RequestId"`
	}
	b.query(created.URL, url.Values{"Action": {"DeleteMessage"}, "ReceiptHandle": {m.ReceiptHandle}}, &deleted)
	if deleted.XMLName.Local != "DeleteMessageResponse" || deleted.ID == "" {
		t.Errorf("deleted %+v", deleted)
	}
	b.wantCounts(&created.URL, "0", "0", "1")
}

func TestQueryProtocolFailures(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tests := []struct {
		name, code string
		form       url.Values
	}{
		{"no action", "InvalidAction", url.Values{}},
		{"unknown action", "InvalidAction", url.Values{"Action": {"Dance"}}},
		{"no queue", "AWS.SimpleQueueService.NonExistentQueue", url.Values{"Action": {"PurgeQueue"}, "QueueUrl": {"x/none"}}},
		{"no number", "InvalidParameterValue", url.Values{"Action": {"ReceiveMessage"}, "MaxNumberOfMessages": {"many"}}},
		{"no base64", "InvalidParameterValue", url.Values{"Action": {"SendMessage"}, "MessageAttribute.1.Name": {"a"}, "MessageAttribute.1.Value.BinaryValue": {"%"}}},
		{"entry without a name", "MissingParameter", url.Values{"Action": {"TagQueue"}, "Tag.1.Value": {"v"}}},
	}
	for _, test := range tests {
		var got struct {
			XMLName xml.Name
			Type    string `xml:"Error>Type"`
			Code    string `xml:"Error>Code"`
		}
		status := b.query(b.url, test.form, &got)
		if status != http.StatusBadRequest || got.XMLName.Local != "ErrorResponse" || got.Type != "Sender" || got.Code != test.code {
			t.Errorf("%s: %d %+v; want 400 and %s", test.name, status, got, test.code)
		}
	}
}

func TestMethodNotAllowed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	w := httptest.NewRecorder()
	b.server.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, b.url, http.NoBody))
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != http.MethodPost {
		t.Errorf("GET: %d, Allow %q; want 405, POST", w.Code, w.Header().Get("Allow"))
	}
}
