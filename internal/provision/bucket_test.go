package provision_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/provision"
)

// region is the region of the tests' S3.
const region = "eu-central-1"

func wanted(t *testing.T) provision.Wanted {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(t.Name()))
	return provision.Wanted{
		Region: region, Bucket: "pictures", Queue: name, DeadLetter: name + "-dead",
		JobTTLDays: 7, Retention: 96 * 3600e9, Visibility: 60e9, MaxReceives: 100,
	}
}

// bucketSteps plans with a fake S3 and the local SQS, and returns the steps of the
// bucket.
func bucketSteps(t *testing.T, f *fakeS3, w provision.Wanted) (*provision.Plan, []*provision.Step) {
	t.Helper()
	p, err := provision.New(f.client(), awstest.Start(t).SQS, w)
	if err != nil {
		t.Fatal(err)
	}
	plan := p.Plan(t.Context())
	var steps []*provision.Step
	for _, s := range plan.Steps {
		if strings.HasPrefix(s.On, "bucket ") {
			steps = append(steps, s)
		}
	}
	return plan, steps
}

func apply(t *testing.T, plan *provision.Plan) {
	t.Helper()
	plan.Apply(t.Context(), func(*provision.Step) {})
	if err := plan.Err(); err != nil {
		t.Fatal(err)
	}
}

// stateOf returns the state of the named step.
func stateOf(t *testing.T, steps []*provision.Step, what string) *provision.Step {
	t.Helper()
	i := slices.IndexFunc(steps, func(s *provision.Step) bool { return s.What == what })
	if i < 0 {
		t.Fatalf("no step %q", what)
	}
	return steps[i]
}

