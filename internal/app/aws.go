package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"claimcheck.example/internal/workloadidentity"
)

// LoadAWS reads the SDK's own variables and files. With AWS_ROLE_ARN and nothing that the
// SDK could assume the role by, the identity of Google Cloud's service account does; log
// gets a line for credentials that cannot be renewed, and the SDK's own lines.
func LoadAWS(ctx context.Context, log *slog.Logger) (aws.Config, error) {
	cfg, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithLogger(sdkLogger(log)))
	if err != nil {
		return cfg, fmt.Errorf("the AWS configuration cannot be loaded: %w", err)
	}
	if cfg.Region == "" {
		return cfg, errors.New("AWS_REGION is missing: name the region of the bucket and the queue")
	}
	cfg.Credentials = found{cfg.Credentials}
	if role := os.Getenv("AWS_ROLE_ARN"); role != "" && !hasCredentials(os.Getenv) {
		cfg.Credentials = workloadidentity.New(workloadidentity.Options{
			RoleARN: role, Config: cfg, Logger: log,
			Audience:     cmp.Or(os.Getenv("AWS_WEB_IDENTITY_AUDIENCE"), workloadidentity.DefaultAudience),
			Session:      cmp.Or(os.Getenv("AWS_ROLE_SESSION_NAME"), "claimcheck"),
			MetadataHost: cmp.Or(os.Getenv("GCE_METADATA_HOST"), workloadidentity.DefaultMetadataHost),
		})
	}
	return cfg, nil
}

// hasCredentials reports whether the environment tells the SDK where credentials are:
// keys, another issuer's identity token, a profile, or a container's own (ECS, EKS).
func hasCredentials(getenv func(string) string) bool {
	for _, name := range []string{
		"AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_PROFILE",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
	} {
		if getenv(name) != "" {
			return true
		}
	}
	return false
}
