package sqsserver

import (
	"encoding/xml"
	"net/url"
	"testing"
)

// FuzzDecodeQuery decodes arbitrary forms into every input type: it must neither panic
// nor invent values, and the XML of what it decoded must be well-formed.
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
					t.Errorf("%s: error %v is not a failure for the client", name, err)
				}
				continue
			}
			var echo struct{}
			if err := xml.Unmarshal(encodeQuery(name, input, "id"), &echo); err != nil {
				t.Errorf("%s: the echo is not XML: %v", name, err)
			}
		}
	})
}
