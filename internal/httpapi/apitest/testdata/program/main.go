// Program uses a generated client: it submits the image on its standard input and waits
// for the result.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"

	"program.example/client"
)

func main() {
	api, err := client.NewClientWithResponses(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	wait := "wait=30"
	done, err := api.SubmitWithBodyWithResponse(ctx, &client.SubmitParams{Prefer: &wait}, "application/octet-stream", os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	if done.JSON201 == nil {
		log.Fatalf("submit: %s: %s", done.Status(), done.Body)
	}
	id := done.JSON201.JobId.String()
	out, err := api.Output(ctx, id, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer out.Body.Close()
	n, err := io.Copy(io.Discard, out.Body)
	if err != nil || out.StatusCode != http.StatusOK || n != done.JSON201.Output.SizeBytes {
		log.Fatalf("output: %s, %d bytes: %v", out.Status, n, err)
	}
	if gone, err := api.DeleteWithResponse(ctx, id, nil); err != nil || gone.StatusCode() != http.StatusNoContent {
		log.Fatalf("delete: %v", err)
	}
	missing, err := api.StatusWithResponse(ctx, id, nil)
	if err != nil || missing.ApplicationproblemJSON404 == nil {
		log.Fatalf("status of a deleted job: %v", err)
	}
	fmt.Println(done.JSON201.Status, *done.JSON201.Output.Width, missing.ApplicationproblemJSON404.Type)
}
