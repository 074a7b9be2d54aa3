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

// SecretKey returns the secret key of a data folder. The first call creates a random one,
// in a file that only its owner can read.
func SecretKey(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make data folder: %w", err)
	}
	name := filepath.Join(dir, "secret-key")
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		b, err := os.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("read secret key: %w", err)
		}
		key := strings.TrimSpace(string(b))
		if len(key) < 16 {
			return "", fmt.Errorf("read secret key: %s holds none; delete the file and start again", name)
		}
		return key, nil
	}
	if err != nil {
		return "", fmt.Errorf("make secret key: %w", err)
	}
	key := rand.Text()
	_, err = f.WriteString(key + "\n")
	if err = errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("make secret key: %w", err)
	}
	return key, nil
}
