// Command floor is the least that a program can do with the plain AWS SDK: a submit reads the
// body, puts input and document at the same time, and sends a message; a status is one
// GetObject, and an output streams one. A page of the list is one ListObjectsV2 of 20 keys and
// at the same time a GetObject of each document. It checks, bounds, logs and promises nothing.
// internal/test/bench compares the server with it.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

func main() {
	f := &floor{}
	address := flag.String("listen", "127.0.0.1:0", "address to listen on")
	flag.StringVar(&f.bucket, "bucket", "", "name of the bucket")
	flag.StringVar(&f.queue, "queue", "", "URL of the queue")
	flag.StringVar(&f.list, "list", "", "prefix of the keys of the list, which end in a job's identifier")
	flag.Parse()
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	f.s3 = s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	f.sqs = sqs.NewFromConfig(cfg)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /jobs", f.submit)
	mux.HandleFunc("GET /jobs", f.page)
	mux.HandleFunc("GET /jobs/{id}", func(w http.ResponseWriter, r *http.Request) { f.get(w, r, "jobs/") })
	mux.HandleFunc("GET /jobs/{id}/output", func(w http.ResponseWriter, r *http.Request) { f.get(w, r, "output/") })
	log.Fatal(http.ListenAndServe(*address, mux))
}

type floor struct {
	bucket, queue, list string
	s3                  *s3.Client
	sqs                 *sqs.Client
}

func (f *floor) submit(w http.ResponseWriter, r *http.Request) {
	image := make([]byte, max(r.ContentLength, 0))
	_, err := io.ReadFull(r.Body, image)
	if r.ContentLength < 0 {
		image, err = io.ReadAll(r.Body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	id := uuid.Must(uuid.NewV7()).String()
	doc, err := json.Marshal(map[string]any{"job_id": id, "status": "pending", "created_at": time.Now()})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	stored := make(chan error, 1)
	go func() { stored <- f.put(r.Context(), "input/"+id, r.Header.Get("Content-Type"), image) }()
	err = f.put(r.Context(), "jobs/"+id, "application/json", doc)
	if other := <-stored; err == nil {
		err = other
	}
	if err == nil {
		_, err = f.sqs.SendMessage(r.Context(), &sqs.SendMessageInput{QueueUrl: &f.queue, MessageBody: aws.String(`{"job_id":"` + id + `"}`)})
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = w.Write(doc)
}

func (f *floor) put(ctx context.Context, key, contentType string, body []byte) error {
	_, err := f.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: &f.bucket, Key: &key, ContentType: &contentType, Body: bytes.NewReader(body)})
	return err
}

func (f *floor) get(w http.ResponseWriter, r *http.Request, section string) {
	out, err := f.s3.GetObject(r.Context(), &s3.GetObjectInput{Bucket: &f.bucket, Key: aws.String(section + r.PathValue("id"))})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer out.Body.Close()
	w.Header().Set("Content-Type", aws.ToString(out.ContentType))
	w.Header().Set("Content-Length", strconv.FormatInt(aws.ToInt64(out.ContentLength), 10))
	_, _ = io.Copy(w, out.Body)
}

func (f *floor) page(w http.ResponseWriter, r *http.Request) {
	out, err := f.s3.ListObjectsV2(r.Context(), &s3.ListObjectsV2Input{Bucket: &f.bucket, Prefix: &f.list, MaxKeys: aws.Int32(20)})
	if err == nil && len(out.Contents) == 0 {
		err = errors.New("there is no job under " + f.list)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	docs := make([]json.RawMessage, len(out.Contents))
	g, ctx := errgroup.WithContext(r.Context())
	for i, o := range out.Contents {
		g.Go(func() error {
			key := *o.Key
			doc, err := f.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &f.bucket, Key: aws.String("jobs/" + key[max(len(key)-36, 0):])})
			if err != nil {
				return err
			}
			defer doc.Body.Close()
			docs[i], err = io.ReadAll(doc.Body)
			return err
		})
	}
	err = g.Wait()
	if err == nil {
		w.Header().Set("Content-Type", "application/json")
		err = json.NewEncoder(w).Encode(docs)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}
