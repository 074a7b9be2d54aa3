package provision

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// corsRule is the ID of our rule among a bucket's CORS rules.
const corsRule = "claimcheck-upload"

// cors plans that pages of the wanted origins may upload directly: a browser asks the
// bucket before it sends the image there. This grants no rights, since the server must
// sign each upload. Rules and origins of others stay.
func (p *Provisioner) cors(ctx context.Context, exists bool) *Step {
	s := p.bucketStep("uploads by pages", "s3:PutBucketCors")
	var next []types.CORSRule
	if exists {
		out, err := p.s3.GetBucketCors(ctx, &s3.GetBucketCorsInput{Bucket: &p.w.Bucket})
		if codeOf(err) != "NoSuchCORSConfiguration" && s.seen(err, "s3:GetBucketCORS") {
			return s
		}
		if err == nil {
			next = slices.Clone(out.CORSRules)
		}
	}
	at := slices.IndexFunc(next, func(r types.CORSRule) bool { return awssdk.ToString(r.ID) == corsRule })
	if at < 0 {
		next = append(next, types.CORSRule{ID: awssdk.String(corsRule)})
		at = len(next) - 1
	}
	is := next[at]
	should := types.CORSRule{
		ID: is.ID, AllowedMethods: []string{"PUT"}, AllowedHeaders: []string{"*"}, MaxAgeSeconds: awssdk.Int32(3600),
		AllowedOrigins: slices.Clone(is.AllowedOrigins), ExposeHeaders: is.ExposeHeaders,
	}
	for _, o := range p.w.Origins {
		if !slices.Contains(should.AllowedOrigins, o) {
			should.AllowedOrigins = append(should.AllowedOrigins, o)
		}
	}
	next[at] = should
	s.Diffs = []Diff{{corsRule, describeCORS(is), describeCORS(should)}}
	if !differ(s.Diffs) {
		return s
	}
	s.State = Change
	in := &s3.PutBucketCorsInput{Bucket: &p.w.Bucket, CORSConfiguration: &types.CORSConfiguration{CORSRules: next}}
	s.Commands = []string{aws(p.s3api("put-bucket-cors", "--cors-configuration", lean(in.CORSConfiguration))...)}
	s.apply = func(ctx context.Context) error {
		_, err := p.s3.PutBucketCors(ctx, in)
		return denied(err, "s3:PutBucketCORS")
	}
	return s
}

// describeCORS summarises a rule; empty for one that allows nothing yet.
func describeCORS(r types.CORSRule) string {
	if len(r.AllowedMethods) == 0 {
		return ""
	}
	return fmt.Sprintf("%s from %s, headers %s, for %d s", strings.Join(r.AllowedMethods, " "), strings.Join(r.AllowedOrigins, " "), strings.Join(r.AllowedHeaders, " "), awssdk.ToInt32(r.MaxAgeSeconds))
}

// isOrigin reports whether s is an origin as browsers send it, or "*".
func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return s == "*" || err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && s == u.Scheme+"://"+u.Host
}
