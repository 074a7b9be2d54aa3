package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"claimcheck.example/internal/client"
)

// server says whose API is spoken to.
type server struct {
	Server     string `env:"CLAIMCHECK_SERVER" default:"http://localhost:8080" placeholder:"URL" help:"The API's URL (default ${default})."`
	AuthHeader string `env:"CLAIMCHECK_AUTH_HEADER" default:"Authorization" placeholder:"NAME" help:"The header that carries the token; it must match AUTH_HEADER of the server (default ${default})."`
	TokenFile  string `type:"existingfile" placeholder:"FILE" help:"Read the bearer token from this file instead of CLAIMCHECK_TOKEN."`
}

// client returns the client of that API.
func (s server) client() (*client.Client, error) {
	token, err := s.token()
	if err != nil {
		return nil, err
	}
	return s.clientWith(token)
}

// token returns the bearer token; empty for none.
func (s server) token() (string, error) {
	token := os.Getenv("CLAIMCHECK_TOKEN")
	if s.TokenFile != "" {
		b, err := os.ReadFile(s.TokenFile)
		if err != nil {
			return "", err
		}
		token = string(b)
	}
	return strings.TrimSpace(token), nil
}

func (s server) clientWith(token string) (*client.Client, error) {
	c, err := client.New(s.Server, s.AuthHeader, token)
	if err != nil {
		return nil, &lineError{err}
	}
	return c, nil
}

// statusCmd tells how jobs stand.
type statusCmd struct {
	server
	Jobs   []string `arg:"" name:"job" predictor:"job" help:"The jobs: their URLs or identifiers."`
	Wait   bool     `xor:"wait" help:"Wait until each job ends, and treat a failed or canceled job as an error."`
	Watch  bool     `xor:"wait" help:"Print each change until the job ends, and treat a failed or canceled job as an error."`
	Format string   `enum:"text,json" default:"text" help:"How to print each job: text, or json for the API's JSON document, one per line (default ${default})."`
	JSON   bool     `name:"json" help:"The same as --format json."`
}

// Run asks for one job after the other.
func (c statusCmd) Run(ctx context.Context, s streams) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	if c.JSON {
		c.Format = "json"
	}
	return each(ctx, s, c.Jobs, func(name string) error {
		var j *client.Job
		var err error
		if c.Watch {
			j, err = watch(ctx, s, api, name, c.Format)
		} else if j, err = api.Status(ctx, name, c.Wait); err == nil {
			err = printJob(s.out, c.Format, j)
		}
		if err == nil && (c.Wait || c.Watch) && j.Failed() {
			return errSomeFailed
		}
		return err
	})
}

// line is a job on one line, for people and for cut.
func line(j *client.Job) string {
	parts := []string{j.URL, j.Status}
	switch {
	case j.Message != "":
		parts = append(parts, j.Message)
	case j.Location != "":
		parts = append(parts, j.Location)
	case j.Progress != nil:
		parts = append(parts, progressOf(j))
	}
	return strings.Join(parts, "\t")
}

// each does the same for all and tells of each that fails; the rest goes on.
func each(ctx context.Context, s streams, names []string, do func(string) error) error {
	var failed error
	for _, name := range names {
		err := do(name)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			failed = errSomeFailed
			if !errors.Is(err, errSomeFailed) {
				fmt.Fprintf(s.err, "claimcheck: %s: %v\n", name, advise(err))
			}
		}
	}
	return failed
}

// outputCmd fetches an output.
type outputCmd struct {
	server
	Job    string `arg:"" predictor:"job" help:"The job: its URL or identifier."`
	Output string `short:"o" placeholder:"FILE" help:"Write to this file or folder, or to standard output with - (default: a file named after the job)."`
	Wait   bool   `help:"Wait until the job ends first."`
	Force  bool   `help:"Overwrite an existing file."`
}

// Run writes the output and prints the file's name.
func (c outputCmd) Run(ctx context.Context, s streams) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	if _, ok := terminal(s.out); ok && c.Output == "-" {
		return errors.New("the output cannot go to a terminal; name a file with -o, or redirect it")
	}
	if c.Wait {
		j, err := api.Status(ctx, c.Job, true)
		if err != nil {
			return err
		}
		if j.Failed() {
			return fmt.Errorf("the job is %s: %s", j.Status, j.Message)
		}
	}
	r, err := api.Output(ctx, c.Job)
	if p, ok := errors.AsType[*client.Problem](err); ok && p.Status == http.StatusNotFound && p.Location != "" { // of a job that is not over
		return fmt.Errorf("%w; --wait waits for it", err)
	}
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if c.Output == "-" {
		return copyOutput(ctx, s.out, r)
	}
	path := c.Output
	if strings.HasSuffix(path, "/") {
		if err := os.MkdirAll(path, 0o777); err != nil { // less the umask
			return err
		}
	}
	if info, err := os.Stat(path); path == "" || err == nil && info.IsDir() {
		path = filepath.Join(path, nameOf(r))
	}
	if err := keep(ctx, path, r, c.Force); err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.out, path)
	return err
}

// nameOf is the default name of an output.
func nameOf(r *client.Result) string {
	if r.Name == "" || r.Name == "." || r.Name == ".." {
		return "output"
	}
	return r.Name
}

// deleteCmd deletes jobs.
type deleteCmd struct {
	server
	Jobs []string `arg:"" name:"job" predictor:"job" help:"The jobs: their URLs or identifiers."`
}

// Run deletes one job after the other.
func (c deleteCmd) Run(ctx context.Context, s streams) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	return each(ctx, s, c.Jobs, func(name string) error { return api.Delete(ctx, name) })
}
