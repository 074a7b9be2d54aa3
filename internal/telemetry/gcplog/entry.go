package gcplog

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"cloud.google.com/go/logging/apiv2/loggingpb"
	logtypepb "google.golang.org/genproto/googleapis/logging/type"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const keyPrefix = "logging.googleapis.com/"

// entry converts a structured line as the agents of Google Cloud do: known keys become
// fields of the entry, the others its payload. A line that is not a JSON object becomes a
// text entry. A known key with an invalid value stays in the payload, so that nothing is
// lost.
func entry(line []byte) *loggingpb.LogEntry {
	var fields map[string]any
	if err := json.Unmarshal(line, &fields); err != nil {
		text := strings.ToValidUTF8(strings.TrimSuffix(string(line), "\n"), "\uFFFD")
		return &loggingpb.LogEntry{Payload: &loggingpb.LogEntry_TextPayload{TextPayload: text}}
	}
	e := &loggingpb.LogEntry{}
	if s, ok := fields["severity"].(string); ok {
		if number, known := logtypepb.LogSeverity_value[s]; known {
			e.Severity = logtypepb.LogSeverity(number)
			delete(fields, "severity")
		}
	}
	if s, ok := fields["time"].(string); ok {
		if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
			e.Timestamp = timestamppb.New(t)
			delete(fields, "time")
		}
	}
	e.Trace = take[string](fields, keyPrefix+"trace")
	e.SpanId = take[string](fields, keyPrefix+"spanId")
	e.TraceSampled = take[bool](fields, keyPrefix+"trace_sampled")
	if labels, ok := fields[keyPrefix+"labels"].(map[string]any); ok {
		e.Labels = make(map[string]string, len(labels))
		for key, value := range labels {
			e.Labels[key] = fmt.Sprint(value)
		}
		delete(fields, keyPrefix+"labels")
	}
	e.SourceLocation = takeMessage(fields, keyPrefix+"sourceLocation", &loggingpb.LogEntrySourceLocation{})
	e.HttpRequest = takeMessage(fields, "httpRequest", &logtypepb.HttpRequest{})
	payload, err := structpb.NewStruct(fields)
	if err != nil { // impossible: the fields come from JSON in valid UTF-8
		return &loggingpb.LogEntry{Payload: &loggingpb.LogEntry_TextPayload{TextPayload: string(line)}}
	}
	e.Payload = &loggingpb.LogEntry_JsonPayload{JsonPayload: payload}
	return e
}

// take removes the field from fields and returns it, if it is of type T.
func take[T any](fields map[string]any, key string) T {
	value, ok := fields[key].(T)
	if ok {
		delete(fields, key)
	}
	return value
}

// takeMessage removes the field from fields and returns it as m, if it is m's JSON.
func takeMessage[M proto.Message](fields map[string]any, key string, m M) M {
	var none M
	value, ok := fields[key].(map[string]any)
	if !ok {
		return none
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return none
	}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(encoded, m); err != nil {
		return none
	}
	delete(fields, key)
	return m
}
