package remote

import (
	"bytes"
	"io"
	"testing"
)

// TestReplayReleasesTheImage ends an exchange while a body of it is read, and reads the body
// to its end, or closes it.
func TestReplayReleasesTheImage(t *testing.T) {
	t.Parallel()
	image := bytes.Repeat([]byte("0123456789abcdef"), 8<<10)
	tests := []struct {
		name        string
		first, read int  // bytes of the first body, and of the second, before the answer
		kept        int  // bytes after it
		closed      bool // without another read
	}{
		{"nothing is sent", 0, 0, 0, false},
		{"the answer comes early", 0, 64 << 10, 0, false},
		{"the whole is sent", 0, len(image), 0, false},
		{"the second body catches up", 32 << 10, 32 << 10, 0, false},
		{"the second body is behind", 32 << 10, 16 << 10, 32 << 10, false},
		{"the second body is behind, and closed", 32 << 10, 16 << 10, 32 << 10, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := &replay{source: bytes.NewReader(image)}
			var got []byte
			var body io.ReadCloser
			for _, n := range []int{tt.first, tt.read} {
				var err error
				if body, err = r.body(); err != nil {
					t.Fatal(err)
				}
				got = make([]byte, n)
				if _, err := io.ReadFull(body, got); err != nil {
					t.Fatal(err)
				}
			}
			r.forget()
			if len(r.kept) != tt.kept {
				t.Errorf("%d bytes are kept after the answer, want %d", len(r.kept), tt.kept)
			}
			if again, err := r.body(); err != errSpent {
				t.Errorf("another body: %v, %v", again, err)
			}
			if !tt.closed {
				rest, err := io.ReadAll(body)
				if got = append(got, rest...); err != nil || !bytes.Equal(got, image) {
					t.Errorf("the body has %d bytes, %v; want the image's %d", len(got), err, len(image))
				}
				if r.kept != nil {
					t.Errorf("%d bytes are kept after the last read", len(r.kept))
				}
			}
			body.Close()
			if r.kept != nil {
				t.Errorf("%d bytes are kept at the end", len(r.kept))
			}
			if n, err := body.Read(make([]byte, 1)); n != 0 || err != io.ErrClosedPipe {
				t.Errorf("read of a closed body: %d, %v", n, err)
			}
		})
	}
}
