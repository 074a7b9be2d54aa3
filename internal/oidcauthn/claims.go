package oidcauthn

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4/json"
	"github.com/go-jose/go-jose/v4/jwt"

	"claimcheck.example/internal/job"
)

// maxSubjectBytes is the limit of OpenID Connect (Core 1.0, section 2).
const maxSubjectBytes = 255

// claims are the standard claims of a token's payload.
type claims struct {
	jwt.Claims
	Party         looseText `json:"azp"`
	Client        looseText `json:"client_id"`
	Use           looseText `json:"token_use"` // of Amazon Cognito: access or id
	Email         string    `json:"email"`
	EmailVerified looseBool `json:"email_verified"`
}

// party returns the client that requested the token; empty when the token does not say.
func (c *claims) party() string { return string(cmp.Or(c.Party, c.Client)) }

// looseText is a string that some providers replace by another type.
type looseText string

// UnmarshalJSON reads a string, and any other type as empty.
func (l *looseText) UnmarshalJSON(text []byte) error {
	var s string
	if json.Unmarshal(text, &s) == nil {
		*l = looseText(s)
	}
	return nil
}

// looseBool is a boolean that some providers write as a string.
type looseBool bool

// UnmarshalJSON reads true and "true" as true, anything else as false.
func (b *looseBool) UnmarshalJSON(text []byte) error {
	*b = string(text) == "true" || string(text) == `"true"`
	return nil
}

// checkClaims checks the issuer, the audience, the subject, the party and the validity of a token.
func (a *Authenticator) checkClaims(c *claims) error {
	if _, ok := a.keys[c.Issuer]; !ok {
		return refuse("the token's issuer %.200q is not allowed", c.Issuer)
	}
	expected := jwt.Expected{AnyAudience: a.audiences, Time: a.clock()}
	if a.audienceClaim == ClientID {
		if err := a.checkClient(c); err != nil {
			return err
		}
		if len(c.Audience) == 0 {
			expected.AnyAudience = nil
		}
	}
	err := c.ValidateWithLeeway(expected, a.leeway)
	switch {
	case errors.Is(err, jwt.ErrInvalidAudience):
		return refuse("the token of %s is for %.200s, not for this service", c.Issuer, fmt.Sprintf("%q", c.Audience))
	case errors.Is(err, jwt.ErrExpired):
		return job.Wrap(job.Unauthenticated, err, sentenceExpired)
	case err != nil:
		return refuse("the token of %s: %w", c.Issuer, err)
	case len(a.parties) > 0 && !slices.Contains(a.parties, c.party()):
		return refuse("the token of %s was issued to the client %.200q, which is not among the authorized parties", c.Issuer, c.party())
	case c.Expiry == nil:
		return refuse("the token of %s never expires", c.Issuer)
	}
	return checkSubject(c)
}

// checkClient accepts an access token whose client is one of the audiences, as Amazon
// Cognito issues them. A token that has an audience all the same is for no other service.
func (a *Authenticator) checkClient(c *claims) error {
	switch {
	case c.Use != "access":
		return refuse("the token of %s has the token_use %.40q, not access", c.Issuer, c.Use)
	case !slices.Contains(a.audiences, string(c.Client)):
		return refuse("the token of %s was issued to the client %.200q, which is not among the audiences", c.Issuer, c.Client)
	}
	return nil
}

// checkSubject accepts a subject that is safe in logs and in the names of stored objects,
// and that has only one spelling.
func checkSubject(c *claims) error {
	if c.Subject == "" || len(c.Subject) > maxSubjectBytes {
		return refuse("the token of %s has a subject of %d bytes, not of 1 to %d", c.Issuer, len(c.Subject), maxSubjectBytes)
	}
	for _, r := range c.Subject {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return refuse("the token of %s has a subject with the character %U", c.Issuer, r)
		}
	}
	return nil
}

// groupsAt returns the groups in the claim of that name or, if there is none, at the end of
// a path whose names have dots between them: Keycloak has roles in realm_access.roles.
func groupsAt(claims map[string]json.RawMessage, name string) ([]string, error) {
	if text, ok := claims[name]; ok {
		return parseGroups(text)
	}
	outer, inner, isPath := strings.Cut(name, ".")
	text, ok := claims[outer]
	if !isPath || !ok {
		return nil, nil
	}
	var nested map[string]json.RawMessage
	if err := json.Unmarshal(text, &nested); err != nil {
		return nil, err
	}
	return groupsAt(nested, inner)
}

// parseGroups accepts a list of strings, one string, or nothing.
func parseGroups(text json.RawMessage) ([]string, error) {
	if text == nil {
		return nil, nil
	}
	var list []string
	err := json.Unmarshal(text, &list)
	if err == nil {
		return list, nil
	}
	var one string
	if json.Unmarshal(text, &one) == nil {
		return []string{one}, nil
	}
	return nil, err
}
