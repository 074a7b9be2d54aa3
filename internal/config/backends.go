package config

import (
	"cmp"
	"net/url"
	"strings"
)

// Location is the URL of a backend. It may hold a password.
type Location string

// String returns the URL without a password and without the query, which may hold one.
func (l Location) String() string {
	u, err := url.Parse(string(l))
	if err != nil {
		return "(not a URL)"
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	u.RawQuery, u.Fragment = "", ""
	return u.String()
}

// Scheme returns the part of the URL before "://", with one name for PostgreSQL.
func (l Location) Scheme() string {
	scheme, _, ok := strings.Cut(string(l), "://")
	switch {
	case !ok:
		return ""
	case scheme == "postgresql":
		return "postgres"
	}
	return scheme
}

// Bucket returns the bucket of an S3 location.
func (l Location) Bucket() string {
	return strings.TrimRight(strings.TrimPrefix(string(l), "s3://"), "/")
}

// bucketURL is S3_BUCKET as a location; empty without one.
func (c *Config) bucketURL() Location {
	if c.Bucket == "" {
		return ""
	}
	return Location("s3://" + c.Bucket)
}

// Documents is the location of the job documents.
func (c *Config) Documents() Location { return cmp.Or(c.DocumentsURL, c.DatabaseURL, c.bucketURL()) }

// Objects is the location of images and results.
func (c *Config) Objects() Location { return cmp.Or(c.ObjectsURL, c.bucketURL()) }

// Queue is the location of the queue.
func (c *Config) Queue() Location {
	return cmp.Or(c.QueueLocation, Location(c.QueueURL), c.DatabaseURL)
}

// checkBackends finds the mistakes in the locations of jobs.
func (c *Config) checkBackends(require func(bool, string, ...any)) {
	documents, objects := c.Documents(), c.Objects()
	if documents == "" && objects == "" {
		require(false, "S3_BUCKET is missing: name the bucket that holds the jobs; or set DATABASE_URL, and OBJECTS to a folder such as file:///var/lib/claimcheck")
	} else {
		require(documents != "", "DOCUMENTS is missing: OBJECTS holds images alone; set DATABASE_URL, or S3_BUCKET")
		require(objects != "", "OBJECTS is missing: say where images are, such as file:///var/lib/claimcheck or s3://bucket")
	}
	require(c.Queue() != "", "SQS_QUEUE_URL is missing: give the URL of the queue; or set DATABASE_URL")
	require(c.QueueLocation != "" || c.QueueURL == "" || c.DatabaseURL == "", "QUEUE is missing: SQS_QUEUE_URL and DATABASE_URL name two queues; set QUEUE to the one that is meant")

	require(c.DatabaseURL == "" || c.DatabaseURL.Scheme() == "postgres", "DATABASE_URL: %s is not a URL such as postgres://user@host/claimcheck", c.DatabaseURL)
	require(c.DocumentsURL == "" || isBucket(c.DocumentsURL) || c.DocumentsURL.Scheme() == "postgres", "DOCUMENTS: %s is neither s3://bucket nor postgres://user@host/database", c.DocumentsURL)
	require(c.ObjectsURL == "" || isBucket(c.ObjectsURL) || isFolder(c.ObjectsURL), "OBJECTS: %s is neither s3://bucket nor file:///folder", c.ObjectsURL)
	require(c.QueueURL == "" || isWeb(Location(c.QueueURL)), "SQS_QUEUE_URL: %q is not an http(s) URL", c.QueueURL)
	require(c.QueueLocation == "" || isWeb(c.QueueLocation) || c.QueueLocation.Scheme() == "postgres", "QUEUE: %s is neither the URL of an SQS queue nor postgres://user@host/database", c.QueueLocation)
}

func isBucket(l Location) bool {
	u, err := url.Parse(string(l))
	return err == nil && u.Scheme == "s3" && u.Host != "" && strings.Trim(u.Path, "/") == "" && u.User == nil && u.RawQuery == ""
}

func isFolder(l Location) bool {
	u, err := url.Parse(string(l))
	return err == nil && u.Scheme == "file" && (u.Host == "" || u.Host == "localhost") && strings.Trim(u.Path, "/") != "" && u.User == nil && u.RawQuery == ""
}

func isWeb(l Location) bool {
	u, err := url.Parse(string(l))
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}
