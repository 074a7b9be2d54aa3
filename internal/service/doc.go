// Package service implements what principals do with jobs: submit an image, commit a direct
// upload, read the status, wait for the end, cancel, fetch the output, link to it, delete
// the job, list jobs, read the usage, and read and repeat the deliveries of a webhook.
//
// [Service] knows no transport, no cloud and no vendor. It has no store of its own: every
// method asks package authz first, which returns storage together with a decision of the
// reference monitor.
//
// Package internal/test/lifecycle has most of the tests.
package service
