package sqsserver

import (
	"encoding/base64"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxListed bounds the queues on one page of a list.
const maxListed = 1000

var queueName = regexp.MustCompile(fmt.Sprintf(`^[A-Za-z0-9_-]{1,%d}$`, maxQueueNameSize))

// nameOf returns the queue's name in its URL. Only the last segment counts, since clients
// reach the server under several host names.
func nameOf(queueURL string) (string, *failure) {
	if queueURL == "" {
		return "", missingParameter("QueueUrl")
	}
	return path.Base(queueURL), nil
}

// queueOfInput returns the queue name in an input, empty when there is none.
func queueOfInput(input any) string {
	switch in := input.(type) {
	case interface{ queueURL() string }:
		if in.queueURL() == "" {
			return ""
		}
		return path.Base(in.queueURL())
	case *createQueueInput:
		return in.QueueName
	case *getQueueURLInput:
		return in.QueueName
	}
	return ""
}

func (in *queueInput) queueURL() string            { return in.QueueURL }
func (in *listSourceQueuesInput) queueURL() string { return in.QueueURL }
func (in *getAttributesInput) queueURL() string    { return in.QueueURL }
func (in *setAttributesInput) queueURL() string    { return in.QueueURL }
func (in *tagQueueInput) queueURL() string         { return in.QueueURL }
func (in *untagQueueInput) queueURL() string       { return in.QueueURL }
func (in *sendInput) queueURL() string             { return in.QueueURL }
func (in *sendBatchInput) queueURL() string        { return in.QueueURL }
func (in *receiveInput) queueURL() string          { return in.QueueURL }
func (in *deleteInput) queueURL() string           { return in.QueueURL }
func (in *deleteBatchInput) queueURL() string      { return in.QueueURL }
func (in *visibilityInput) queueURL() string       { return in.QueueURL }
func (in *visibilityBatchInput) queueURL() string  { return in.QueueURL }

func (r request) queueURL(name string) string {
	return r.base + "/" + accountID + "/" + name
}

func (s *Server) createQueue(r request, in *createQueueInput) (*queueURLOutput, error) {
	switch {
	case in.QueueName == "":
		return nil, missingParameter("QueueName")
	case strings.HasSuffix(in.QueueName, ".fifo"):
		return nil, unsupported("Queue %q: this local server has standard queues only, no FIFO queues.", in.QueueName)
	case !queueName.MatchString(in.QueueName):
		return nil, invalidParameter("QueueName", strconv.Quote(in.QueueName),
			"Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.")
	}
	if f := checkAttributes(in.Attributes); f != nil {
		return nil, f
	}
	if err := s.store.createQueue(in.QueueName, in.Attributes, in.Tags); err != nil {
		return nil, err
	}
	return &queueURLOutput{r.queueURL(in.QueueName)}, nil
}

func (s *Server) getQueueURL(r request, in *getQueueURLInput) (*queueURLOutput, error) {
	if in.QueueName == "" {
		return nil, missingParameter("QueueName")
	}
	q, err := s.store.queue(in.QueueName)
	if err != nil {
		return nil, err
	}
	return &queueURLOutput{r.queueURL(q.name)}, nil
}

func (s *Server) listQueues(r request, in *listQueuesInput) (*listQueuesOutput, error) {
	all, err := s.store.queues()
	if err != nil {
		return nil, err
	}
	var urls []string
	for _, q := range all {
		if strings.HasPrefix(q.name, in.QueueNamePrefix) {
			urls = append(urls, r.queueURL(q.name))
		}
	}
	out := &listQueuesOutput{}
	out.QueueURLs, out.NextToken, err = page(urls, in.MaxResults, in.NextToken)
	return out, err
}

func (s *Server) listSourceQueues(r request, in *listSourceQueuesInput) (*listSourceQueuesOutput, error) {
	target, f := nameOf(in.QueueURL)
	if f != nil {
		return nil, f
	}
	if _, err := s.store.queue(target); err != nil {
		return nil, err
	}
	all, err := s.store.queues()
	if err != nil {
		return nil, err
	}
	urls := []string{}
	for _, q := range all {
		if policy, ok := q.redrive(); ok && policy.target == target {
			urls = append(urls, r.queueURL(q.name))
		}
	}
	out := &listSourceQueuesOutput{}
	out.QueueURLs, out.NextToken, err = page(urls, in.MaxResults, in.NextToken)
	return out, err
}

// page returns one page of the sorted list. A token is the last item of the previous
// page; there is none unless the client asks for pages.
func page(all []string, limit *int, token string) (items []string, next string, err error) {
	after, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return nil, "", fail("InvalidParameterValue", "Invalid or expired next token.")
	}
	start, found := slices.BinarySearch(all, string(after))
	if found {
		start++
	}
	size := maxListed
	if limit != nil {
		if *limit < 1 || *limit > maxListed {
			return nil, "", invalidParameter("MaxResults", *limit, "Must be between 1 and 1000.")
		}
		size = *limit
	}
	items = all[start:]
	if len(items) > size {
		items = items[:size]
		if limit != nil {
			next = base64.RawURLEncoding.EncodeToString([]byte(items[size-1]))
		}
	}
	return items, next, nil
}

