// Package service holds what principals do with jobs: submit an image, ask for the status,
// wait for the end, fetch the output, delete the job, read the usage.
//
// [Service] knows no transport, no cloud and no vendor. It has no store of its own: every
// method asks package authz first, which returns storage together with a decision of the
// reference monitor.
package service
