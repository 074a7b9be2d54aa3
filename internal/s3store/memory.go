package s3store

import "sync"

// minPart is S3's minimum size of all parts of a multipart upload but the last, in bytes.
// Large buffers have at least this size.
const minPart = 5 << 20

// MemoryOptions size a Memory. Zero values stand for the defaults.
type MemoryOptions struct {
	// Small and Large are the numbers of buffers of each size that are kept for later
	// uploads; 128 and 12 by default.
	Small, Large int
	// SmallBytes is the size of a small buffer; 256 KiB by default.
	SmallBytes int
	// PartBytes is the size of a large buffer and of the parts of multipart uploads; 5 MiB
	// by default, which is also the minimum. An object has at most 10,000 parts: 48.8 GiB by
	// default.
	PartBytes int
	// Spare asks for permission to use one more large buffer than an upload needs, for the
	// next part while one is sent. Nil permits it while fewer than Large are in use.
	Spare func() (release func(), ok bool)
}

// Memory has the buffers of uploads. An upload begins in a small buffer and moves to a large
// one when the small one is full. Memory neither waits nor refuses: the caller bounds the
// number of concurrent uploads.
//
// Buffers are allocated on first use, and kept.
type Memory struct {
	small, large *buffers
	options      MemoryOptions
}

// NewMemory returns a Memory without a buffer in use.
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

// PartBytes is the size of a part. A larger object becomes a multipart upload.
func (m *Memory) PartBytes() int { return m.large.size }

// spare returns an optional large buffer of an upload, if one is permitted. The upload calls
// done when it has one buffer less.
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

// give takes back a buffer of either size.
func (m *Memory) give(b []byte) {
	if len(b) == m.large.size {
		m.large.give(b)
		return
	}
	m.small.give(b)
}

// buffers are all buffers of one size. The last one returned is the first one reused, so that
// there are never more buffers than were once in use together.
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
