package job

import "io"

// Witness sees the accepted images, for the developer's eyes. Its methods never
// block and never fail; nothing that it does may reach the client.
type Previewer interface {
	// Watch is called when an upload begins. It may return nil: nothing to see.
	Watch() Preview
}

// View gets a copy of one upload's bytes, then the news of its acceptance or its end.
type Preview interface {
	io.Writer
	Accepted(j *Job)
	// Close releases the view; after Accepted too.
	Close()
}
