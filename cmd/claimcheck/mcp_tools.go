package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"claimcheck.example/internal/client"
)

const (
	// longestMCPWait bounds wait_seconds, because clients of MCP give up on a call after a minute.
	longestMCPWait = 50
	// largestInline is the largest output that becomes part of an answer, in bytes.
	largestInline = 1 << 20
	// largestMCPList bounds the jobs of a list.
	largestMCPList = 100
)

// mcpJob is a job as an agent sees it.
type mcpJob struct {
	ID          string  `json:"job_id"`
	URL         string  `json:"url" jsonschema:"the job URL"`
	Status      string  `json:"status" jsonschema:"pending, processing, completed, failed or canceled; the last three are final"`
	Message     string  `json:"message,omitempty" jsonschema:"why the job failed or was canceled"`
	Progress    float64 `json:"progress,omitempty" jsonschema:"0 to 1, while it is known"`
	CreatedAt   string  `json:"created_at"`
	ExpiresAt   string  `json:"expires_at,omitempty" jsonschema:"when the service deletes the job and its output"`
	ContentType string  `json:"output_content_type,omitempty"`
	SizeBytes   int64   `json:"output_size_bytes,omitempty"`
	Width       int     `json:"output_width,omitempty" jsonschema:"pixels"`
	Height      int     `json:"output_height,omitempty" jsonschema:"pixels"`
}

func mcpJobOf(j *client.Job) mcpJob {
	out := mcpJob{ID: j.ID, URL: j.URL, Status: j.Status, Message: j.Message, CreatedAt: j.CreatedAt.Format(time.RFC3339)}
	if j.Progress != nil {
		out.Progress = j.Progress.Fraction
	}
	if j.ExpiresAt != nil {
		out.ExpiresAt = j.ExpiresAt.Format(time.RFC3339)
	}
	if o := j.Output; o != nil {
		out.ContentType, out.SizeBytes, out.Width, out.Height = o.ContentType, o.SizeBytes, o.Width, o.Height
	}
	return out
}

type mcpSubmit struct {
	Image  string         `json:"image" jsonschema:"a file below the folder of this server, or an https URL that the service fetches"`
	Params map[string]any `json:"params,omitempty" jsonschema:"parameters of the processor, such as width, height and format"`
	Key    string         `json:"idempotency_key,omitempty" jsonschema:"1 to 255 characters; a repeat with the same key returns the same job"`
	Wait   int            `json:"wait_seconds,omitempty" jsonschema:"wait so long for the end of the job, 0 to 50"`
}

func (a *agent) submit(ctx context.Context, req *mcp.CallToolRequest, in mcpSubmit) (*mcp.CallToolResult, mcpJob, error) {
	api, err := a.client()
	if err != nil {
		return nil, mcpJob{}, err
	}
	if err := checkWait(in.Wait); err != nil {
		return nil, mcpJob{}, err
	}
	img := client.Image{Key: in.Key}
	if img.Key == "" {
		img.Key = uuid.NewString()
	}
	if len(in.Params) > 0 {
		b, err := json.Marshal(in.Params)
		if err != nil {
			return nil, mcpJob{}, err
		}
		img.Params = string(b)
	}
	if isURL(in.Image) {
		img.Source = in.Image
	} else {
		f, err := a.open(in.Image)
		if err != nil {
			return nil, mcpJob{}, err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return nil, mcpJob{}, err
		}
		img.Content, img.Size = f, info.Size()
		if img.ContentType, err = contentType(f, img.Size); err != nil {
			return nil, mcpJob{}, fmt.Errorf("%s: %w", in.Image, err)
		}
	}
	check, err := api.Submit(ctx, img)
	if err != nil {
		return nil, mcpJob{}, advise(err)
	}
	j, err := await(ctx, req, api, check.ID, in.Wait)
	if err != nil { // the job exists, and the agent is to learn its name
		return nil, mcpJob{}, fmt.Errorf("the job %s is accepted, but its status is unknown: %w", check.ID, advise(err))
	}
	return nil, mcpJobOf(j), nil
}

// open opens a file below the folder, and nothing that a symbolic link names outside of it.
func (a *agent) open(name string) (*os.File, error) {
	rel, err := a.path(name)
	if err != nil {
		return nil, err
	}
	// Opened first, a pipe would wait for its writer.
	switch info, err := a.root.Stat(rel); {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a file", name)
	}
	return a.root.Open(rel)
}

type mcpStatus struct {
	Job  string `json:"job" jsonschema:"the job: its job_id or its URL"`
	Wait int    `json:"wait_seconds,omitempty" jsonschema:"wait so long for the end of the job, 0 to 50"`
}

func (a *agent) status(ctx context.Context, req *mcp.CallToolRequest, in mcpStatus) (*mcp.CallToolResult, mcpJob, error) {
	api, err := a.client()
	if err != nil {
		return nil, mcpJob{}, err
	}
	if err := checkWait(in.Wait); err != nil {
		return nil, mcpJob{}, err
	}
	j, err := await(ctx, req, api, in.Job, in.Wait)
	if err != nil {
		return nil, mcpJob{}, advise(err)
	}
	return nil, mcpJobOf(j), nil
}

func checkWait(seconds int) error {
	if seconds < 0 || seconds > longestMCPWait {
		return fmt.Errorf("wait_seconds is not between 0 and %d; to wait longer, call status again", longestMCPWait)
	}
	return nil
}

