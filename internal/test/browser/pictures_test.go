package browser

import (
	"flag"
	"path/filepath"
	"testing"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
)

var pictures = flag.String("pictures", "", "renew the README's picture of the page in this folder, relative to the repository")

func TestPictures(t *testing.T) {
	if *pictures == "" {
		t.Skip("pictures are taken when -pictures says where to")
	}
	s := apptest.Start(t)
	s.StartWorker(t)
	b := open(t, s.URL, look{width: 640, height: 400})
	b.choose(rainier())
	b.state("rainier.jpg", "completed")
	b.shown("rainier.jpg", ".before")
	b.shown("rainier.jpg", ".after")
	b.folder = awstest.Path(filepath.Join("../../..", *pictures))
	b.capture("page")
}
