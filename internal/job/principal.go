package job

import "net/netip"

// Principal is the authenticated caller. The transport's authenticator determines it, and
// every method of the service gets it.
type Principal struct {
	// Issuer and Subject name the principal: the token's iss and sub.
	Issuer, Subject string
	// Groups are the token's group names.
	Groups []string
	// Email is the token's e-mail address; believe it only when EmailVerified.
	Email         string
	EmailVerified bool
}

// Anonymous is everybody, where the operator allows it: one principal, one owner.
var Anonymous = Principal{Issuer: "anonymous", Subject: "anonymous"}

// Owner is what a job's document says of who submitted it: "issuer|subject".
func (p Principal) Owner() string { return p.Issuer + "|" + p.Subject }

// Caller is a principal and where it calls from.
type Caller struct {
	Principal
	// Source is the client's address as the transport knows it; may be invalid.
	Source netip.Addr
}
