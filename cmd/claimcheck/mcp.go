package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"claimcheck.example/internal/app"
	"claimcheck.example/internal/client"
)

// mcpCmd serves the API to an agent by the Model Context Protocol.
type mcpCmd struct {
	server
	Folder string `type:"existingdir" default:"." placeholder:"DIR" help:"The folder below which the tools read images and write outputs (default: the working directory)."`
}

// Help is the text of --help in addition to the flags.
func (mcpCmd) Help() string {
	return `Speaks the Model Context Protocol on standard input and output, for agents. An MCP client starts it by a configuration such as

    {"mcpServers": {"claimcheck": {"command": "claimcheck", "args": ["mcp",
      "--server", "https://jobs.example.com", "--token-file", "/home/me/token",
      "--folder", "/home/me/pictures"]}}}

The tools are submit, status, output, list and cancel. They act with the given token, and the server's policies decide what it may do. The token file is read again when it has changed. The tools reach no file outside of the folder, submit only files that are images, and overwrite no file.`
}

// mcpInstructions tell an agent how the tools fit together.
const mcpInstructions = `Claimcheck processes images in jobs. Call submit with a file or an https URL, and keep the job_id. ` +
	`Call status with wait_seconds until the status is completed, failed or canceled. Then call output. ` +
	`A job may take minutes: repeat status instead of submitting the same image again.`

// Run serves one client until it closes standard input.
func (c mcpCmd) Run(ctx context.Context, s streams) error {
	folder, err := filepath.Abs(c.Folder)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	a := &agent{server: c.server, folder: folder, root: root}
	if _, err := a.client(); err != nil {
		return err
	}
	err = a.tools().Run(ctx, &mcp.IOTransport{Reader: io.NopCloser(s.in), Writer: unclosed{s.out}})
	if errors.Is(err, io.EOF) {
		return nil // the client has ended the session
	}
	return err
}

// unclosed is a writer whose owner closes it.
type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil }

// agent is what the tools of one session share.
type agent struct {
	server server
	folder string // absolute
	root   *os.Root

	mu    sync.Mutex // guards the fields below
	token string     // of api
	api   *client.Client
}

// client returns the client of the API, with the token of now: a session lasts longer than a token.
func (a *agent) client() (*client.Client, error) {
	token, err := a.server.token()
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.api != nil && a.token == token {
		return a.api, nil
	}
	api, err := a.server.clientWith(token)
	if err != nil {
		return nil, err
	}
	a.api, a.token = api, token
	return api, nil
}

// path returns the name of a file relative to the folder.
func (a *agent) path(name string) (string, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(a.folder, name)
	}
	rel, err := filepath.Rel(a.folder, name)
	if err != nil || !filepath.IsLocal(rel) {
		return "", fmt.Errorf("%s is outside of the folder %s; start claimcheck mcp with another --folder", name, a.folder)
	}
	return rel, nil
}

// tools returns the MCP server with its tools.
func (a *agent) tools() *mcp.Server {
	server := mcp.NewServer(
		&mcp.Implementation{Name: "claimcheck", Title: "Claimcheck", Version: app.Version},
		&mcp.ServerOptions{Instructions: mcpInstructions, Capabilities: &mcp.ServerCapabilities{Tools: &mcp.ToolCapabilities{}}},
	)
	reads, adds := &mcp.ToolAnnotations{ReadOnlyHint: true}, &mcp.ToolAnnotations{DestructiveHint: new(bool)}
	mcp.AddTool(server, &mcp.Tool{
		Name: "submit", Annotations: adds,
		Description: "Submit an image for processing and get a job. Name a file, or an https URL that the service fetches. The answer is the job; call status until it ends.",
	}, a.submit)
	mcp.AddTool(server, &mcp.Tool{
		Name: "status", Annotations: reads,
		Description: "Get the status of a job: pending, processing, completed, failed or canceled. With wait_seconds the answer waits for the end of the job.",
	}, a.status)
	mcp.AddTool(server, &mcp.Tool{
		Name: "output", Annotations: adds,
		Description: "Get the output of a completed job. A small image is part of the answer; save_as writes an output of any size to a file.",
	}, a.output)
	mcp.AddTool(server, &mcp.Tool{
		Name: "list", Annotations: reads,
		Description: "List your jobs, the newest first.",
	}, a.list)
	mcp.AddTool(server, &mcp.Tool{
		Name: "cancel", Annotations: &mcp.ToolAnnotations{IdempotentHint: true},
		Description: "Cancel a job that has not ended. What it has done is billed, and its output is discarded.",
	}, a.cancel)
	return server
}
