package app

import (
	"log/slog"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"claimcheck.example/internal/config"
)

// TestChanges has the service follow jobs where the database reports their changes.
func TestChanges(t *testing.T) {
	t.Parallel()
	for documents, want := range map[string]bool{"postgres://h/d": true, "s3://b": false} {
		c, err := config.Load(config.Server, []string{"DOCUMENTS=" + documents, "QUEUE=https://sqs.us-east-1.amazonaws.com/1/q", "OBJECTS=file:///x", "ALLOW_ANONYMOUS=true"})
		if err != nil {
			t.Fatal(err)
		}
		b, err := openBackends(c, Quiet(slog.New(slog.DiscardHandler)), RoleServer, func() (aws.Config, error) { return aws.Config{}, nil })
		if err != nil {
			t.Fatal(err)
		}
		defer b.databases.close()
		if got := b.changes() != nil; got != want {
			t.Errorf("%s: changes are reported: %v, want %v", documents, got, want)
		}
	}
}
