package client_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"claimcheck.example/internal/client"
)

// answers is a server with one job, which completes at once.
func answers(w http.ResponseWriter, r *http.Request) {
	job := `{"job_id": "01a205c3-98c3-73a4-8dce-5da8191d9b77", "status": "completed", "location": "http://` + r.Host + `/jobs/01a205c3-98c3-73a4-8dce-5da8191d9b77"}`
	switch {
	case r.Method == http.MethodPost:
		w.WriteHeader(http.StatusAccepted)
		io.WriteString(w, job)
	case strings.HasSuffix(r.URL.Path, "/output"):
		io.WriteString(w, "a smaller picture")
	default:
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, job)
	}
}

func Example() {
	server := httptest.NewServer(http.HandlerFunc(answers)) // for https://jobs.example.com
	defer server.Close()
	ctx := context.Background()

	c, err := client.New(server.URL, "Authorization", os.Getenv("CLAIMCHECK_TOKEN"))
	if err != nil {
		log.Fatal(err)
	}
	picture := strings.NewReader("a large picture")
	check, err := c.Submit(ctx, client.Image{
		Content: picture, Size: picture.Size(), ContentType: "image/jpeg",
		Params: `{"width": 320}`,
		Key:    "monday/mountain.jpg", // a repeat names the same job
	})
	if err != nil {
		log.Fatal(err)
	}
	job, err := c.Status(ctx, check.ID, true) // waits for the end of the job
	if err != nil {
		log.Fatal(err)
	}
	result, err := c.Output(ctx, check.ID)
	if err != nil {
		log.Fatal(err)
	}
	defer result.Body.Close()
	output, err := io.ReadAll(result.Body) // fails when the digest differs
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %s\n", job.Status, output)
	// Output: completed: a smaller picture
}
