package sqsserver

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

var (
	entryID       = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)
	groupID       = regexp.MustCompile("^[A-Za-z0-9!-/:-@\\[-`{-~]{1,128}$")
	attributeName = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
	attributeType = regexp.MustCompile(`^(String|Number|Binary)(\.[^\s]{1,248})?$`)
)

const traceHeader = "AWSTraceHeader"

func (s *Server) sendMessage(_ request, in *sendInput) (*sendOutput, error) {
	q, err := s.named(in.QueueURL)
	if err != nil {
		return nil, err
	}
	m, size, f := q.check(&in.sendEntry)
	if f != nil {
		return nil, f
	}
	if f := q.checkSize(size); f != nil {
		return nil, f
	}
	ids, err := s.store.insert(q.id, []outgoing{m})
	if err != nil {
		return nil, err
	}
	s.notifier.notify(q.name)
	return in.sent(ids[0]), nil
}

func (s *Server) sendMessageBatch(_ request, in *sendBatchInput) (*sendBatchOutput, error) {
	q, err := s.named(in.QueueURL)
	if err != nil {
		return nil, err
	}
	if f := checkBatch(in.Entries, func(e sendEntry) string { return e.ID }); f != nil {
		return nil, f
	}
	var (
		out   = &sendBatchOutput{Successful: []sentEntry{}}
		good  []outgoing
		which []*sendEntry
		total int
	)
	for i := range in.Entries {
		entry := &in.Entries[i]
		m, size, f := q.check(entry)
		total += size
		if f == nil {
			f = q.checkSize(size)
		}
		if f != nil {
			out.Failed = append(out.Failed, failed(entry.ID, f))
			continue
		}
		good, which = append(good, m), append(which, entry)
	}
	if total > maxMessageBytes {
		return nil, failCompat("BatchRequestTooLong", "Batch requests cannot be longer than %d bytes. You have sent %d bytes.", maxMessageBytes, total)
	}
	if len(good) == 0 {
		return out, nil
	}
	ids, err := s.store.insert(q.id, good)
	if err != nil {
		return nil, err
	}
	s.notifier.notify(q.name)
	for i, entry := range which {
		out.Successful = append(out.Successful, sentEntry{entry.ID, *entry.sent(ids[i])})
	}
	return out, nil
}

// named returns the queue of the URL.
func (s *Server) named(queueURL string) (*queue, error) {
	name, f := nameOf(queueURL)
	if f != nil {
		return nil, f
	}
	return s.store.queue(name)
}

// sent returns the receipt for the entry, with the digests that clients check.
func (e *sendEntry) sent(messageID string) *sendOutput {
	return &sendOutput{
		MessageID:                    messageID,
		MD5OfMessageBody:             bodyDigest(e.MessageBody),
		MD5OfMessageAttributes:       attributesDigest(e.MessageAttributes),
		MD5OfMessageSystemAttributes: attributesDigest(e.MessageSystemAttributes),
	}
}

// check returns the entry as a message, and its size by the rule of the limits.
func (q *queue) check(e *sendEntry) (m outgoing, size int, f *failure) {
	if e.MessageBody == "" {
		return m, 0, missingParameter("MessageBody")
	}
	if !validText(e.MessageBody) {
		return m, 0, fail("InvalidMessageContents", "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF")
	}
	if e.MessageDeduplicationID != "" {
		return m, 0, invalidParameter("MessageDeduplicationId", e.MessageDeduplicationID, "The request includes a parameter that is not valid for this queue type.")
	}
	if e.MessageGroupID != "" && !groupID.MatchString(e.MessageGroupID) {
		return m, 0, invalidParameter("MessageGroupId", strconv.Quote(e.MessageGroupID), "Can only include alphanumeric and punctuation characters. 1 to 128 in length.")
	}
	delay := q.number("DelaySeconds")
	if e.DelaySeconds != nil {
		delay = *e.DelaySeconds
		if delay < 0 || delay > int(maxDelay/time.Second) {
			return m, 0, invalidParameter("DelaySeconds", delay, "DelaySeconds must be >= 0 and <= 900.")
		}
	}
	size, f = checkMessageAttributes(e.MessageAttributes)
	if f != nil {
		return m, 0, f
	}
	m = outgoing{
		body:       e.MessageBody,
		attributes: e.MessageAttributes,
		group:      e.MessageGroupID,
		delay:      time.Duration(delay) * time.Second,
	}
	for name, a := range e.MessageSystemAttributes {
		if name != traceHeader || a.DataType != "String" || a.StringValue == nil {
			return m, 0, invalidParameter("MessageSystemAttributes", name, "Only AWSTraceHeader, a String, may be sent.")
		}
		m.trace = *a.StringValue
	}
	return m, size + len(e.MessageBody), nil
}

