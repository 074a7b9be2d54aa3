// Command function serves the HTTP function on this machine with the functions
// framework, as Google's buildpack does in the cloud:
//
//	FUNCTION_TARGET=Claimcheck go run ./cmd/function
package main

import (
	"fmt"
	"os"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"

	_ "claimcheck.example" // registers the function
)

func main() {
	port, host := os.Getenv("PORT"), os.Getenv("HOST")
	if port == "" {
		port = "8080"
	}
	if os.Getenv("FUNCTION_TARGET") == "" {
		fmt.Fprintln(os.Stderr, "function: FUNCTION_TARGET is not set; run it as FUNCTION_TARGET=Claimcheck go run ./cmd/function")
		os.Exit(2)
	}
	if err := funcframework.StartHostPort(host, port); err != nil {
		fmt.Fprintln(os.Stderr, "function:", err)
		os.Exit(1)
	}
}
