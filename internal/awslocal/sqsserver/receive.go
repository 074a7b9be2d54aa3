package sqsserver

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
)

// senderID is the sender of every message, since there is only one identity.
const senderID = "AIDALOCAL"

func (s *Server) receiveMessage(r request, in *receiveInput) (*receiveOutput, error) {
	q, err := s.named(in.QueueURL)
	if err != nil {
		return nil, err
	}
	limit, f := within("MaxNumberOfMessages", in.MaxNumberOfMessages, 1, 1, maxBatchEntries)
	if f != nil {
		return nil, f
	}
	wait, f := within("WaitTimeSeconds", in.WaitTimeSeconds, q.number("ReceiveMessageWaitTimeSeconds"), 0, int(maxReceiveWait/time.Second))
	if f != nil {
		return nil, f
	}
	hidden, f := within("VisibilityTimeout", in.VisibilityTimeout, -1, 0, int(maxVisibility/time.Second))
	if f != nil {
		return nil, f
	}
	taken, err := s.await(r, q.name, limit, time.Duration(hidden)*time.Second, time.Duration(wait)*time.Second)
	if err != nil {
		return nil, err
	}
	out := &receiveOutput{undo: func() { s.giveBack(q, taken) }}
	for _, m := range taken {
		out.Messages = append(out.Messages, s.received(q, m, in))
	}
	return out, nil
}

// within returns the value, or standard when the client gave none.
func within(name string, value *int, standard, least, most int) (int, *failure) {
	if value == nil {
		return standard, nil
	}
	if *value < least || *value > most {
		return 0, invalidParameter(name, *value, "Must be >= "+strconv.Itoa(least)+" and <= "+strconv.Itoa(most)+", if provided.")
	}
	return *value, nil
}

// await takes messages as soon as there are any. It returns none when the wait is over,
// the client has gone or the server drains.
func (s *Server) await(r request, name string, limit int, visibility, wait time.Duration) ([]*message, error) {
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	for {
		changed := s.notifier.next(name)
		taken, redriven, next, err := s.store.take(name, limit, visibility)
		if redriven != "" {
			s.notifier.notify(redriven)
		}
		if err != nil || len(taken) > 0 || wait == 0 {
			return taken, err
		}
		var again <-chan time.Time
		if !next.IsZero() {
			// One millisecond more, the resolution of stored times, so that the message is visible
			// for certain.
			again = time.After(next.Sub(s.store.now()) + time.Millisecond)
		}
		select {
		case <-changed:
		case <-again:
		case <-deadline.C:
			return nil, nil
		case <-r.ctx.Done():
			return nil, nil
		case <-s.drain:
			return nil, nil
		}
	}
}

// giveBack undoes a delivery whose client has gone.
func (s *Server) giveBack(q *queue, taken []*message) {
	if len(taken) == 0 {
		return
	}
	if err := s.store.untake(q.id, taken); err != nil {
		s.logger.Error("giving messages back; they return after their visibility timeout", "queue", q.name, "error", err)
		return
	}
	s.notifier.notify(q.name)
}

// received returns the message in the form that the client asked for.
func (s *Server) received(q *queue, m *message, in *receiveInput) receivedMessage {
	out := receivedMessage{
		MessageID:     m.MessageID,
		ReceiptHandle: m.handle(q.id),
		MD5OfBody:     bodyDigest(m.Body),
		Body:          m.Body,
	}
	system := map[string]string{
		"SenderId":                         senderID,
		"SentTimestamp":                    strconv.FormatInt(m.Sent, 10),
		"ApproximateReceiveCount":          strconv.Itoa(m.Received),
		"ApproximateFirstReceiveTimestamp": strconv.FormatInt(m.FirstReceived, 10),
	}
	if m.Group != "" {
		system["MessageGroupId"] = m.Group
	}
	if m.Trace != "" {
		system[traceHeader] = m.Trace
	}
	if m.Source != "" {
		system["DeadLetterQueueSourceArn"] = s.arn(m.Source)
	}
	asked := slices.Concat(in.AttributeNames, in.MessageSystemAttributeNames)
	for name, value := range system {
		if slices.Contains(asked, "All") || slices.Contains(asked, name) {
			if out.Attributes == nil {
				out.Attributes = make(map[string]string)
			}
			out.Attributes[name] = value
		}
	}
	for name, value := range m.Attributes {
		if slices.ContainsFunc(in.MessageAttributeNames, func(pattern string) bool { return attributeMatches(pattern, name) }) {
			if out.MessageAttributes == nil {
				out.MessageAttributes = make(map[string]attributeValue)
			}
			out.MessageAttributes[name] = value
		}
	}
	// The digest covers the returned attributes, as clients check it.
	out.MD5OfMessageAttributes = attributesDigest(out.MessageAttributes)
	return out
}

