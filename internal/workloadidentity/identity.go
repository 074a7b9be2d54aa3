package workloadidentity

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// maxToken bounds a token, in bytes; real ones have about a thousand.
	maxToken = 16 << 10
	// pause is the time without requests after a failure of the metadata server.
	pause = 200 * time.Millisecond
)

// identity fetches the token of the service account, until ctx ends.
func (o *Options) identity(ctx context.Context) ([]byte, error) {
	u := "http://" + o.MetadataHost + "/computeMetadata/v1/instance/service-accounts/default/identity?" +
		url.Values{"audience": {o.Audience}, "format": {"full"}}.Encode()
	for try := 1; ; try++ {
		token, final, err := fetch(ctx, u)
		if err == nil || final || try == 3 {
			return token, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// fetch makes one request. A final error would not go away by a repetition.
func fetch(ctx context.Context, u string) (token []byte, final bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, true, err
	}
	req.Header.Set("Metadata-Flavor", "Google")
	resp, err := client.Do(req)
	if err != nil {
		return nil, false, fmt.Errorf("%w: %w", hint("the metadata server that has this service account's identity token does not answer; is this Google Cloud? Elsewhere unset AWS_ROLE_ARN, or set AWS_WEB_IDENTITY_TOKEN_FILE"), err)
	}
	defer resp.Body.Close()
	token, err = io.ReadAll(io.LimitReader(resp.Body, maxToken))
	switch {
	case err != nil:
		return nil, false, fmt.Errorf("%w: %w", hint("the metadata server's answer broke off"), err)
	case resp.StatusCode != http.StatusOK:
		return nil, resp.StatusCode < 500, hint(fmt.Sprintf("the metadata server answers %d; does the service run as a service account?", resp.StatusCode))
	case resp.Header.Get("Metadata-Flavor") != "Google" || strings.Count(string(token), ".") != 2:
		return nil, true, hint("the server at the metadata server's address is not Google's")
	}
	return token, false, nil
}

// client never uses a proxy, which would see the token.
var client = &http.Client{Transport: &http.Transport{MaxIdleConns: 1, IdleConnTimeout: time.Minute}}
