package config

import (
	"encoding/base64"
	"strings"
)

// WebhookQueue is the location of the queue of webhooks, and whether they share the queue of
// jobs. A database has a separate queue for them.
func (c *Config) WebhookQueue() (at Location, shared bool) {
	switch at = c.Queue(); {
	case c.WebhookQueueURL != "":
		return c.WebhookQueueURL, false
	case at.Scheme() == "postgres":
		return at, false
	}
	return at, true
}

// checkWebhooks finds the mistakes in the settings of webhooks.
func (c *Config) checkWebhooks(require func(bool, string, ...any)) {
	at := c.WebhookQueueURL
	require(at == "" || isWeb(at) || at.Scheme() == "postgres", "WEBHOOK_QUEUE_URL: %s is neither the URL of an SQS queue nor postgres://user@host/database", at)
	require(at == "" || at.Scheme() == "postgres" || at != c.Queue(), "WEBHOOK_QUEUE_URL: it is the queue of the jobs; leave it out, or name a queue of its own")
	require(c.WebhookConcurrency >= 1 && c.WebhookConcurrency <= 1000, "WEBHOOK_CONCURRENCY: %d is out of range (1 to 1000)", c.WebhookConcurrency)
	require(len(c.WebhookKeys) <= 2, "WEBHOOK_KEY: there are %d keys; one or two can be valid at a time", len(c.WebhookKeys))
	for _, k := range c.WebhookKeys { // as webhook.ParseKeys reads them
		encoded, ok := strings.CutPrefix(strings.TrimSpace(k), "whsk_")
		key, err := base64.StdEncoding.DecodeString(encoded)
		require(ok && err == nil && len(key) == 32, "WEBHOOK_KEY: a key is not whsk_ followed by 32 bytes in base64; make one with: echo whsk_$(openssl rand -base64 32)")
	}
}
