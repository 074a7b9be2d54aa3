package sqsserver

import (
	"encoding/xml"
	"net/url"
	"testing"
)

// FuzzDecodeQuery decodes strangers' forms into every input there is: it must neither
// panic nor take what it was not given, and what it echoes must be well-formed XML.
func FuzzDecodeQuery(f *testing.F) {
	for _, seed := range []string{
		"Action=ListQueues",
		"Attribute.1.Name=DelaySeconds&Attribute.1.Value=3&Tag.2.Key=k",
		"AttributeName=All&AttributeName.2=x&MaxNumberOfMessages=%31",
		"SendMessageBatchRequestEntry.1.Id=a&SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.BinaryValue=AAH/",
		"SendMessageBatchRequestEntry.-1.Id=a&SendMessageBatchRequestEntry.99999999999999999999.Id=b",
		"Entries..Id=a&.=b&..........=c&QueueUrl.1=d",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		form, err := url.ParseQuery(body)
		if err != nil {
			return
		}
		for name, op := range operations() {
			input := op.input()
			if err := decodeQuery(form, input); err != nil {
				if _, ok := err.(*failure); !ok {
					t.Errorf("%s: error %v is no failure that a client can be told", name, err)
				}
				continue
			}
			var echo struct{}
			if err := xml.Unmarshal(encodeQuery(name, input, "id"), &echo); err != nil {
				t.Errorf("%s: echo is no XML: %v", name, err)
			}
		}
	})
}