// TestNewBucket creates a bucket and checks every byte that S3 receives; a second run
// changes nothing.
func TestNewBucket(t *testing.T) {
	t.Parallel()
	f := newFakeS3(t)
	plan, _ := bucketSteps(t, f, wanted(t))
	if got := f.take(); got != nil {
		t.Fatalf("a plan has written: %+v", got)
	}
	apply(t, plan)
	const (
		access = "PublicAccessBlockConfiguration/"
		sse    = "ServerSideEncryptionConfiguration/Rule/ApplyServerSideEncryptionByDefault/"
		rule   = "LifecycleConfiguration/Rule/"
	)
	want := map[string][]string{
		"":                  {"CreateBucketConfiguration/LocationConstraint=eu-central-1"},
		"publicAccessBlock": {access + "BlockPublicAcls=true", access + "BlockPublicPolicy=true", access + "IgnorePublicAcls=true", access + "RestrictPublicBuckets=true"},
		"encryption":        {sse + "SSEAlgorithm=AES256"},
		"lifecycle": {
			rule + "Expiration/Days=7", rule + "Filter/Prefix=jobs/", rule + "ID=claimcheck-jobs", rule + "Status=Enabled",
			rule + "AbortIncompleteMultipartUpload/DaysAfterInitiation=1", rule + "Expiration/Days=7", rule + "Filter/Prefix=input/", rule + "ID=claimcheck-input", rule + "Status=Enabled",
			rule + "AbortIncompleteMultipartUpload/DaysAfterInitiation=1", rule + "Expiration/Days=7", rule + "Filter/Prefix=output/", rule + "ID=claimcheck-output", rule + "Status=Enabled",
			rule + "Expiration/Days=11", rule + "Filter/Prefix=lists/", rule + "ID=claimcheck-lists", rule + "Status=Enabled", // the queue's four days longer
			rule + "Expiration/Days=7", rule + "Filter/Prefix=deliveries/", rule + "ID=claimcheck-deliveries", rule + "Status=Enabled",
		},
	}
	got := map[string][]string{}
	for _, w := range f.take() {
		got[w.setting] = flat(t, w.body)
		if w.setting == "" && w.header.Get("X-Amz-Object-Ownership") != "BucketOwnerEnforced" {
			t.Errorf("the bucket is made with %v", w.header)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("S3 is sent (-want +got):\n%s", d)
	}
	// The fake, unlike S3, does not remember the ownership of a new bucket.
	f.buckets["pictures"]["ownershipControls"] = `<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>`
	plan, steps := bucketSteps(t, f, wanted(t))
	for _, s := range steps {
		if s.State != provision.Fine {
			t.Errorf("the second time: %s", s)
		}
	}
	apply(t, plan)
	if got := f.take(); got != nil {
		t.Errorf("the second time: %+v", got)
	}
}

func TestUSEast1IsNotNamed(t *testing.T) {
	t.Parallel()
	f, w := newFakeS3(t), wanted(t)
	w.Region = "us-east-1"
	plan, steps := bucketSteps(t, f, w)
	apply(t, plan)
	if body := f.take()[0].body; body != "" || strings.Contains(steps[0].Commands[0], "LocationConstraint") {
		t.Errorf("S3 is sent %q, the command is %s", body, steps[0].Commands[0])
	}
}

// TestWhatOthersSetStays plans for a bucket that another party has configured
// differently.
func TestWhatOthersSetStays(t *testing.T) {
	t.Parallel()
	f := newFakeS3(t)
	archive := `<Rule><ID>archive</ID><Filter><And><Prefix>archive/</Prefix><Tag><Key>keep</Key><Value></Value></Tag></And></Filter>` +
		`<Status>Enabled</Status><Transition><Days>30</Days><StorageClass>GLACIER</StorageClass></Transition></Rule>` +
		`<Rule><ID>old</ID><Prefix></Prefix><Status>Disabled</Status><Expiration><Date>2030-01-01T00:00:00Z</Date></Expiration></Rule>`
	f.buckets["pictures"] = map[string]string{
		"publicAccessBlock": `<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>`,
		"ownershipControls": `<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>`,
		"encryption": `<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm>` +
			`<KMSMasterKeyID>k</KMSMasterKeyID></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>`,
		"lifecycle": `<LifecycleConfiguration>` + archive + `</LifecycleConfiguration>`,
	}
	f.headers["lifecycle"] = http.Header{"X-Amz-Transition-Default-Minimum-Object-Size": {"varies_by_storage_class"}}
	plan, steps := bucketSteps(t, f, wanted(t))
	if s := stateOf(t, steps, "default encryption"); s.State != provision.Fine {
		t.Errorf("another's encryption: %s", s)
	}
	apply(t, plan)
	written := map[string]write{}
	for _, w := range f.take() {
		written[w.setting] = w
	}
	if len(written) != 3 {
		t.Errorf("written: %v", written)
	}
	if got := flat(t, written["ownershipControls"].body); !slices.Equal(got, []string{"OwnershipControls/Rule/ObjectOwnership=BucketOwnerEnforced"}) {
		t.Errorf("ownership: %s", got)
	}
	lifecycle := written["lifecycle"]
	if lifecycle.header.Get("X-Amz-Transition-Default-Minimum-Object-Size") != "varies_by_storage_class" {
		t.Error("the setting beside the rules is lost")
	}
	got := flat(t, lifecycle.body)
	for _, want := range flat(t, `<LifecycleConfiguration>`+archive+`</LifecycleConfiguration>`) {
		if !slices.Contains(got, want) {
			t.Errorf("%s is lost of %s", want, got)
		}
	}
	if s := stateOf(t, steps, "lifecycle rules"); !strings.Contains(s.Commands[0], `"Prefix":""`) || !strings.Contains(s.Commands[0], "--transition-default-minimum-object-size varies_by_storage_class") {
		t.Errorf("the command is %s", s.Commands[0])
	}
}

// TestNothingIsDeletedSooner changes the time to live of a bucket that has rules.
func TestNothingIsDeletedSooner(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		rule    string // of jobs/
		days    int
		shorten bool
		want    provision.State // of the rule's step
	}{
		"longer":              {enabled(7), 30, false, provision.Change},
		"shorter":             {enabled(30), 7, false, provision.Left},
		"shorter, as allowed": {enabled(30), 7, true, provision.Change},
		"turned off":          {strings.Replace(enabled(7), "Enabled", "Disabled", 1), 7, false, provision.Left},
		"of something else":   {strings.Replace(enabled(7), "jobs/", "jobs/old/", 1), 7, false, provision.Left},
		"of some tag":         {strings.Replace(enabled(7), "<Prefix>jobs/</Prefix>", "<And><Prefix>jobs/</Prefix><Tag><Key>a</Key><Value>b</Value></Tag></And>", 1), 7, false, provision.Left},
		"of large ones":       {strings.Replace(enabled(7), "<Prefix>jobs/</Prefix>", "<And><Prefix>jobs/</Prefix><ObjectSizeGreaterThan>9</ObjectSizeGreaterThan></And>", 1), 7, false, provision.Left},
		"on a date":           {strings.Replace(enabled(7), "<Days>7</Days>", "<Date>2030-01-01T00:00:00Z</Date>", 1), 7, false, provision.Left},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, w := newFakeS3(t), wanted(t)
			w.JobTTLDays, w.Shorten = tt.days, tt.shorten
			f.buckets["pictures"] = map[string]string{"lifecycle": "<LifecycleConfiguration>" + tt.rule + "</LifecycleConfiguration>"}
			plan, steps := bucketSteps(t, f, w)
			step := stateOf(t, steps, "lifecycle rules")
			if tt.want == provision.Left {
				step = stateOf(t, steps, "lifecycle rule claimcheck-jobs")
				if !strings.Contains(step.Note, "--shorten") {
					t.Errorf("it says %q", step.Note)
				}
			}
			if step.State != tt.want {
				t.Fatalf("got %s", step)
			}
			apply(t, plan)
			sent := ""
			for _, w := range f.take() {
				if w.setting == "lifecycle" {
					sent = strings.Join(flat(t, w.body), "\n")
				}
			}
			// The rules of input/ and output/ are made in any case.
			want := enabled(tt.days)
			if tt.want == provision.Left {
				want = tt.rule
			}
			lines := flat(t, "<LifecycleConfiguration>"+want+"</LifecycleConfiguration>")
			got := strings.Split(sent, "\n")[:len(lines)]
			slices.Sort(got)
			slices.Sort(lines)
			if d := cmp.Diff(lines, got); d != "" || !strings.Contains(sent, "claimcheck-output") {
				t.Errorf("S3 is sent\n%s\n(-want +got):\n%s", sent, d)
			}
		})
	}
}

