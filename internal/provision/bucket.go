package provision

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func (p *Provisioner) bucketStep(what, call string) *Step {
	return &Step{On: "bucket " + p.w.Bucket, What: what, Call: call}
}

// s3api returns the arguments of an "aws s3api" command for the bucket.
func (p *Provisioner) s3api(operation string, args ...string) []string {
	return append([]string{"s3api", operation, "--region", p.w.Region, "--bucket", p.w.Bucket}, args...)
}

// bucket plans all settings of the bucket.
func (p *Provisioner) bucket(ctx context.Context) []*Step {
	exists := p.bucketExists(ctx)
	steps := []*Step{exists}
	if exists.State == Failed {
		return steps
	}
	there := exists.State == Fine
	for _, plan := range []func(context.Context, bool) *Step{p.publicAccess, p.ownership, p.encryption} {
		steps = append(steps, plan(ctx, there))
	}
	if s := p.bucketTransport(ctx, there); s != nil {
		steps = append(steps, s)
	}
	steps = append(steps, p.lifecycle(ctx, there)...)
	if len(p.w.Origins) > 0 {
		steps = append(steps, p.cors(ctx, there))
	}
	if there {
		if s := p.versioning(ctx); s != nil {
			steps = append(steps, s)
		}
	}
	if s := p.storePromises(ctx, there); s != nil {
		steps = append(steps, s)
	}
	return steps
}

func (p *Provisioner) bucketExists(ctx context.Context) *Step {
	s := p.bucketStep("bucket", "s3:CreateBucket")
	s.creates = true
	out, err := p.s3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &p.w.Bucket})
	switch status := statusOf(err); {
	case err == nil:
		if r := awssdk.ToString(out.BucketRegion); r != "" && r != p.w.Region {
			s.State, s.Err = Failed, fmt.Errorf("it exists in %s, not in %s: give --region %s, or another name", r, p.w.Region, r)
			return s
		}
		s.Diffs = []Diff{{"region", p.w.Region, p.w.Region}}
		return s
	case status == http.StatusMovedPermanently || status == http.StatusBadRequest:
		s.State, s.Err = Failed, fmt.Errorf("it exists in another region than %s: correct --region, or choose another name: %w", p.w.Region, err)
		return s
	case status == http.StatusForbidden:
		s.State, s.Err = Failed, fmt.Errorf("access is denied: it belongs to another account, or these credentials lack the right s3:ListBucket: %w", err)
		return s
	case status != http.StatusNotFound:
		s.State, s.Err = Failed, err
		return s
	}
	s.State = Create
	s.Diffs = []Diff{{"region", "", p.w.Region}}
	in := &s3.CreateBucketInput{Bucket: &p.w.Bucket, ObjectOwnership: types.ObjectOwnershipBucketOwnerEnforced}
	args := p.s3api("create-bucket", "--object-ownership", string(in.ObjectOwnership))
	if p.w.Region != "us-east-1" { // the default of S3, which refuses it as a constraint
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(p.w.Region)}
		args = append(args, "--create-bucket-configuration", "LocationConstraint="+p.w.Region)
	}
	s.Commands = []string{aws(args...)}
	s.apply = func(ctx context.Context) error {
		_, err := p.s3.CreateBucket(ctx, in)
		if _, mine := errors.AsType[*types.BucketAlreadyOwnedByYou](err); mine {
			return nil // created by a concurrent run
		}
		if _, taken := errors.AsType[*types.BucketAlreadyExists](err); taken {
			return fmt.Errorf("the name is taken; choose another: %w", err)
		}
		return denied(err, "s3:CreateBucket")
	}
	return s
}

// publicAccess plans that nothing can make the bucket public: four settings, which it
// only ever switches on.
func (p *Provisioner) publicAccess(ctx context.Context, exists bool) *Step {
	s := p.bucketStep("public access block", "s3:PutPublicAccessBlock")
	is := &types.PublicAccessBlockConfiguration{}
	none := !exists
	if exists {
		out, err := p.s3.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: &p.w.Bucket})
		none = codeOf(err) == "NoSuchPublicAccessBlockConfiguration"
		if !none && s.seen(err, "s3:GetBucketPublicAccessBlock") {
			return s
		}
		if err == nil && out.PublicAccessBlockConfiguration != nil {
			is = out.PublicAccessBlockConfiguration
		}
	}
	for _, lock := range []struct {
		name string
		is   *bool
	}{
		{"BlockPublicAcls", is.BlockPublicAcls}, {"IgnorePublicAcls", is.IgnorePublicAcls},
		{"BlockPublicPolicy", is.BlockPublicPolicy}, {"RestrictPublicBuckets", is.RestrictPublicBuckets},
	} {
		d := Diff{lock.name, strconv.FormatBool(awssdk.ToBool(lock.is)), "true"}
		if none {
			d.Is = ""
		}
		s.Diffs = append(s.Diffs, d)
	}
	if !differ(s.Diffs) {
		return s
	}
	s.State = Change
	on := awssdk.Bool(true)
	in := &s3.PutPublicAccessBlockInput{Bucket: &p.w.Bucket, PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
		BlockPublicAcls: on, IgnorePublicAcls: on, BlockPublicPolicy: on, RestrictPublicBuckets: on,
	}}
	s.Commands = []string{aws(p.s3api("put-public-access-block", "--public-access-block-configuration", lean(in.PublicAccessBlockConfiguration))...)}
	s.apply = func(ctx context.Context) error {
		_, err := p.s3.PutPublicAccessBlock(ctx, in)
		return denied(err, "s3:PutBucketPublicAccessBlock")
	}
	return s
}

