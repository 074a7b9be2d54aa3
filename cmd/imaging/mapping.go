//go:build vips && linux

package main

import (
	"fmt"
	"io"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/processor/imaging/vips"
	"golang.org/x/sys/unix"
)

// mapping is memory that Go does not manage, so that libvips may keep it. Closing it
// returns it to the system at once.
type mapping struct {
	data []byte
	all  []byte
}

func (m *mapping) unmap() {
	if m.all != nil {
		_ = unix.Munmap(m.all)
	}
	*m = mapping{}
}

func newMapping(size int) (mapping, error) {
	all, err := unix.Mmap(-1, 0, max(size, 1), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return mapping{}, fmt.Errorf("memory of %d bytes: %w", size, err)
	}
	return mapping{all[:size], all}, nil
}

// readFile reads a whole file. The size that the request states is a hint.
func readFile(r io.Reader, request vips.Request) (m mapping, err error) {
	most := request.Limits.MaxInputBytes
	size := request.SizeBytes
	if size <= 0 || size > most {
		size = min(1<<20, most)
	}
	if m, err = newMapping(int(size) + 1); err != nil {
		return mapping{}, err
	}
	n := 0
	for {
		k, err := r.Read(m.all[n:])
		n += k
		switch {
		case int64(n) > most:
			m.unmap()
			return mapping{}, job.Errorf(job.TooLarge, "the image has more than %d bytes, the most that is processed", most)
		case err == io.EOF:
			m.data = m.all[:n]
			return m, nil
		case err != nil:
			m.unmap()
			return mapping{}, fmt.Errorf("read input: %w", err)
		case n == len(m.all):
			more, err := unix.Mremap(m.all, int(min(2*int64(n), most+1)), unix.MREMAP_MAYMOVE)
			if err != nil {
				m.unmap()
				return mapping{}, fmt.Errorf("memory of %d bytes: %w", 2*n, err)
			}
			m.all = more
		}
	}
}
