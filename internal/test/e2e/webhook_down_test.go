package e2e_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/job"
	"claimcheck.example/internal/pgstore"
	"claimcheck.example/internal/s3store"
	"claimcheck.example/internal/sqsqueue"
	"claimcheck.example/internal/test/service"
)

// home is where a service with webhooks keeps its documents and messages, for a test that
// has time pass there.
type home struct {
	url       string
	documents interface {
		job.Documents
		job.EventLogs
	}
	queue job.Queue
}

// pass has the pause before the next try of a webhook pass: the log forgets it, and a second
// message, which does no harm, makes a worker look at once.
func (h home) pass(t *testing.T, id job.ID) {
	t.Helper()
	j, err := h.documents.Load(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for {
		l, err := h.documents.LoadEvents(t.Context(), j.ObjectID())
		if err != nil {
			t.Fatal(err)
		}
		l.NotBefore, l.Revision = time.Time{}, uuid.NewString()
		_, err = h.documents.SaveEvents(t.Context(), j.ObjectID(), l)
		if err == nil {
			break
		}
		if job.KindOf(err) != job.Conflict {
			t.Fatal(err)
		}
	}
	if err := h.queue.Send(t.Context(), job.Message{JobID: id, Owner: j.Owner, Webhook: true}); err != nil {
		t.Fatal(err)
	}
}

// awsHome is a service on S3 and SQS, in this process.
func awsHome(t *testing.T) home {
	t.Helper()
	s := apptest.Start(t, "WEBHOOK_KEY="+webhookKey, "OUTBOUND_ALLOW=127.0.0.1")
	s.StartWorker(t)
	return home{url: s.URL, documents: s3store.New(s.S3, s.Bucket, s3store.Options{}), queue: sqsqueue.New(s.SQS, s.QueueURL, sqsqueue.Options{})}
}

// databaseHome is a server and a worker on PostgreSQL and a folder, as processes.
func databaseHome(t *testing.T) home {
	t.Helper()
	h := service.NewHome(t)
	h.Provision(t)
	vars := []string{"WEBHOOK_KEY=" + webhookKey, "OUTBOUND_ALLOW=127.0.0.1"}
	server := h.Launch(t, "server", vars...)
	h.Launch(t, "worker", vars...)
	db, err := pgstore.Open(h.Database, pgstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return home{url: server.URL, documents: pgstore.NewStore(db), queue: pgstore.NewQueue(db, pgstore.QueueOptions{Name: "webhooks"})}
}

// TestReceiverIsDown has a receiver refuse the connection three times, and the pauses pass: the
// fourth try arrives, verified by the library of Standard Webhooks. The command lists the
// tries and sends the event again.
func TestReceiverIsDown(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*testing.T) home{"S3 and SQS": awsHome, "PostgreSQL": databaseHome} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := start(t)
			var tries atomic.Int64
			got := make(chan received, 8)
			receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if tries.Add(1) <= 3 {
					panic(http.ErrAbortHandler) // closes the connection
				}
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				got <- received{r.Header, body}
			}))
			t.Cleanup(receiver.Close)
			ct, form := apptest.Form(t, picture(t, 1), "webhook", receiver.URL)
			a := apptest.Do(t, http.MethodPost, h.url+"/jobs", bytes.NewReader(form), "Content-Type", ct)
			if a.StatusCode != http.StatusAccepted {
				t.Fatalf("submit: %s: %s", a.Status, a.Bytes)
			}
			id := a.JSON(t)["job_id"].(string)
			location := h.url + "/jobs/" + id
			for n, pause := range []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute} {
				log := awaitTries(t, location, n+1)
				last := log.Tries[n]
				if log.State != "pending" || last.Status != 0 || last.Reason == "" || log.NextTryAt.Sub(last.At) < pause {
					t.Errorf("after %d tries the deliveries are %+v, want a pause of %s", n+1, log, pause)
				}
				if n > 0 { // five seconds pass by themselves
					h.pass(t, job.ID(id))
				}
			}
			r := next(t, got)
			verify(t, h.url, "", r)
			log := awaitTries(t, location, 4)
			if log.State != "delivered" || log.Tries[3].Status != http.StatusOK || log.NextTryAt != nil {
				t.Errorf("the deliveries are %+v", log)
			}
			out := command(t, "deliveries", "--server", h.url, id)
			if !strings.HasPrefix(out, "delivered "+r.header.Get("Webhook-Id")+"\n") || strings.Count(out, "\n") != 5 {
				t.Errorf("the command lists %q", out)
			}
			command(t, "deliveries", "--server", h.url, "--replay", id)
			if again := next(t, got); again.header.Get("Webhook-Id") != r.header.Get("Webhook-Id") || !bytes.Equal(again.body, r.body) {
				t.Errorf("the replay is %v %s", again.header, again.body)
			}
		})
	}
}

// deliveries is the answer of GET /jobs/{job_id}/deliveries.
type deliveries struct {
	State     string
	NextTryAt *time.Time `json:"next_try_at"`
	Tries     []struct {
		At     time.Time
		Status int
		Reason string
	}
}

// awaitTries polls the deliveries of a job until there are n tries.
func awaitTries(t *testing.T, location string, n int) (d deliveries) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(service.Limit)
	for {
		a := apptest.Get(t, location+"/deliveries")
		d = deliveries{}
		if err := json.Unmarshal(a.Bytes, &d); err != nil || a.StatusCode != http.StatusOK {
			t.Fatalf("deliveries: %s: %s", a.Status, a.Bytes)
		}
		if len(d.Tries) >= n && (d.NextTryAt != nil || d.State != "pending") {
			return d
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%d tries do not come: %s", n, a.Bytes)
		}
	}
}

// command runs a claimcheck command to its end.
func command(t *testing.T, args ...string) (out string) {
	t.Helper()
	p, err := service.Commands(t).Start("claimcheck", nil, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	if err := p.Wait(); err != nil {
		t.Fatalf("claimcheck %q: %v: %s", args, err, p.Output())
	}
	return p.Output()
}
