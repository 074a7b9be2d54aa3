// Package service implements what principals do with jobs: submit an image, read the
// status, wait for the end, cancel, fetch the output, delete the job, list jobs, read the
// usage.
//
// [Service] knows no transport, no cloud and no vendor. It has no store of its own: every
// method asks package authz first, which returns storage together with a decision of the
// reference monitor.
package service
