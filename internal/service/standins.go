package service

import (
	"context"

	"claimcheck.example/internal/job"
)

// These types take the place of what a configuration leaves out.

type unlimited struct{}

func (unlimited) Request(string, job.Account, int64) error { return nil }
func (unlimited) Bytes(string, job.Account, int64) error   { return nil }
func (unlimited) Refund(string, job.Account, int, int64)   {}
func (unlimited) Reads(string, int) error                  { return nil }
func (unlimited) Unread(string, int)                       {}

// unreported reports no changes.
type unreported struct{}

func (unreported) Follow(job.ID) job.Follower { return unreported{} }
func (unreported) Changed() <-chan struct{}   { return nil }
func (unreported) Live() bool                 { return false }
func (unreported) Close()                     {}

type unlisted struct{}

func (unlisted) Enlist(context.Context, *job.Job) error { return nil }
func (unlisted) Delist(context.Context, *job.Job) error { return nil }
func (unlisted) List(context.Context, string, job.Window) (*job.Page, error) {
	return nil, job.Errorf(job.NotFound, "this service keeps no lists of jobs; its operator has set LIST_JOBS=false")
}

type blind struct{}

func (blind) Watch() job.Preview { return nil }