// await returns the job when it is over or the seconds have passed. Meanwhile it reports the
// progress to a client that asks for it.
func await(ctx context.Context, req *mcp.CallToolRequest, api *client.Client, job string, seconds int) (last *client.Job, err error) {
	if last, err = api.Status(ctx, job, false); err != nil || seconds == 0 || last.Over() {
		return last, err
	}
	waiting, cancel := context.WithTimeout(ctx, time.Duration(seconds)*time.Second)
	defer cancel()
	token := req.Params.GetProgressToken()
	reported := -1.0
	err = api.Watch(waiting, job, func(j *client.Job) error {
		last = j
		if token == nil || j.Progress == nil || j.Progress.Fraction <= reported { // MCP wants it to increase
			return nil
		}
		reported = j.Progress.Fraction
		return req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
			ProgressToken: token, Progress: reported, Total: 1, Message: j.Progress.Note,
		})
	})
	if waiting.Err() != nil && ctx.Err() == nil {
		return last, nil
	}
	return last, err
}

type mcpOutput struct {
	Job    string `json:"job" jsonschema:"the job: its job_id or its URL"`
	SaveAs string `json:"save_as,omitempty" jsonschema:"write the output to this new file, below the folder of this server"`
}

func (a *agent) output(ctx context.Context, _ *mcp.CallToolRequest, in mcpOutput) (*mcp.CallToolResult, any, error) {
	api, err := a.client()
	if err != nil {
		return nil, nil, err
	}
	rel := ""
	if in.SaveAs != "" {
		if rel, err = a.path(in.SaveAs); err != nil {
			return nil, nil, err
		}
	}
	r, err := api.Output(ctx, in.Job)
	if err != nil {
		return nil, nil, advise(err)
	}
	defer r.Body.Close()
	if rel != "" {
		if err := a.save(ctx, rel, r); err != nil {
			return nil, nil, err
		}
		return said("the output, %s, is saved as %s", r.ContentType, filepath.Join(a.folder, rel)), nil, nil
	}
	if r.Size > largestInline {
		return nil, nil, errTooLarge
	}
	var b strings.Builder
	if err := copyOutput(ctx, &b, &client.Result{Body: io.NopCloser(io.LimitReader(r.Body, largestInline+1)), Size: r.Size}); err != nil {
		return nil, nil, err
	}
	if b.Len() > largestInline {
		return nil, nil, errTooLarge
	}
	kind, _, _ := strings.Cut(r.ContentType, ";")
	switch {
	case strings.HasPrefix(kind, "image/"):
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.ImageContent{Data: []byte(b.String()), MIMEType: kind}}}, nil, nil
	case strings.HasPrefix(kind, "text/"), kind == "application/json":
		return said("%s", b.String()), nil, nil
	}
	return nil, nil, fmt.Errorf("the output is %s, which is not shown; call output with save_as", r.ContentType)
}

var errTooLarge = fmt.Errorf("the output is larger than %d bytes; call output with save_as", largestInline)

func said(format string, args ...any) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprintf(format, args...)}}}
}

// save writes an output into a new file, which appears as a whole or not at all.
func (a *agent) save(ctx context.Context, rel string, r *client.Result) error {
	err := save(ctx, a.root, rel, r, false)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists; name another file", filepath.Join(a.folder, rel))
	}
	return err
}

type mcpList struct {
	Status []string `json:"status,omitempty" jsonschema:"only jobs with one of these statuses: pending, processing, completed, failed, canceled"`
	Since  string   `json:"since,omitempty" jsonschema:"only jobs created since then: a day, an RFC 3339 time, or an age such as 36h or 2d"`
	Limit  int      `json:"limit,omitempty" jsonschema:"the largest number of jobs, 1 to 100; 20 when it is absent"`
}

type mcpJobs struct {
	Jobs []mcpJob `json:"jobs"`
}

func (a *agent) list(ctx context.Context, _ *mcp.CallToolRequest, in mcpList) (*mcp.CallToolResult, mcpJobs, error) {
	out := mcpJobs{Jobs: []mcpJob{}}
	api, err := a.client()
	if err != nil {
		return nil, out, err
	}
	o := client.ListOptions{Statuses: in.Status, Limit: in.Limit}
	if o.Limit == 0 {
		o.Limit = 20
	}
	if o.Limit < 0 || o.Limit > largestMCPList {
		return nil, out, fmt.Errorf("limit is not between 1 and %d", largestMCPList)
	}
	if o.Since, _, err = moment(in.Since, time.Now()); err != nil {
		return nil, out, fmt.Errorf("since is %w", err)
	}
	for j, err := range api.List(ctx, o) {
		if err != nil {
			return nil, out, advise(err)
		}
		out.Jobs = append(out.Jobs, mcpJobOf(j))
	}
	return nil, out, nil
}

type mcpCancel struct {
	Job string `json:"job" jsonschema:"the job: its job_id, or its URL at this server"`
}

func (a *agent) cancel(ctx context.Context, _ *mcp.CallToolRequest, in mcpCancel) (*mcp.CallToolResult, mcpJob, error) {
	api, err := a.client()
	if err != nil {
		return nil, mcpJob{}, err
	}
	j, err := api.Cancel(ctx, in.Job)
	if err != nil {
		return nil, mcpJob{}, advise(err)
	}
	return nil, mcpJobOf(j), nil
}