// TestPagesMayUpload adds wanted origins to our rule and keeps other rules.
func TestPagesMayUpload(t *testing.T) {
	t.Parallel()
	f := newFakeS3(t)
	const theirs = "<CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>https://theirs.example</AllowedOrigin><ID>theirs</ID></CORSRule>"
	f.buckets["pictures"] = map[string]string{"cors": "<CORSConfiguration>" + theirs + "</CORSConfiguration>"}
	const rule = "CORSConfiguration/CORSRule/"
	want := []string{
		rule + "AllowedMethod=GET", rule + "AllowedOrigin=https://theirs.example", rule + "ID=theirs",
		rule + "AllowedHeader=*", rule + "AllowedMethod=PUT",
	}
	for _, origin := range []string{"https://a.example", "https://b.example"} {
		w := wanted(t)
		w.Origins = []string{origin}
		plan, steps := bucketSteps(t, f, w)
		if s := stateOf(t, steps, "uploads by pages"); s.State != provision.Change || !strings.Contains(strings.Join(s.Commands, ""), "put-bucket-cors") {
			t.Errorf("%s: %s: %q", origin, s, s.Commands)
		}
		apply(t, plan)
		want = append(want, rule+"AllowedOrigin="+origin)
		got := flat(t, f.buckets["pictures"]["cors"])
		if d := cmp.Diff(slices.Concat(want, []string{rule + "ID=claimcheck-upload", rule + "MaxAgeSeconds=3600"}), got); d != "" {
			t.Errorf("%s: the bucket has (-want +got):\n%s", origin, d)
		}
		if _, steps := bucketSteps(t, f, w); stateOf(t, steps, "uploads by pages").State != provision.Fine {
			t.Errorf("%s: the second time there is something to do", origin)
		}
	}
}

func enabled(days int) string {
	return fmt.Sprintf("<Rule><ID>claimcheck-jobs</ID><Filter><Prefix>jobs/</Prefix></Filter><Status>Enabled</Status><Expiration><Days>%d</Days></Expiration></Rule>", days)
}

