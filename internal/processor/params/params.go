// Package params reads the params of a job strictly: they are a JSON object in which each
// key appears once. Every refusal is a job.Invalid error whose sentence names the
// mistake.
package params

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"claimcheck.example/internal/job"
)

// Member is one key of a JSON object with its value, or one item of an array under the
// array's name.
type Member struct {
	Key   string
	Value json.RawMessage
}

// Object splits a JSON object into its members, in order. A refusal calls the object by
// name.
func Object(name string, raw json.RawMessage) ([]Member, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, Invalid("%s must be a JSON object", name)
	}
	var members []Member
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, Invalid("%s must be a JSON object", name)
		}
		m := Member{Key: t.(string)} // the decoder accepts no other type for a key
		if slices.ContainsFunc(members, func(o Member) bool { return o.Key == m.Key }) {
			return nil, Invalid("%s has the key %.40q twice", name, m.Key)
		}
		if len(members) == 64 {
			return nil, Invalid("%s has too many keys", name)
		}
		if err := dec.Decode(&m.Value); err != nil {
			return nil, Invalid("%s must be a JSON object", name)
		}
		members = append(members, m)
	}
	if _, err := dec.Token(); err != nil {
		return nil, Invalid("%s must be a JSON object", name)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, Invalid("%s must be one JSON object and nothing after it", name)
	}
	return members, nil
}

// Invalid returns an error that refuses params.
func Invalid(format string, args ...any) error {
	return job.Errorf(job.Invalid, format, args...)
}

// Unknown refuses an unknown key and lists the known ones.
func (m Member) Unknown(known ...string) error {
	return Invalid("there is no %.40q; known are %s", m.Key, strings.Join(known, ", "))
}

// Array returns the items of a list, at most limit of them.
func (m Member) Array(limit int) ([]Member, error) {
	var raw []json.RawMessage
	if !strings.HasPrefix(string(m.Value), "[") || json.Unmarshal(m.Value, &raw) != nil {
		return nil, Invalid("%s must be a list", m.Key)
	}
	if len(raw) > limit {
		return nil, Invalid("%s must have at most %d items", m.Key, limit)
	}
	items := make([]Member, len(raw))
	for i, v := range raw {
		items[i] = Member{Key: fmt.Sprintf("%s[%d]", m.Key, i), Value: v}
	}
	return items, nil
}

// Integer returns a whole number from low to high.
func (m Member) Integer(low, high int) (int, error) {
	n, err := strconv.Atoi(string(m.Value))
	if err != nil || n < low || n > high {
		return 0, Invalid("%s must be a whole number from %d to %d", m.Key, low, high)
	}
	return n, nil
}

// Number returns a number from low to high, neither of which is negative.
func (m Member) Number(low, high float64) (float64, error) {
	// A JSON number begins with a digit once signs are refused.
	if m.Value[0] >= '0' && m.Value[0] <= '9' {
		if v, err := strconv.ParseFloat(string(m.Value), 64); err == nil && v >= low && v <= high {
			return v, nil
		}
	}
	return 0, Invalid("%s must be a number from %g to %g", m.Key, low, high)
}

// Choice returns one of the allowed strings.
func (m Member) Choice(allowed ...string) (string, error) {
	var s string
	if !strings.HasPrefix(string(m.Value), `"`) || json.Unmarshal(m.Value, &s) != nil || !slices.Contains(allowed, s) {
		return "", Invalid("%s must be one of %s", m.Key, strings.Join(allowed, ", "))
	}
	return s, nil
}

// Bool returns true or false.
func (m Member) Bool() (bool, error) {
	switch string(m.Value) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, Invalid("%s must be one of true, false", m.Key)
}

// True accepts only the boolean true.
func (m Member) True() error {
	if string(m.Value) != "true" {
		return Invalid("%s must be true", m.Key)
	}
	return nil
}
