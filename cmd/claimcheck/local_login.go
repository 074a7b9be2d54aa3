package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"claimcheck.example/internal/oidclocal"
)

// signedIn is a user of the local provider with a token of theirs.
type signedIn struct {
	oidclocal.User
	token string
}

// noOtherIssuer refuses --login if the environment names a provider.
func noOtherIssuer() error {
	for _, name := range []string{"OIDC_ISSUER", "OIDC_AUDIENCE", "OIDC_CLIENT_ID", "ALLOW_ANONYMOUS", "AUTH_HEADER"} {
		if os.Getenv(name) != "" {
			return wrongLine("--login has a provider of its own, and %s is set too; unset %s, or leave out --login", name, name)
		}
	}
	return nil
}

// startLogin opens the port of the local provider and makes a token for each user.
func (l localCmd) startLogin(ctx context.Context) (*oidclocal.Provider, []signedIn, error) {
	p, err := oidclocal.Listen(ctx, loopback(l.LoginPort), l.origins())
	if err != nil {
		return nil, nil, fmt.Errorf("the provider cannot listen on port %d; choose another with --login-port: %w", l.LoginPort, err)
	}
	var people []signedIn
	for _, u := range oidclocal.Users {
		token, err := p.Token(ctx, u)
		if err != nil {
			p.Close()
			return nil, nil, fmt.Errorf("make a token: %w", err)
		}
		people = append(people, signedIn{u, token})
	}
	return p, people, nil
}

// withLogin returns an environment in which the API accepts the tokens of the local provider,
// and its page signs in there, whatever environ says about the tokens of another one.
func withLogin(environ []string, p *oidclocal.Provider) []string {
	environ = slices.DeleteFunc(slices.Clone(environ), func(kv string) bool {
		return strings.HasPrefix(kv, "OIDC_AUTHORIZED_PARTIES=") // an empty value after it would not count
	})
	return append(environ,
		"OIDC_ISSUER="+p.URL, "OIDC_AUDIENCE="+oidclocal.Client, "OIDC_CLIENT_ID="+oidclocal.Client, "OIDC_SCOPES="+oidclocal.Scopes,
		"AUDIENCE_CLAIM=aud", "GROUPS_CLAIM=groups", "ADMIN_GROUP="+oidclocal.Admins,
	)
}

// welcomePeople prints the tokens, ready to paste.
func welcomePeople(b *strings.Builder, people []signedIn) {
	if len(people) == 0 {
		return
	}
	names := make([]string, len(people))
	for i, p := range people {
		if names[i] = p.Name; len(p.Groups) > 0 {
			names[i] += " (an administrator)"
		}
	}
	last := len(names) - 1
	fmt.Fprintf(b, "Sign in on the page as %s or %s; no password is needed. Other clients use these tokens, which are valid\n", strings.Join(names[:last], ", "), names[last])
	fmt.Fprintf(b, "for %.0f hours or until this command ends:\n\n", oidclocal.TokenLife.Hours())
	for _, p := range people {
		fmt.Fprintf(b, "    export %s=%s\n", strings.ToUpper(p.Name), p.token)
	}
	fmt.Fprintf(b, "    export TOKEN=$%s\n    export CLAIMCHECK_TOKEN=$TOKEN\n\n", strings.ToUpper(people[0].Name))
}
