package job

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
)

// A bucket may be shared by several releases: while a new one is rolled out, and by workers
// in other languages. So a document keeps the members that this release does not know.
// They are kept at its top alone: that is where a release has to put what it adds.

// plainJob is a Job without custom JSON methods.
type plainJob Job

// UnmarshalJSON reads a document, and into Extra what is not known of it.
func (j *Job) UnmarshalJSON(raw []byte) error {
	j.Extra = nil
	known := *j
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if d.Decode((*plainJob)(&known)) == nil && len(bytes.TrimSpace(raw[d.InputOffset():])) == 0 {
		*j = known
		return nil // nearly always: looking for more takes three times as long
	}
	if err := json.Unmarshal(raw, (*plainJob)(j)); err != nil {
		return err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return err
	}
	for name := range members {
		if isKnown(name) {
			delete(members, name)
		}
	}
	if len(members) > 0 {
		j.Extra = members
	}
	return nil
}

// MarshalJSON writes a document, with Extra behind what is known.
func (j Job) MarshalJSON() ([]byte, error) {
	raw, err := json.Marshal(plainJob(j))
	if err != nil || len(j.Extra) == 0 {
		return raw, err
	}
	extra, err := json.Marshal(j.Extra)
	if err != nil {
		return nil, err
	}
	raw[len(raw)-1] = ','
	return append(raw, extra[1:]...), nil
}

// isKnown reports whether a document's member is one of ours; encoding/json finds them in
// any case.
func isKnown(name string) bool {
	return slices.Contains(memberNames, name) || slices.ContainsFunc(memberNames, func(ours string) bool { return strings.EqualFold(ours, name) })
}

var memberNames = func() (names []string) {
	for field := range reflect.TypeFor[Job]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}()
