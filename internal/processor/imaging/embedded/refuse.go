package embedded

import "claimcheck.example/internal/job"

// unread refuses a valid file of a kind that this engine does not read.
func unread(format, kind string) error {
	return job.Errorf(job.Unsupported, "the embedded engine does not read this kind of %s (%s); the vips engine reads it", format, kind)
}

// unreadable refuses a valid file of a kind that no engine reads.
func unreadable(format, kind string) error {
	return job.Errorf(job.Unsupported, "the built-in processor does not read this kind of %s (%s)", format, kind)
}
