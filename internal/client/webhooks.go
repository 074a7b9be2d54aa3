package client

import (
	"context"
	"net/http"
	"time"
)

// Deliveries is what became of the webhook of a job.
type Deliveries struct {
	JobID     string     `json:"job_id"`
	State     string     `json:"state"` // waiting, pending, delivered, refused or failed
	WebhookID string     `json:"webhook_id,omitempty"`
	Type      string     `json:"type,omitempty"`
	NextTryAt *time.Time `json:"next_try_at,omitempty"`
	Tries     []Try      `json:"tries"`
}

// Try is one try to deliver the event of a job.
type Try struct {
	WebhookID string    `json:"webhook_id"`
	At        time.Time `json:"at"`
	Status    int       `json:"status,omitempty"` // of HTTP; zero when there was no answer
	Reason    string    `json:"reason,omitempty"` // why it failed
	Seconds   float64   `json:"duration_seconds"`
}

// Deliveries returns what became of the webhook of a job. With replay the webhook is called
// once more.
func (c *Client) Deliveries(ctx context.Context, job string, replay bool) (*Deliveries, error) {
	u, tell, err := c.find(job)
	if err != nil {
		return nil, err
	}
	var d Deliveries
	r := request{method: http.MethodGet, url: u + "/deliveries", good: []int{http.StatusOK}, into: &d}
	if replay {
		r.method, r.good = http.MethodPost, []int{http.StatusAccepted}
	}
	if _, err := c.do(ctx, r); err != nil {
		return nil, tell(err)
	}
	return &d, nil
}

// WebhookKeys returns the public keys that verify the server's webhooks.
func (c *Client) WebhookKeys(ctx context.Context) ([]string, error) {
	var answer struct{ Keys []string }
	_, err := c.do(ctx, request{method: http.MethodGet, url: c.server + "/webhook-key", good: []int{http.StatusOK}, into: &answer})
	return answer.Keys, err
}
