package s3store

import "sync"

// minPart is the least size of a multipart upload's parts but the last, in bytes; S3's
// rule, and the reason why large buffers have at least this size.
const minPart = 5 << 20

// MemoryOptions size a Memory. Zero values stand for the defaults.
type MemoryOptions struct {
	// Small and Large are how many buffers of each size are kept for later uploads; 128
	// and 12 by default.
	Small, Large int
	// SmallBytes is the size of a small buffer; 256 KiB by default.
	SmallBytes int
	// PartBytes is the size of a large buffer and of the parts of multipart uploads; 5 MiB
	// by default and at least. An object has at most 10,000 parts: 48.8 GiB by default.
	PartBytes int
	// Spare asks for room for one large buffer more than an upload needs, in which the next
	// part is read while one is sent. Nil: there is room while fewer than Large are in use.
	Spare func() (release func(), ok bool)
}

// Memory is what uploads are buffered in. An upload begins in a small buffer and moves to a
// large one when that is full. Nothing here waits or refuses: the caller bounds how many
// uploads there are at once.
//
// Buffers are made when they are first needed, and kept.
type Memory struct {
	small, large *buffers
	options      MemoryOptions
}

// NewMemory returns a Memory that nothing has been taken from yet.
func NewMemory(o MemoryOptions) *Memory {
	if o.Small <= 0 {
		o.Small = 128
	}
	if o.SmallBytes <= 0 {
		o.SmallBytes = 256 << 10
	}
	if o.Large <= 0 {
		o.Large = 12
	}
	o.PartBytes = max(o.PartBytes, minPart)
	o.SmallBytes = min(o.SmallBytes, o.PartBytes-1)
	return &Memory{small: &buffers{size: o.SmallBytes, keep: o.Small}, large: &buffers{size: o.PartBytes, keep: o.Large}, options: o}
}

// PartBytes is the size of a part: what is larger becomes a multipart upload.
func (m *Memory) PartBytes() int { return m.large.size }

// spare returns a large buffer that an upload can do without, if there is room for one. Done
// gives the room back, when the upload has one buffer less.
func (m *Memory) spare() (b []byte, done func(), ok bool) {
	if m.options.Spare == nil {
		b, ok = m.large.takeWithin(m.options.Large)
		return b, func() {}, ok
	}
	done, ok = m.options.Spare()
	if !ok {
		return nil, nil, false
	}
	return m.large.take(), done, true
}

// give returns a buffer of either size.
func (m *Memory) give(b []byte) {
	if len(b) == m.large.size {
		m.large.give(b)
		return
	}
	m.small.give(b)
}

// buffers are all buffers of one size. Those given back last are taken first, so that no
// more are ever made than were once in use together.
type buffers struct {
	size, keep int

	mu   sync.Mutex // guards what follows
	used int
	free [][]byte
}

func (b *buffers) take() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pop()
}

// takeWithin returns a buffer if fewer than limit are in use.
func (b *buffers) takeWithin(limit int) ([]byte, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used >= limit {
		return nil, false
	}
	return b.pop(), true
}

// pop is called with mu held.
func (b *buffers) pop() []byte {
	b.used++
	n := len(b.free)
	if n == 0 {
		return make([]byte, b.size)
	}
	last := b.free[n-1]
	b.free = b.free[:n-1]
	return last
}

func (b *buffers) give(buf []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used--
	if len(b.free) < b.keep {
		b.free = append(b.free, buf)
	}
}
