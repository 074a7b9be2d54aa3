package sqsqueue

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// traceKeys are the attributes of the W3C trace context.
var traceKeys = []string{"traceparent", "tracestate"}

// encodeTrace returns the trace context as attributes; nil when there is none. SQS
// refuses empty values.
func encodeTrace(trace map[string]string) map[string]types.MessageAttributeValue {
	var out map[string]types.MessageAttributeValue
	for _, k := range traceKeys {
		if v := trace[k]; v != "" {
			if out == nil {
				out = make(map[string]types.MessageAttributeValue, len(traceKeys))
			}
			out[k] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &v}
		}
	}
	return out
}

func decodeTrace(attributes map[string]string) map[string]string {
	var out map[string]string
	for _, k := range traceKeys {
		if v := attributes[k]; v != "" {
			if out == nil {
				out = make(map[string]string, len(traceKeys))
			}
			out[k] = v
		}
	}
	return out
}

// maxGroup is the longest message group, in characters.
const maxGroup = 128

// groupOf returns the message group of an owner: the owner itself where SQS allows its
// characters (ASCII letters, digits and punctuation) and length, else its SHA-256. Two
// owners never share a group by accident; an owner that looks like the hash of another
// shares only its turn in the queue.
func groupOf(owner string) string {
	fits := owner != "" && len(owner) <= maxGroup
	for i := 0; fits && i < len(owner); i++ {
		fits = '!' <= owner[i] && owner[i] <= '~'
	}
	if fits {
		return owner
	}
	sum := sha256.Sum256([]byte(owner))
	return "sha256:" + hex.EncodeToString(sum[:])
}
