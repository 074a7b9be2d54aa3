// Package remote implements the processor that sends each image to an HTTP server.
package remote