// TestRefusalsFailTheirStep gets refusals of every kind: each fails its step, and the other
// steps go on.
func TestRefusalsFailTheirStep(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		request string
		answer  refusal
		step    string
		want    provision.State
		hint    string
	}{
		"not implemented":        {"GET lifecycle", refusal{501, "NotImplemented", nil}, "lifecycle rules", provision.Unsupported, "not support"},
		"not allowed":            {"GET encryption", refusal{405, "MethodNotAllowed", nil}, "default encryption", provision.Unsupported, "not support"},
		"not implemented to put": {"PUT publicAccessBlock", refusal{501, "NotImplemented", nil}, "public access block", provision.Unsupported, "not support"},
		"may not look":           {"GET lifecycle", refusal{403, "AccessDenied", nil}, "lifecycle rules", provision.Failed, "s3:GetLifecycleConfiguration"},
		"may not change":         {"PUT encryption", refusal{403, "AccessDenied", nil}, "default encryption", provision.Failed, "s3:PutEncryptionConfiguration"},
		"list of access":         {"PUT ownershipControls", refusal{400, "InvalidBucketAclWithObjectOwnership", nil}, "object ownership", provision.Failed, "access list"},
		"another's bucket":       {"HEAD ", refusal{403, "", nil}, "bucket", provision.Failed, "another account"},
		"another region":         {"HEAD ", refusal{301, "", http.Header{"X-Amz-Bucket-Region": {"us-west-2"}}}, "bucket", provision.Failed, "--region"},
		"may not look at CORS":   {"GET cors", refusal{403, "AccessDenied", nil}, "uploads by pages", provision.Failed, "s3:GetBucketCORS"},
		"may not change CORS":    {"PUT cors", refusal{403, "AccessDenied", nil}, "uploads by pages", provision.Failed, "s3:PutBucketCORS"},
		"broken":                 {"HEAD ", refusal{500, "", nil}, "bucket", provision.Failed, "500"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakeS3(t)
			f.buckets["pictures"] = map[string]string{}
			f.refusals[tt.request] = tt.answer
			w := wanted(t)
			w.Origins = []string{"https://jobs.example.com"}
			plan, steps := bucketSteps(t, f, w)
			plan.Apply(t.Context(), func(*provision.Step) {})
			step := stateOf(t, steps, tt.step)
			if step.State != tt.want || !strings.Contains(step.String(), tt.hint) {
				t.Errorf("got %s", step)
			}
			if (plan.Err() != nil) != (tt.want == provision.Failed) {
				t.Errorf("error is %v", plan.Err())
			}
			for _, s := range plan.Steps {
				if s != step && s.State != provision.Fine && s.State != provision.Done {
					t.Errorf("another step suffers: %s: %s", s.On, s)
				}
			}
		})
	}
}

// TestBucketThatCannotBeMade skips the other steps of the bucket.
func TestBucketThatCannotBeMade(t *testing.T) {
	t.Parallel()
	f := newFakeS3(t)
	f.refusals["PUT "] = refusal{409, "BucketAlreadyExists", nil}
	plan, steps := bucketSteps(t, f, wanted(t))
	plan.Apply(t.Context(), func(*provision.Step) {})
	if err := plan.Err(); err == nil || !strings.Contains(err.Error(), "name is taken") {
		t.Errorf("error is %v", err)
	}
	if s := stateOf(t, steps, "lifecycle rules"); s.State != provision.Failed || !strings.Contains(s.String(), "not tried") {
		t.Errorf("got %s", s)
	}
	if got := f.take(); got != nil {
		t.Errorf("written: %+v", got)
	}
}

// TestVersions warns of a bucket in which a deletion removes nothing.
func TestVersions(t *testing.T) {
	t.Parallel()
	f := newFakeS3(t)
	f.buckets["pictures"] = map[string]string{"versioning": `<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>`}
	_, steps := bucketSteps(t, f, wanted(t))
	if s := stateOf(t, steps, "versioning"); s.State != provision.Left || !strings.Contains(s.String(), "old versions") {
		t.Errorf("got %s", s)
	}
}
