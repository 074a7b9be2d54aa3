//go:build !unix

package dirstore

import (
	"context"
	"errors"
)

func lock(context.Context, string) (unlock func(), err error) { return nil, errors.ErrUnsupported }

func writable(string) error { return errors.ErrUnsupported }
