package job

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// Action is an action of a principal. The schema of the policies says what each is about:
// one job, an account or the whole service.
type Action string

const (
	ActionSubmit     Action = "submit"     // create a job (also the commit of a direct upload)
	ActionReadStatus Action = "readStatus" // see a job's document
	ActionReadOutput Action = "readOutput" // fetch a job's result
	ActionCancel     Action = "cancel"     // end a job without a result
	ActionShare      Action = "share"      // make a link to a job's result, for anyone who has it
	ActionDelete     Action = "delete"     // remove a job, its input and its output
	ActionReadUsage  Action = "readUsage"  // see an owner's usage
	ActionList       Action = "list"       // list an owner's jobs
	ActionAdminister Action = "administer" // operate on all jobs: redrive, usage of everybody
)

// phrases has all actions; "you may not" comes before each phrase.
var phrases = map[Action]string{
	ActionSubmit:     "submit jobs",
	ActionReadStatus: "read this job's status",
	ActionReadOutput: "read this job's output",
	ActionCancel:     "cancel this job",
	ActionShare:      "share this job's output",
	ActionDelete:     "delete this job",
	ActionReadUsage:  "read this usage",
	ActionList:       "list these jobs",
	ActionAdminister: "administer this service",
}

// Actions returns all actions in alphabetical order.
func Actions() []Action { return slices.Sorted(maps.Keys(phrases)) }

// Phrase says what the action does, as it follows "you may not".
func (a Action) Phrase() string { return phrases[a] }

// Access is one question to the reference monitor.
type Access struct {
	Principal Principal
	Action    Action
	// Job is the job in question; nil where the action is about an account or the service.
	Job *Job
	// Owner is whose jobs or usage are in question: the job's owner where there is a
	// job, else the owner asked about; the principal's own for a submit.
	Owner string
	// Source is the client's address as the transport knows it; may be invalid.
	Source netip.Addr
	// Time is the moment of the request.
	Time time.Time
	// Listed says that Job is on a page of a list. The record of the decision about the list
	// covers those about its jobs.
	Listed bool
}

// Decision is the monitor's answer.
type Decision struct {
	Allow bool
	// Policy names the policies that decided; for a denial by default it is empty.
	Policy string
	// Visible says, of a denial, whether the principal may know that the job exists.
	Visible bool
}

// Monitor is the reference monitor (J. P. Anderson, ESD-TR-73-51, 1972): asked for
// every action on every resource, not to be bypassed, small enough to be verified.
//
// Decide is a pure function of its question and of policies fixed at start: it does
// no input or output, is safe for concurrent use, and takes microseconds. It denies
// whenever anything about a decision is in doubt, errors in policies included.
type Monitor interface {
	Decide(ctx context.Context, q Access) Decision
}
