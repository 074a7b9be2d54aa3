// This main works like the one that the buildpack writes, but listens on loopback only.
// An overlay puts it inside of this module.
package main

import (
	"log"
	"os"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"

	_ "claimcheck.example"
)

func main() { log.Fatal(funcframework.StartHostPort("127.0.0.1", os.Getenv("PORT"))) }
