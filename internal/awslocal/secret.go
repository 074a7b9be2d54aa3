package awslocal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// SecretKey returns the secret key of S3 and SQS on a data folder.
func SecretKey(dir string) (string, error) { return Secret(dir, "secret-key") }

// Secret returns a secret of a data folder by its name. The first call creates a random one,
// in a file that only its owner can read.
func Secret(dir, file string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make data folder: %w", err)
	}
	name := filepath.Join(dir, file)
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		b, err := os.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("read secret: %w", err)
		}
		key := strings.TrimSpace(string(b))
		if len(key) < 16 {
			return "", fmt.Errorf("read secret: %s holds none; delete the file and start again", name)
		}
		return key, nil
	}
	if err != nil {
		return "", fmt.Errorf("make secret: %w", err)
	}
	key := rand.Text() + rand.Text()
	_, err = f.WriteString(key + "\n")
	if err = errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("make secret: %w", err)
	}
	return key, nil
}
