package client_test

import (
	"os"
	"testing"

	"claimcheck.example/internal/test/overlap"
)

func TestMain(m *testing.M) { os.Exit(overlap.Run(m)) }
