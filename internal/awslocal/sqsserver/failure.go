package sqsserver

import (
	"fmt"
	"net/http"
)

// failure is an error as the client sees it, in both protocols.
type failure struct {
	// shape is the error's name in the service's model, the JSON protocol's __type.
	shape string
	// code is the error's name in the query protocol.
	code    string
	status  int
	message string
}

func (f *failure) Error() string { return f.code + ": " + f.message }

// sender reports whether the client is at fault.
func (f *failure) sender() bool { return f.status < http.StatusInternalServerError }

// fail returns a 400 with the same name in both protocols.
func fail(name, format string, args ...any) *failure {
	return &failure{shape: name, code: name, status: http.StatusBadRequest, message: fmt.Sprintf(format, args...)}
}

// failCompat returns a 400 of a modelled error whose name in the query protocol has the
// old prefix.
func failCompat(name, format string, args ...any) *failure {
	f := fail(name, format, args...)
	f.code = "AWS.SimpleQueueService." + name
	return f
}

func forbidden(name, message string) *failure {
	return &failure{shape: name, code: name, status: http.StatusForbidden, message: message}
}

func internalFailure() *failure {
	return &failure{shape: "InternalError", code: "InternalError", status: http.StatusInternalServerError,
		message: "the local queue server failed; its log says why"}
}

func noSuchQueue() *failure {
	f := failCompat("QueueDoesNotExist", "The specified queue does not exist.")
	f.code = "AWS.SimpleQueueService.NonExistentQueue"
	return f
}

func queueNameExists(attribute string) *failure {
	f := fail("QueueNameExists", "A queue already exists with the same name and a different value for attribute %s", attribute)
	f.code = "QueueAlreadyExists"
	return f
}

func missingParameter(name string) *failure {
	return fail("MissingParameter", "The request must contain the parameter %s.", name)
}

func invalidParameter(name string, value any, reason string) *failure {
	return fail("InvalidParameterValue", "Value %v for parameter %s is invalid. Reason: %s", value, name, reason)
}

func unsupported(format string, args ...any) *failure {
	return failCompat("UnsupportedOperation", format, args...)
}