// ownership plans that only policies grant access, not access lists.
func (p *Provisioner) ownership(ctx context.Context, exists bool) *Step {
	s := p.bucketStep("object ownership", "s3:PutBucketOwnershipControls")
	should := types.ObjectOwnershipBucketOwnerEnforced
	if !exists { // it is created that way
		s.Diffs = []Diff{{"ObjectOwnership", string(should), string(should)}}
		return s
	}
	is := types.ObjectOwnership("")
	out, err := p.s3.GetBucketOwnershipControls(ctx, &s3.GetBucketOwnershipControlsInput{Bucket: &p.w.Bucket})
	if codeOf(err) != "OwnershipControlsNotFoundError" && s.seen(err, "s3:GetBucketOwnershipControls") {
		return s
	}
	if err == nil && out.OwnershipControls != nil && len(out.OwnershipControls.Rules) > 0 {
		is = out.OwnershipControls.Rules[0].ObjectOwnership
	}
	s.Diffs = []Diff{{"ObjectOwnership", string(is), string(should)}}
	if !differ(s.Diffs) {
		return s
	}
	s.State = Change
	in := &s3.PutBucketOwnershipControlsInput{Bucket: &p.w.Bucket, OwnershipControls: &types.OwnershipControls{
		Rules: []types.OwnershipControlsRule{{ObjectOwnership: should}},
	}}
	s.Commands = []string{aws(p.s3api("put-bucket-ownership-controls", "--ownership-controls", lean(in.OwnershipControls))...)}
	s.apply = func(ctx context.Context) error {
		_, err := p.s3.PutBucketOwnershipControls(ctx, in)
		if codeOf(err) == "InvalidBucketAclWithObjectOwnership" {
			return fmt.Errorf("the bucket's access list still grants rights to others; remove these first: %w", err)
		}
		return denied(err, "s3:PutBucketOwnershipControls")
	}
	return s
}

// encryption plans default encryption of objects. It keeps any encryption that is already
// chosen.
func (p *Provisioner) encryption(ctx context.Context, exists bool) *Step {
	s := p.bucketStep("default encryption", "s3:PutBucketEncryption")
	is := types.ServerSideEncryption("")
	if exists {
		out, err := p.s3.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: &p.w.Bucket})
		if codeOf(err) != "ServerSideEncryptionConfigurationNotFoundError" && s.seen(err, "s3:GetEncryptionConfiguration") {
			return s
		}
		if err == nil && out.ServerSideEncryptionConfiguration != nil {
			for _, r := range out.ServerSideEncryptionConfiguration.Rules {
				if d := r.ApplyServerSideEncryptionByDefault; d != nil {
					is = d.SSEAlgorithm
				}
			}
		}
	}
	if is != "" {
		s.Diffs = []Diff{{"SSEAlgorithm", string(is), string(is)}}
		return s
	}
	s.State = Change
	s.Diffs = []Diff{{"SSEAlgorithm", "", string(types.ServerSideEncryptionAes256)}}
	in := &s3.PutBucketEncryptionInput{Bucket: &p.w.Bucket, ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{
		Rules: []types.ServerSideEncryptionRule{{ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAes256}}},
	}}
	s.Commands = []string{aws(p.s3api("put-bucket-encryption", "--server-side-encryption-configuration", lean(in.ServerSideEncryptionConfiguration))...)}
	s.apply = func(ctx context.Context) error {
		_, err := p.s3.PutBucketEncryption(ctx, in)
		return denied(err, "s3:PutEncryptionConfiguration")
	}
	return s
}

// versioning warns of a bucket that keeps old versions, where a deletion removes nothing.
// Only the operator may turn that off.
func (p *Provisioner) versioning(ctx context.Context) *Step {
	out, err := p.s3.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &p.w.Bucket})
	if err != nil || out.Status != types.BucketVersioningStatusEnabled {
		return nil // without the right to look, skip this warning
	}
	s := p.bucketStep("versioning", "s3:PutBucketVersioning")
	s.State = Left
	s.Diffs = []Diff{{"Status", string(out.Status), ""}}
	s.Note = "deleted jobs and images stay as old versions; suspend versioning, or add a lifecycle rule with NoncurrentVersionExpiration"
	return s
}

func differ(diffs []Diff) bool {
	for _, d := range diffs {
		if d.Is != d.Should {
			return true
		}
	}
	return false
}
