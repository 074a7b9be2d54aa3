//go:build !linux && !darwin

package app

import "net"

// boundUnsent does nothing: the system has no such option.
func boundUnsent(net.Conn) {}
