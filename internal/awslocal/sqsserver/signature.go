package sqsserver

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// maxSkew is the largest difference between a request's clock and ours, as on the
// service.
const maxSkew = 15 * time.Minute

// verifier checks Signature Version 4 of requests signed with one key pair.
type verifier struct {
	credentials aws.Credentials
	region      string
	now         func() time.Time
}

// verify returns the failure for the client, or nil. It signs the signed parts of the
// request again, by the SDK's own signer with the right secret, and compares the
// signatures.
func (v *verifier) verify(r *http.Request, body []byte) *failure {
	authorization := r.Header.Get("Authorization")
	if authorization == "" {
		return forbidden("MissingAuthenticationToken", "Request is missing Authentication Token")
	}
	rest, ok := strings.CutPrefix(authorization, "AWS4-HMAC-SHA256 ")
	if !ok {
		return forbidden("IncompleteSignature", "the Authorization header is not of Signature Version 4")
	}
	fields := make(map[string]string)
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		fields[name] = value
	}
	scope := strings.Split(fields["Credential"], "/")
	if len(scope) != 5 || fields["SignedHeaders"] == "" || fields["Signature"] == "" {
		return forbidden("IncompleteSignature", "the Authorization header lacks Credential, SignedHeaders or Signature")
	}
	if scope[0] != v.credentials.AccessKeyID {
		return forbidden("InvalidClientTokenId", "The security token included in the request is invalid.")
	}
	signedAt, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		return forbidden("IncompleteSignature", "the X-Amz-Date header is missing or malformed")
	}
	if skew := v.now().Sub(signedAt); skew > maxSkew || skew < -maxSkew {
		return forbidden("SignatureDoesNotMatch", "Signature expired or not yet valid: the clocks differ by more than 15 minutes")
	}
	if scope[2] != v.region || scope[3] != "sqs" {
		return forbidden("SignatureDoesNotMatch", "Credential should be scoped to region "+v.region+" and service sqs")
	}

	again, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+r.Host+r.URL.RequestURI(), http.NoBody)
	if err != nil {
		return forbidden("IncompleteSignature", "the request's URL cannot be signed")
	}
	for name := range strings.SplitSeq(fields["SignedHeaders"], ";") {
		switch name {
		case "host":
		case "content-length":
			again.ContentLength = int64(len(body))
		default:
			again.Header[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
		}
	}
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(r.Context(), v.credentials, again, hex.EncodeToString(sum[:]), "sqs", v.region, signedAt); err != nil {
		return forbidden("IncompleteSignature", "the request cannot be signed")
	}
	_, want, _ := strings.Cut(again.Header.Get("Authorization"), "Signature=")
	if !hmac.Equal([]byte(want), []byte(fields["Signature"])) {
		return forbidden("SignatureDoesNotMatch",
			"The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.")
	}
	return nil
}