func (s *Server) deleteQueue(_ request, in *queueInput) (*nothing, error) {
	name, f := nameOf(in.QueueURL)
	if f != nil {
		return nil, f
	}
	err := s.store.deleteQueue(name)
	s.notifier.notify(name) // waiting polls find out that it is gone
	return &nothing{}, err
}

func (s *Server) purgeQueue(_ request, in *queueInput) (*nothing, error) {
	name, f := nameOf(in.QueueURL)
	if f != nil {
		return nil, f
	}
	return &nothing{}, s.store.purge(name)
}

func (s *Server) getQueueAttributes(_ request, in *getAttributesInput) (*getAttributesOutput, error) {
	name, f := nameOf(in.QueueURL)
	if f != nil {
		return nil, f
	}
	q, err := s.store.queue(name)
	if err != nil {
		return nil, err
	}
	everything, err := s.describe(q)
	if err != nil {
		return nil, err
	}
	out := &getAttributesOutput{Attributes: make(map[string]string)}
	for _, name := range in.AttributeNames {
		if name == "All" {
			return &getAttributesOutput{Attributes: everything}, nil
		}
		value, ok := everything[name]
		switch {
		case ok:
			out.Attributes[name] = value
		case name == "RedrivePolicy" || slices.Contains(keptAttributes, name): // not set
		default:
			return nil, fail("InvalidAttributeName", "Unknown Attribute %s.", name)
		}
	}
	return out, nil
}

// describe returns all attributes of the queue that have a value.
func (s *Server) describe(q *queue) (map[string]string, error) {
	c, err := s.store.counts(q)
	if err != nil {
		return nil, err
	}
	all := map[string]string{
		"QueueArn":                              s.arn(q.name),
		"CreatedTimestamp":                      strconv.FormatInt(q.created.Unix(), 10),
		"LastModifiedTimestamp":                 strconv.FormatInt(q.modified.Unix(), 10),
		"ApproximateNumberOfMessages":           strconv.FormatInt(c.visible, 10),
		"ApproximateNumberOfMessagesNotVisible": strconv.FormatInt(c.inFlight, 10),
		"ApproximateNumberOfMessagesDelayed":    strconv.FormatInt(c.delayed, 10),
		"SqsManagedSseEnabled":                  q.attribute("SqsManagedSseEnabled"),
	}
	for name := range numericAttributes {
		all[name] = q.attribute(name)
	}
	for name, value := range q.attributes {
		if value != "" {
			all[name] = value
		}
	}
	return all, nil
}

func (s *Server) setQueueAttributes(_ request, in *setAttributesInput) (*nothing, error) {
	name, f := nameOf(in.QueueURL)
	if f != nil {
		return nil, f
	}
	if len(in.Attributes) == 0 {
		return nil, missingParameter("Attribute.Name")
	}
	if f := checkAttributes(in.Attributes); f != nil {
		return nil, f
	}
	err := s.store.changeQueue(name, func(q *queue) { maps.Copy(q.attributes, in.Attributes) })
	s.notifier.notify(name) // a redrive policy or the retention may have changed
	return &nothing{}, err
}

func (s *Server) tagQueue(_ request, in *tagQueueInput) (*nothing, error) {
	name, f := nameOf(in.QueueURL)
	if f != nil {
		return nil, f
	}
	return &nothing{}, s.store.changeQueue(name, func(q *queue) { maps.Copy(q.tags, in.Tags) })
}

func (s *Server) untagQueue(_ request, in *untagQueueInput) (*nothing, error) {
	name, f := nameOf(in.QueueURL)
	if f != nil {
		return nil, f
	}
	return &nothing{}, s.store.changeQueue(name, func(q *queue) {
		for _, key := range in.TagKeys {
			delete(q.tags, key)
		}
	})
}

func (s *Server) listQueueTags(_ request, in *queueInput) (*listTagsOutput, error) {
	name, f := nameOf(in.QueueURL)
	if f != nil {
		return nil, f
	}
	q, err := s.store.queue(name)
	if err != nil {
		return nil, err
	}
	return &listTagsOutput{Tags: q.tags}, nil
}