func (q *queue) checkSize(size int) *failure {
	if limit := q.number("MaximumMessageSize"); size > limit {
		return fail("InvalidParameterValue", "One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", limit)
	}
	return nil
}

func checkMessageAttributes(all map[string]attributeValue) (size int, f *failure) {
	if len(all) > maxAttributes {
		return 0, fail("InvalidParameterValue", "Number of message attributes [%d] exceeds the allowed maximum [%d].", len(all), maxAttributes)
	}
	for name, a := range all {
		lower := strings.ToLower(name)
		if len(name) > 256 || !attributeName.MatchString(name) || strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon.") {
			return 0, fail("InvalidParameterValue", "Message attribute name %.300q is invalid.", name)
		}
		if !attributeType.MatchString(a.DataType) {
			return 0, fail("InvalidParameterValue", "The type of message attribute '%s' is invalid: %.300q.", name, a.DataType)
		}
		size += len(name) + len(a.DataType)
		if strings.HasPrefix(a.DataType, "Binary") {
			if len(a.BinaryValue) == 0 {
				return 0, fail("InvalidParameterValue", "Message attribute '%s' must contain a non-empty binary value.", name)
			}
			size += len(a.BinaryValue)
			continue
		}
		if a.StringValue == nil || *a.StringValue == "" || !validText(*a.StringValue) {
			return 0, fail("InvalidParameterValue", "Message attribute '%s' must contain a non-empty string value of valid characters.", name)
		}
		if strings.HasPrefix(a.DataType, "Number") {
			if _, err := strconv.ParseFloat(*a.StringValue, 64); err != nil && !errors.Is(err, strconv.ErrRange) {
				return 0, fail("InvalidParameterValue", "Can't cast the value of message attribute '%s' to a number.", name)
			}
		}
		size += len(*a.StringValue)
	}
	return size, nil
}

// validText reports whether s has only characters that XML 1.0 allows.
func validText(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return false
		}
	}
	return true
}

// checkBatch refuses a batch that is empty, too long, or has an identifier twice or an
// invalid one.
func checkBatch[E any](entries []E, id func(E) string) *failure {
	if len(entries) == 0 {
		return failCompat("EmptyBatchRequest", "There should be at least one entry in the request.")
	}
	if len(entries) > maxBatchEntries {
		return failCompat("TooManyEntriesInBatchRequest", "Maximum number of entries per request are %d. You have sent %d.", maxBatchEntries, len(entries))
	}
	seen := make(map[string]bool, len(entries))
	for _, entry := range entries {
		id := id(entry)
		if !entryID.MatchString(id) {
			return failCompat("InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		}
		if seen[id] {
			return failCompat("BatchEntryIdsNotDistinct", "Id %s repeated.", id)
		}
		seen[id] = true
	}
	return nil
}

// failed returns the failure of one entry in a batch.
func failed(id string, f *failure) failedEntry {
	return failedEntry{ID: id, SenderFault: f.sender(), Code: f.code, Message: f.message}
}
