package job

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// EventState is what became of an event: the end of a job, as its webhook hears of it.
type EventState string

const (
	EventPending   EventState = "pending"   // to be delivered, now or later
	EventDelivered EventState = "delivered" // the receiver has accepted it
	EventRefused   EventState = "refused"   // the receiver wants no more of it (410)
	EventFailed    EventState = "failed"    // all tries have failed
)

// EventTry is one try to deliver an event.
type EventTry struct {
	Event string    `json:"webhook_id"`
	At    time.Time `json:"at"`
	// Status is the HTTP status of the answer; zero when there was none.
	Status int `json:"status,omitempty"`
	// Reason says why the try failed; empty for one that did not.
	Reason  string  `json:"reason,omitempty"`
	Seconds float64 `json:"duration_seconds"`
}

// MaxEventTries bounds the tries that an [EventLog] keeps.
const MaxEventTries = 50

// EventLog is what became of the events of one life of a job. Every change of it is a
// compare-and-swap on Version.
type EventLog struct {
	JobID ID `json:"job_id"`
	// Event is the webhook-id of the latest event, and Type its type.
	Event string     `json:"webhook_id"`
	Type  string     `json:"type"`
	State EventState `json:"state"`
	// Tries counts the tries of the event since it began or was last sent again by hand.
	Tries int `json:"tries"`
	// NotBefore is when the next try may begin; zero for at once.
	NotBefore time.Time `json:"not_before,omitzero"`
	// ReplayedAt is when the event was last sent again by hand; zero for never.
	ReplayedAt time.Time `json:"replayed_at,omitzero"`
	// History has the latest tries, the last at the end.
	History []EventTry `json:"history,omitempty"`
	// Revision is a fresh random token in each write, as that of [Job] is.
	Revision string `json:"revision"`

	// Version identifies the stored state that this value was read from; empty for a log
	// that was never stored.
	Version string `json:"-"`
}

// Begin makes event the log's latest, unless it is already.
func (l *EventLog) Begin(event, kind string) {
	if l.Event == event {
		return
	}
	l.Event, l.Type, l.State, l.Tries, l.NotBefore = event, kind, EventPending, 0, time.Time{}
}

// Add keeps a try, and forgets the oldest ones.
func (l *EventLog) Add(t EventTry) {
	l.History = append(l.History[max(0, len(l.History)+1-MaxEventTries):len(l.History):len(l.History)], t)
}

// DecodeEventLog reads a stored log. An error is Corrupt.
func DecodeEventLog(raw []byte) (*EventLog, error) {
	var l EventLog
	err := fmt.Errorf("more than %d bytes", MaxDocument)
	if len(raw) <= MaxDocument {
		err = json.Unmarshal(raw, &l)
	}
	if err == nil && (l.JobID == "" || l.Event == "") {
		err = fmt.Errorf("no job or no event")
	}
	if err != nil {
		return nil, Wrap(Corrupt, fmt.Errorf("event log: %w", err), "the record of this job's deliveries is damaged")
	}
	return &l, nil
}

// EventLogs keeps event logs, by [Job.ObjectID]. It is strongly consistent and safe for
// concurrent use; the kinds of its errors are those of [Documents].
type EventLogs interface {
	// LoadEvents returns the log. NotFound when there is none.
	LoadEvents(ctx context.Context, id ID) (*EventLog, error)

	// SaveEvents stores a log if what is stored is still at l.Version, or is nothing where
	// that is empty, and returns the new version. Conflict otherwise, unless what is there
	// is this very write.
	SaveEvents(ctx context.Context, id ID, l *EventLog) (version string, err error)

	// EraseEvents removes the log. No error when there is none.
	EraseEvents(ctx context.Context, id ID) error
}
