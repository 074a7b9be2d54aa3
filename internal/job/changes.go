package job

// Changes reports when documents change, where their store can. Safe for concurrent use.
type Changes interface {
	// Follow follows the document of a job from now on. The caller closes what it returns.
	Follow(id ID) Follower
}

// Follower follows one document.
type Follower interface {
	// Changed gets a value after the document has changed, and whenever a change may have
	// been missed. Changes that come together give one value.
	Changed() <-chan struct{}
	// Live reports whether changes are reported at the moment. While they are not, the
	// caller polls. Each change of Live gives a value in Changed.
	Live() bool
	Close()
}
