package sandbox

import (
	"bytes"
	"strings"
	"sync"
)

// Tail keeps the end of what is written to it. Safe for concurrent use.
type Tail struct {
	mu  sync.Mutex // guards buf
	buf []byte
}

const tailSize = 2 << 10

func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p[max(0, len(p)-tailSize):]...)
	if over := len(t.buf) - tailSize; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

// Text returns the kept text without control characters other than line ends.
func (t *Tail) Text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r != '\n' && (r < ' ' || r == 0x7f) {
			return ' '
		}
		return r
	}, string(bytes.ToValidUTF8(t.buf, []byte("?")))))
}

// LastLine returns the last line as a sentence for the client, without its full stop.
func (t *Tail) LastLine() string {
	text := t.Text()
	text = strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:])
	if !strings.HasSuffix(text, "..") {
		text = strings.TrimSuffix(text, ".")
	}
	line := []rune(text)
	return string(line[:min(len(line), 300)])
}
