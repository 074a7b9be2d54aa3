package job

// Quota bounds what each owner may submit. Safe for concurrent use; it decides from
// memory and waits for nothing.
type Quota interface {
	// Submit books one submit, before its body is read. Exhausted, with RetryAfter, when
	// the owner has submitted or sent too much already.
	Submit(owner string) error
	// Bytes books the size of an image that has been read. Exhausted when it exceeds
	// what is left.
	Bytes(owner string, n int64) error
}
