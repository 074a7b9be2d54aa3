package sqsserver

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxMessageBytes  = 1 << 20 // of a message with its attributes, and of a batch together
	maxVisibility    = 12 * time.Hour
	maxReceiveWait   = 20 * time.Second
	maxDelay         = 15 * time.Minute
	maxBatchEntries  = 10
	maxAttributes    = 10 // of one message
	maxQueueNameSize = 80
)

// numericAttributes are the numeric attributes of a queue, with default and bounds.
var numericAttributes = map[string]struct{ standard, least, most int }{
	"DelaySeconds":                  {0, 0, int(maxDelay / time.Second)},
	"MaximumMessageSize":            {maxMessageBytes, 1024, maxMessageBytes},
	"MessageRetentionPeriod":        {4 * 24 * 3600, 60, 14 * 24 * 3600},
	"ReceiveMessageWaitTimeSeconds": {0, 0, int(maxReceiveWait / time.Second)},
	"VisibilityTimeout":             {30, 0, int(maxVisibility / time.Second)},
}

// keptAttributes are stored and returned, and have no effect here.
var keptAttributes = []string{
	"Policy", "RedriveAllowPolicy", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled",
}

// redrivePolicy says when a message goes to a dead-letter queue, and to which.
type redrivePolicy struct {
	target string // the queue's name
	max    int    // deliveries of a message before it goes there
}

// parseRedrive parses the JSON of a RedrivePolicy, whose maxReceiveCount is a number or a
// string.
func parseRedrive(text string) (redrivePolicy, *failure) {
	var raw struct {
		DeadLetterTargetArn string          `json:"deadLetterTargetArn"`
		MaxReceiveCount     json.RawMessage `json:"maxReceiveCount"`
	}
	bad := func(reason string) (redrivePolicy, *failure) {
		return redrivePolicy{}, invalidParameter("RedrivePolicy", text, reason)
	}
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		return bad("Redrive policy is not a valid JSON map.")
	}
	target, ok := queueOfARN(raw.DeadLetterTargetArn)
	if !ok {
		return bad("deadLetterTargetArn is not the ARN of a queue.")
	}
	most, err := strconv.Atoi(strings.Trim(string(raw.MaxReceiveCount), `"`))
	if err != nil || most < 1 || most > 1000 {
		return bad("maxReceiveCount must be an integer from 1 to 1000.")
	}
	return redrivePolicy{target: target, max: most}, nil
}

// checkAttributes refuses invalid attributes. It does not check whether a dead-letter
// queue exists.
func checkAttributes(attributes map[string]string) *failure {
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		value := attributes[name]
		if bounds, ok := numericAttributes[name]; ok {
			if n, err := strconv.Atoi(value); err != nil || n < bounds.least || n > bounds.most {
				return fail("InvalidAttributeValue", "Invalid value %q for the parameter %s. It must be from %d to %d.",
					value, name, bounds.least, bounds.most)
			}
			continue
		}
		switch {
		case name == "RedrivePolicy":
			if value == "" {
				continue // removes the policy
			}
			if _, f := parseRedrive(value); f != nil {
				return f
			}
		case name == "FifoQueue" || name == "ContentBasedDeduplication" || name == "DeduplicationScope" || name == "FifoThroughputLimit":
			return unsupported("Attribute %s: this local server has standard queues only, no FIFO queues.", name)
		case slices.Contains(keptAttributes, name):
		default:
			return fail("InvalidAttributeName", "Unknown Attribute %s.", name)
		}
	}
	return nil
}

// queue is the record of a queue.
type queue struct {
	id         int64
	name       string
	attributes map[string]string // explicitly set; others have their defaults
	tags       map[string]string
	created    time.Time
	modified   time.Time
}

// attribute returns the value in force.
func (q *queue) attribute(name string) string {
	if value, ok := q.attributes[name]; ok {
		return value
	}
	if bounds, ok := numericAttributes[name]; ok {
		return strconv.Itoa(bounds.standard)
	}
	if name == "SqsManagedSseEnabled" {
		return "false"
	}
	return ""
}

// number returns the value in force of a numeric attribute.
func (q *queue) number(name string) int {
	n, err := strconv.Atoi(q.attribute(name))
	if err != nil {
		return numericAttributes[name].standard
	}
	return n
}

func (q *queue) seconds(name string) time.Duration {
	return time.Duration(q.number(name)) * time.Second
}

// redrive returns the queue's redrive policy; ok is false when it has none.
func (q *queue) redrive() (p redrivePolicy, ok bool) {
	text := q.attributes["RedrivePolicy"]
	if text == "" {
		return redrivePolicy{}, false
	}
	p, f := parseRedrive(text)
	return p, f == nil
}

// accountID owns every queue.
const accountID = "000000000000"

func (s *Server) arn(name string) string {
	return "arn:aws:sqs:" + s.verifier.region + ":" + accountID + ":" + name
}

// queueOfARN returns the queue's name in an ARN of SQS.
func queueOfARN(arn string) (name string, ok bool) {
	parts := strings.Split(arn, ":")
	if len(parts) != 6 || parts[2] != "sqs" || parts[5] == "" {
		return "", false
	}
	return parts[5], true
}
