package jobtest

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"iter"
	"sync"
	"testing"
	"time"

	"claimcheck.example/internal/job"
)

// Store is the twin of job.Store. It fails its test if
//   - a write has an invalid document, an invalid change (see CheckStep), or the revision of
//     another write,
//   - a job without an output is completed,
//   - a Staged is not ended, or a Body or a Follower not closed, by the end of the test.
//
// Its entity tags are the MD5 of the bytes, as in S3, so that equal bytes have equal tags.
type Store struct {
	Faults
	// IgnoreConditions makes every Commit of an object succeed under any condition, as some
	// stores do. Set it before the first use.
	IgnoreConditions bool

	tb testing.TB

	// mu guards what follows.
	mu        sync.Mutex
	docs      map[job.ID][]byte
	objects   map[place]object
	lists     map[listed]struct{}
	events    map[job.ID][]byte
	revisions map[string][]byte // the bytes that each revision was written with
	staged    int               // not ended yet
	bodies    int               // not closed yet
	followers map[*follower]struct{}
	mute      bool // no changes are reported
}

type place struct {
	section job.Section
	id      job.ID
}

type object struct {
	data        []byte
	contentType string
	tag         string
	modified    time.Time
}

// NewStore returns an empty store that reports broken invariants to tb.
func NewStore(tb testing.TB) *Store {
	s := &Store{
		tb:        tb,
		docs:      make(map[job.ID][]byte),
		objects:   make(map[place]object),
		lists:     make(map[listed]struct{}),
		revisions: make(map[string][]byte),
		followers: make(map[*follower]struct{}),
	}
	tb.Cleanup(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.staged != 0 {
			tb.Errorf("jobtest: %d staged objects were neither committed nor discarded", s.staged)
		}
		if s.bodies != 0 {
			tb.Errorf("jobtest: %d bodies were not closed", s.bodies)
		}
		if len(s.followers) != 0 {
			tb.Errorf("jobtest: %d followers were not closed", len(s.followers))
		}
	})
	return s
}

// PutRaw stores any bytes as id's document.
func (s *Store) PutRaw(id job.ID, raw []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.docs[id] = bytes.Clone(raw)
}

// Documents returns the number of documents.
func (s *Store) Documents() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.docs)
}

// Objects returns the number of objects in the section.
func (s *Store) Objects(section job.Section) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for p := range s.objects {
		if p.section == section {
			n++
		}
	}
	return n
}

// Create implements job.Documents.
func (s *Store) Create(ctx context.Context, j *job.Job) (string, error) {
	return run(ctx, &s.Faults, OpCreate, func() (string, error) {
		version, _, err := s.create(j)
		return version, err
	})
}

// create also reports whether the document is new.
func (s *Store) create(j *job.Job) (version string, created bool, err error) {
	raw := s.encode(j)
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.docs[j.ID]; ok {
		if revisionOf(old) == j.Revision {
			return tagOf(old), false, nil
		}
		return "", false, job.Errorf(job.Conflict, "job %s exists already", j.ID)
	}
	s.check(checkBirth(j))
	s.put(j, raw)
	return tagOf(raw), true, nil
}

// Load implements job.Documents.
func (s *Store) Load(ctx context.Context, id job.ID) (*job.Job, error) {
	return run(ctx, &s.Faults, OpLoad, func() (*job.Job, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		raw, ok := s.docs[id]
		if !ok {
			return nil, job.Errorf(job.NotFound, "there is no job %s", id)
		}
		j, err := decode(raw)
		switch {
		case err != nil || j.ID != id || j.Status == "" || j.Owner == "":
			return nil, job.Wrap(job.Corrupt, err, "the document of this job is damaged")
		case !j.Status.Known():
			return nil, job.Errorf(job.Unavailable, "this job was written by a newer release")
		}
		j.Version = tagOf(raw)
		return j, nil
	})
}

// Swap implements job.Documents.
func (s *Store) Swap(ctx context.Context, j *job.Job) (string, error) {
	return run(ctx, &s.Faults, OpSwap, func() (string, error) {
		raw := s.encode(j)
		s.mu.Lock()
		defer s.mu.Unlock()
		old, ok := s.docs[j.ID]
		switch {
		case ok && revisionOf(old) == j.Revision && bytes.Equal(old, raw):
			return tagOf(old), nil
		case !ok || tagOf(old) != j.Version:
			return "", job.Errorf(job.Conflict, "job %s was changed by another request", j.ID)
		}
		if was, err := decode(old); err == nil {
			s.check(CheckStep(was, j))
		}
		if j.Status == job.Completed {
			if _, ok := s.objects[place{job.Output, j.OutputObject()}]; !ok {
				s.tb.Errorf("jobtest: job %s was completed, but its output is not there", j.ID)
			}
		}
		s.put(j, raw)
		return tagOf(raw), nil
	})
}

// Erase implements job.Documents.
func (s *Store) Erase(ctx context.Context, id job.ID, version string) error {
	_, err := run(ctx, &s.Faults, OpErase, func() (struct{}, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if old, ok := s.docs[id]; ok && version != "" && tagOf(old) != version {
			return struct{}{}, job.Errorf(job.Conflict, "job %s was changed by another request", id)
		}
		delete(s.docs, id)
		s.changed(id)
		return struct{}{}, nil
	})
	return err
}

// Jobs implements job.Index. The time of a document's last write is its UpdatedAt.
func (s *Store) Jobs(ctx context.Context, from, to time.Time) iter.Seq2[job.ID, error] {
	return func(yield func(job.ID, error) bool) {
		ids, err := run(ctx, &s.Faults, OpJobs, func() (ids []job.ID, err error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			for id, raw := range s.docs {
				j, err := decode(raw)
				if err == nil && (!from.IsZero() && j.UpdatedAt.Before(from) || !to.IsZero() && j.UpdatedAt.After(to)) {
					continue
				}
				ids = append(ids, id)
			}
			return ids, nil
		})
		if err != nil {
			yield("", err)
			return
		}
		for _, id := range ids {
			if !yield(id, nil) {
				return
			}
		}
	}
}

// Ready implements job.Store.
func (s *Store) Ready(ctx context.Context) error {
	_, err := run(ctx, &s.Faults, OpReady, func() (struct{}, error) { return struct{}{}, nil })
	return err
}

// put stores a document; the caller holds mu.
func (s *Store) put(j *job.Job, raw []byte) {
	if earlier, ok := s.revisions[j.Revision]; ok && !bytes.Equal(earlier, raw) {
		s.tb.Errorf("jobtest: job %s: revision %q names two different writes", j.ID, j.Revision)
	}
	s.revisions[j.Revision] = raw
	s.docs[j.ID] = raw
	s.changed(j.ID)
}

func (s *Store) encode(j *job.Job) []byte {
	raw, err := json.Marshal(j)
	if err != nil {
		s.tb.Errorf("jobtest: job %s cannot be written: %v", j.ID, err)
	}
	return raw
}

func (s *Store) check(err error) {
	if err != nil {
		s.tb.Errorf("jobtest: %v", err)
	}
}

func decode(raw []byte) (*job.Job, error) {
	var j job.Job
	if err := json.Unmarshal(raw, &j); err != nil {
		return nil, err
	}
	return &j, nil
}

// revisionOf returns the revision of a stored document, empty when it is damaged.
func revisionOf(raw []byte) string {
	if j, err := decode(raw); err == nil {
		return j.Revision
	}
	return ""
}

func tagOf(data []byte) string {
	sum := md5.Sum(data)
	return hex.EncodeToString(sum[:])
}
