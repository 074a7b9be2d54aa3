package jobtest

import (
	"fmt"
	"io"
	"testing"

	"claimcheck.example/internal/job"
)

// BenchmarkStore measures the calls of a job to an implementation of job.Store: documents, and
// objects in typical sizes of images.
func BenchmarkStore(b *testing.B, open func(b *testing.B) StoreFixture) {
	b.Run("Create", func(b *testing.B) {
		s := open(b)
		for b.Loop() {
			create(b, s)
		}
	})
	b.Run("Load", func(b *testing.B) {
		s := open(b)
		j := create(b, s)
		for b.Loop() {
			_, err := s.Load(b.Context(), j.ID)
			must(b, err)
		}
	})
	b.Run("Swap", func(b *testing.B) {
		s := open(b)
		j := create(b, s)
		for b.Loop() {
			next := Claimed(j, "worker")
			version, err := s.Swap(b.Context(), next)
			must(b, err)
			j = next
			j.Version = version
		}
	})
	for _, size := range []int64{64 << 10, 2 << 20, 32 << 20} {
		b.Run(fmt.Sprintf("Put/%dKiB", size>>10), func(b *testing.B) {
			s := open(b)
			b.SetBytes(size)
			b.ReportAllocs()
			id := job.NewID()
			for b.Loop() {
				putSized(b, s, id, size)
			}
		})
		b.Run(fmt.Sprintf("Get/%dKiB", size>>10), func(b *testing.B) {
			s := open(b)
			b.SetBytes(size)
			b.ReportAllocs()
			id := job.NewID()
			putSized(b, s, id, size)
			for b.Loop() {
				c, err := s.Open(b.Context(), job.Input, id, job.OpenOptions{})
				must(b, err)
				_, err = io.Copy(io.Discard, c.Body)
				must(b, err)
				must(b, c.Body.Close())
			}
		})
	}
}

func putSized(b *testing.B, s job.Store, id job.ID, size int64) {
	g, err := s.Stage(b.Context(), job.Input, id, "image/tiff", Bytes(1, size))
	must(b, err)
	_, err = g.Commit(b.Context(), job.Condition{})
	must(b, err)
}

// BenchmarkQueue measures a message's round trip through an implementation of job.Queue.
func BenchmarkQueue(b *testing.B, open func(b *testing.B) QueueFixture) {
	b.Run("SendReceiveDelete", func(b *testing.B) {
		q := open(b)
		for b.Loop() {
			send(b, q)
			must(b, q.Delete(b.Context(), receive(b, q, hidden).Receipt))
		}
	})
}