// attributeMatches understands "All", ".*", "prefix.*" and plain names.
func attributeMatches(pattern, name string) bool {
	if pattern == "All" || pattern == ".*" {
		return true
	}
	if prefix, ok := strings.CutSuffix(pattern, ".*"); ok {
		return strings.HasPrefix(name, prefix)
	}
	return pattern == name
}

func (s *Server) deleteMessage(_ request, in *deleteInput) (*nothing, error) {
	q, err := s.named(in.QueueURL)
	if err != nil {
		return nil, err
	}
	return &nothing{}, s.deleteOne(q, in.deleteEntry)
}

func (s *Server) deleteOne(q *queue, e deleteEntry) error {
	d, err := q.delivery(e.ReceiptHandle)
	if err != nil {
		return err
	}
	return s.store.remove(d)
}

// delivery parses a receipt handle, which must belong to this queue.
func (q *queue) delivery(handle string) (delivery, error) {
	if handle == "" {
		return delivery{}, missingParameter("ReceiptHandle")
	}
	d, f := parseHandle(handle)
	if f != nil {
		return delivery{}, f
	}
	if d.queue != q.id {
		return delivery{}, fail("ReceiptHandleIsInvalid", "The receipt handle is not one of this queue.")
	}
	return d, nil
}

func (s *Server) deleteMessageBatch(_ request, in *deleteBatchInput) (*deleteBatchOutput, error) {
	q, err := s.named(in.QueueURL)
	if err != nil {
		return nil, err
	}
	if f := checkBatch(in.Entries, func(e deleteEntry) string { return e.ID }); f != nil {
		return nil, f
	}
	out := &deleteBatchOutput{Successful: []doneEntry{}}
	for _, e := range in.Entries {
		if err := s.deleteOne(q, e); err != nil {
			out.Failed = append(out.Failed, s.entryFailed(e.ID, err))
			continue
		}
		out.Successful = append(out.Successful, doneEntry{e.ID})
	}
	return out, nil
}

func (s *Server) changeVisibility(_ request, in *visibilityInput) (*nothing, error) {
	q, err := s.named(in.QueueURL)
	if err != nil {
		return nil, err
	}
	return &nothing{}, s.changeOne(q, in.visibilityEntry)
}

func (s *Server) changeOne(q *queue, e visibilityEntry) error {
	d, err := q.delivery(e.ReceiptHandle)
	if err != nil {
		return err
	}
	if e.VisibilityTimeout == nil {
		return missingParameter("VisibilityTimeout")
	}
	seconds, f := within("VisibilityTimeout", e.VisibilityTimeout, 0, 0, int(maxVisibility/time.Second))
	if f != nil {
		return f
	}
	if err := s.store.hide(d, time.Duration(seconds)*time.Second); err != nil {
		return err
	}
	s.notifier.notify(q.name) // waiting polls learn the new time
	return nil
}

func (s *Server) changeVisibilityBatch(_ request, in *visibilityBatchInput) (*visibilityBatchOutput, error) {
	q, err := s.named(in.QueueURL)
	if err != nil {
		return nil, err
	}
	if f := checkBatch(in.Entries, func(e visibilityEntry) string { return e.ID }); f != nil {
		return nil, f
	}
	out := &visibilityBatchOutput{Successful: []doneEntry{}}
	for _, e := range in.Entries {
		if err := s.changeOne(q, e); err != nil {
			out.Failed = append(out.Failed, s.entryFailed(e.ID, err))
			continue
		}
		out.Successful = append(out.Successful, doneEntry{e.ID})
	}
	return out, nil
}

// entryFailed is the error of one entry in a batch.
func (s *Server) entryFailed(id string, err error) failedEntry {
	f, ok := errors.AsType[*failure](err)
	if !ok {
		s.logger.Error("queue server failed within a batch", "error", err)
		f = internalFailure()
	}
	return failed(id, f)
}
