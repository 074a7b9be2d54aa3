package job

import "io"

// Previewer sees the accepted images, for the developer's eyes. Its methods never block
// and never fail; nothing that it does may reach the client.
type Previewer interface {
	// Watch is called when an upload begins. It may return nil, to show nothing.
	Watch() Preview
}

// Preview receives a copy of one upload's bytes, and then its acceptance or its end.
type Preview interface {
	io.Writer
	Accepted(j *Job)
	// Close releases the preview, also after Accepted.
	Close()
}
