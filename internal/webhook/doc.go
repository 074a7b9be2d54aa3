// Package webhook makes the events that tell receivers of the ends of jobs, signs them as
// Standard Webhooks says (https://www.standardwebhooks.com), posts them, and says when to
// try again. It dials nothing by itself: its caller brings the HTTP client.
package webhook
