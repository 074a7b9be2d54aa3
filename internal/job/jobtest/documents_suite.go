package jobtest

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"claimcheck.example/internal/job"
)

// racers is the number of concurrent writers of which exactly one may win.
const racers = 32

// TestStore tests an implementation of job.Store against the comments on the interface.
// Each subtest gets a fixture of its own.
func TestStore(t *testing.T, open func(t *testing.T) StoreFixture) {
	t.Run("Documents", func(t *testing.T) { testDocuments(t, open) })
	t.Run("Lists", func(t *testing.T) { testLists(t, open) })
	t.Run("Objects", func(t *testing.T) { testObjects(t, open) })
	t.Run("Ready", func(t *testing.T) {
		t.Parallel()
		s := open(t)
		must(t, s.Ready(t.Context()))
		wantKind(t, s.Ready(ended(t)), job.Canceled)
	})
}

func testDocuments(t *testing.T, open func(t *testing.T) StoreFixture) {
	tests := map[string]func(*testing.T, StoreFixture){
		"Load returns what Create stored":               testCreateLoad,
		"Load of no document is NotFound":               testLoadNothing,
		"Load of a damaged document is Corrupt":         testLoadDamaged,
		"Load of an unknown status is Unavailable":      testNewerRelease,
		"Swap keeps what it does not know":              testUnknownMembers,
		"Create of an existing document is Conflict":    testCreateTwice,
		"Create recognises its own write":               testCreateAgain,
		"of many creators exactly one wins":             testCreateRace,
		"Swap replaces":                                 testSwap,
		"Swap of another version is Conflict":           testSwapStale,
		"Swap of no document is Conflict":               testSwapNothing,
		"Swap recognises its own write":                 testSwapAgain,
		"of many swappers exactly one wins":             testSwapRace,
		"no swap is lost":                               testSwapCounter,
		"Erase removes":                                 testErase,
		"Erase of another version is Conflict":          testEraseStale,
		"Erase without a version removes what is there": testEraseDamaged,
		"a read sees every write that returned":         testConsistency,
		"an ended context is Canceled":                  testDocumentsCanceled,
		"Jobs lists documents by their last write":      testIndex,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

func create(t testing.TB, s job.Store) *job.Job {
	t.Helper()
	j := NewJob()
	version, err := s.Create(t.Context(), j)
	must(t, err)
	j.Version = version
	return j
}

func testCreateLoad(t *testing.T, s StoreFixture) {
	j := create(t, s)
	if j.Version == "" {
		t.Error("Create returned an empty version")
	}
	got, err := s.Load(t.Context(), j.ID)
	must(t, err)
	if diff := cmp.Diff(j, got); diff != "" {
		t.Errorf("Load differs from what was created (-created +loaded):\n%s", diff)
	}
}

func testLoadNothing(t *testing.T, s StoreFixture) {
	_, err := s.Load(t.Context(), job.NewID())
	wantKind(t, err, job.NotFound)
}

func testLoadDamaged(t *testing.T, s StoreFixture) {
	other, err := json.Marshal(NewJob())
	must(t, err)
	for name, raw := range map[string]string{
		"empty":            "",
		"text":             "<html>",
		"cut off":          string(other[:len(other)/2]),
		"no object":        "[]",
		"another job's":    string(other),
		"followed by":      string(other) + "{}",
		"a wrong type":     `{"job_id": 7}`,
		"without a status": "",
		"without an owner": "",
	} {
		t.Run(name, func(t *testing.T) {
			id := job.NewID()
			j := NewJob()
			j.ID = id
			switch name {
			case "without a status":
				j.Status = ""
				raw = mustJSON(t, j)
			case "without an owner":
				j.Owner = ""
				raw = mustJSON(t, j)
			}
			s.PutRaw(t, id, []byte(raw))
			_, err := s.Load(t.Context(), id)
			wantKind(t, err, job.Corrupt)
		})
	}
}

// testNewerRelease loads a document of a newer release with an unknown status.
func testNewerRelease(t *testing.T, s StoreFixture) {
	j := NewJob()
	j.Status = "thinking"
	s.PutRaw(t, j.ID, []byte(mustJSON(t, j)))
	_, err := s.Load(t.Context(), j.ID)
	wantKind(t, err, job.Unavailable)
}

// testUnknownMembers swaps a document with unknown members of another writer.
func testUnknownMembers(t *testing.T, s StoreFixture) {
	j := NewJob()
	raw := strings.TrimSuffix(mustJSON(t, j), "}") + `,"priority":{"class":"<high>","n":12345678901234567890},"Status":"pending","":null}`
	s.PutRaw(t, j.ID, []byte(raw))
	want := map[string]string{"priority": `{"class":"<high>","n":12345678901234567890}`, "": "null"}
	for range 2 {
		got, err := s.Load(t.Context(), j.ID)
		must(t, err)
		members := map[string]string{}
		for name, value := range got.Extra {
			members[name] = strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(string(value))
		}
		if diff := cmp.Diff(want, members); diff != "" {
			t.Errorf("%s has lost members (-written +loaded):\n%s", got.Status, diff)
		}
		next := Claimed(got, "worker-1")
		_, err = s.Swap(t.Context(), next)
		must(t, err)
	}
	if got, err := s.Load(t.Context(), j.ID); err != nil || got.Status != job.Processing {
		t.Errorf("in the end %+v, %v", got, err)
	}
}

func mustJSON(t testing.TB, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	must(t, err)
	return string(raw)
}

func testCreateTwice(t *testing.T, s StoreFixture) {
	j := create(t, s)
	other := NewJob()
	other.ID = j.ID
	_, err := s.Create(t.Context(), other)
	wantKind(t, err, job.Conflict)
	got, err := s.Load(t.Context(), j.ID)
	must(t, err)
	if got.Revision != j.Revision {
		t.Error("a lost Create changed the document")
	}
}

func testCreateAgain(t *testing.T, s StoreFixture) {
	j := create(t, s)
	version, err := s.Create(t.Context(), j)
	must(t, err)
	if version != j.Version {
		t.Errorf("got version %q, want that of the first write, %q", version, j.Version)
	}
}

func testCreateRace(t *testing.T, s StoreFixture) {
	id := job.NewID()
	winner := race(t, func(int) (string, error) {
		j := NewJob()
		j.ID = id
		_, err := s.Create(t.Context(), j)
		return j.Revision, err
	})
	got, err := s.Load(t.Context(), id)
	must(t, err)
	if got.Revision != winner {
		t.Errorf("stored is revision %s, but %s got success", got.Revision, winner)
	}
}

// race runs many writes at once, checks that exactly one wins and that the others get a
// conflict, and returns the result of the winner.
func race(t *testing.T, write func(racer int) (string, error)) string {
	t.Helper()
	var group sync.WaitGroup
	start := make(chan struct{})
	results := make([]string, racers)
	errs := make([]error, racers)
	for i := range racers {
		group.Go(func() {
			<-start
			results[i], errs[i] = write(i)
		})
	}
	close(start)
	group.Wait()
	winners := []string{}
	for i, err := range errs {
		switch {
		case err == nil:
			winners = append(winners, results[i])
		case job.KindOf(err) != job.Conflict:
			t.Errorf("racer %d: got %v, want a Conflict", i, err)
		}
	}
	if len(winners) != 1 {
		t.Fatalf("%d of %d racers won, want exactly one", len(winners), racers)
	}
	return winners[0]
}

func testSwap(t *testing.T, s StoreFixture) {
	j := create(t, s)
	next := Claimed(j, "worker-1")
	version, err := s.Swap(t.Context(), next)
	must(t, err)
	if version == j.Version || version == "" {
		t.Errorf("got version %q after a swap of %q, want a new one", version, j.Version)
	}
	next.Version = version
	got, err := s.Load(t.Context(), j.ID)
	must(t, err)
	if diff := cmp.Diff(next, got); diff != "" {
		t.Errorf("Load differs from what was swapped in (-swapped +loaded):\n%s", diff)
	}
}

func testSwapStale(t *testing.T, s StoreFixture) {
	j := create(t, s)
	first, second := Claimed(j, "worker-1"), Claimed(j, "worker-2")
	_, err := s.Swap(t.Context(), first)
	must(t, err)
	_, err = s.Swap(t.Context(), second)
	wantKind(t, err, job.Conflict)
	got, err := s.Load(t.Context(), j.ID)
	must(t, err)
	if got.Worker != "worker-1" {
		t.Errorf("the document is %s's, want worker-1's", got.Worker)
	}
}

func testSwapNothing(t *testing.T, s StoreFixture) {
	j := create(t, s)
	must(t, s.Erase(t.Context(), j.ID, j.Version))
	_, err := s.Swap(t.Context(), Claimed(j, "worker-1"))
	wantKind(t, err, job.Conflict)
	_, err = s.Load(t.Context(), j.ID)
	wantKind(t, err, job.NotFound)
}

func testSwapAgain(t *testing.T, s StoreFixture) {
	next := Claimed(create(t, s), "worker-1")
	first, err := s.Swap(t.Context(), next)
	must(t, err)
	second, err := s.Swap(t.Context(), next)
	must(t, err)
	if first != second {
		t.Errorf("got version %q, want that of the first write, %q", second, first)
	}
}

func testSwapRace(t *testing.T, s StoreFixture) {
	j := create(t, s)
	winner := race(t, func(i int) (string, error) {
		next := Claimed(j, fmt.Sprint("worker-", i))
		_, err := s.Swap(t.Context(), next)
		return next.Worker, err
	})
	got, err := s.Load(t.Context(), j.ID)
	must(t, err)
	if got.Worker != winner {
		t.Errorf("stored is %s's claim, but %s got success", got.Worker, winner)
	}
}

// testSwapCounter increments a number in the document from several goroutines.
func testSwapCounter(t *testing.T, s StoreFixture) {
	j := Claimed(create(t, s), "worker-1")
	_, err := s.Swap(t.Context(), j)
	must(t, err)
	const goroutines, increments = 4, 8
	var group sync.WaitGroup
	var conflicts atomic.Int64
	for range goroutines {
		group.Go(func() {
			for done := 0; done < increments; {
				now, err := s.Load(t.Context(), j.ID)
				if err != nil {
					t.Error(err)
					return
				}
				next := Claimed(now, "worker-1")
				next.WorkSeconds++
				switch _, err = s.Swap(t.Context(), next); {
				case err == nil:
					done++
				case job.KindOf(err) != job.Conflict:
					t.Error(err)
					return
				default:
					conflicts.Add(1)
				}
			}
		})
	}
	group.Wait()
	got, err := s.Load(t.Context(), j.ID)
	must(t, err)
	if got.WorkSeconds != goroutines*increments {
		t.Errorf("counted %v, want %d (after %d conflicts)", got.WorkSeconds, goroutines*increments, conflicts.Load())
	}
}

func testErase(t *testing.T, s StoreFixture) {
	j := create(t, s)
	must(t, s.Erase(t.Context(), j.ID, j.Version))
	_, err := s.Load(t.Context(), j.ID)
	wantKind(t, err, job.NotFound)
	if err := s.Erase(t.Context(), j.ID, j.Version); err != nil {
		t.Errorf("Erase of what is gone: %v", err)
	}
}

func testEraseStale(t *testing.T, s StoreFixture) {
	j := create(t, s)
	next := Claimed(j, "worker-1")
	_, err := s.Swap(t.Context(), next)
	must(t, err)
	wantKind(t, s.Erase(t.Context(), j.ID, j.Version), job.Conflict)
	_, err = s.Load(t.Context(), j.ID)
	must(t, err)
}

func testEraseDamaged(t *testing.T, s StoreFixture) {
	id := job.NewID()
	s.PutRaw(t, id, []byte("garbage"))
	must(t, s.Erase(t.Context(), id, ""))
	_, err := s.Load(t.Context(), id)
	wantKind(t, err, job.NotFound)
}

func testConsistency(t *testing.T, s StoreFixture) {
	j := create(t, s)
	for i := range 20 {
		next := Claimed(j, fmt.Sprint("worker-", i))
		version, err := s.Swap(t.Context(), next)
		must(t, err)
		j, err = s.Load(t.Context(), j.ID)
		must(t, err)
		if j.Revision != next.Revision || j.Version != version {
			t.Fatalf("round %d: loaded revision %s, version %s; written %s, %s", i, j.Revision, j.Version, next.Revision, version)
		}
	}
}

func testDocumentsCanceled(t *testing.T, s StoreFixture) {
	j := create(t, s)
	ctx := ended(t)
	_, err := s.Create(ctx, NewJob())
	wantKind(t, err, job.Canceled)
	_, err = s.Load(ctx, j.ID)
	wantKind(t, err, job.Canceled)
	_, err = s.Swap(ctx, Claimed(j, "worker-1"))
	wantKind(t, err, job.Canceled)
	wantKind(t, s.Erase(ctx, j.ID, j.Version), job.Canceled)
}
