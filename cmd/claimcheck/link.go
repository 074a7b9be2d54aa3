package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// linkCmd makes a link to an output.
type linkCmd struct {
	server
	Job       string        `arg:"" help:"The job: its URL or identifier."`
	ExpiresIn time.Duration `default:"1h" placeholder:"TIME" help:"How long the link is valid, from 1m to 168h (default ${default})."`
	Download  bool          `help:"Have browsers save the output instead of showing it."`
	JSON      bool          `name:"json" help:"Print the API's JSON document, with the time at which the link expires."`
}

// Run prints the URL of the link. The job need not be over.
func (c linkCmd) Run(ctx context.Context, s streams) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	if c.ExpiresIn%time.Second != 0 {
		return wrongLine("--expires-in: %s is not a whole number of seconds", c.ExpiresIn)
	}
	l, err := api.Link(ctx, c.Job, c.ExpiresIn, c.Download)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(s.out).Encode(l)
	}
	_, err = fmt.Fprintln(s.out, l.URL)
	return err
}
