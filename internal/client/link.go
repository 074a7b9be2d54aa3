package client

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"
)

// Link is a URL at which anyone fetches the output of a job until it expires.
type Link struct {
	URL       string    `json:"url"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Link makes a link to the output of a job, whether or not the job is over. A download is
// saved by browsers and not shown.
func (c *Client) Link(ctx context.Context, job string, expiresIn time.Duration, download bool) (*Link, error) {
	u, tell, err := c.find(job)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(map[string]any{"expires_in": int64(expiresIn.Seconds()), "download": download})
	if err != nil {
		return nil, err
	}
	l := &Link{}
	_, err = c.do(ctx, request{
		method: http.MethodPost, url: u + "/links", header: map[string]string{"Content-Type": "application/json"},
		body: func() io.Reader { return bytes.NewReader(body) }, size: int64(len(body)),
		good: []int{http.StatusCreated}, into: l,
	})
	if err != nil {
		return nil, tell(err)
	}
	return l, nil
}
