package deploy_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"claimcheck.example/internal/awslocal/awstest"
)

// call is one call of the aws command: its two words, and its flags.
type call struct {
	name  string
	flags map[string]string
}

// roles runs docs/iam/roles and returns its calls of aws.
func roles(t *testing.T, exists string, args ...string) []call {
	t.Helper()
	file := filepath.Join(t.TempDir(), "calls")
	cmd := exec.CommandContext(t.Context(), awstest.Module("docs/iam/roles"), args...)
	cmd.Env = append(os.Environ(), "PATH="+awstest.Module("internal/test/deploy/testdata/commands")+":"+os.Getenv("PATH"), "CALLS="+file, "EXISTS="+exists,
		"AWS_REGION=eu-central-1", "S3_BUCKET=pictures", "SQS_QUEUE_URL=https://sqs.eu-central-1.amazonaws.com/123456789012/jobs")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var calls []call
	for text := range strings.SplitSeq(strings.TrimSuffix(string(raw), "end\n"), "end\n") {
		words := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		c := call{name: words[0] + " " + words[1], flags: map[string]string{}}
		for i := 2; i+1 < len(words); i += 2 {
			c.flags[words[i]] = words[i+1]
		}
		calls = append(calls, c)
	}
	return calls
}

// find returns the only call of that name for a role.
func find(t *testing.T, calls []call, name, role string) call {
	t.Helper()
	var found []call
	for _, c := range calls {
		if c.name == name && c.flags["--role-name"] == role {
			found = append(found, c)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d calls of %s for %s, want one: %v", len(found), name, role, calls)
	}
	return found[0]
}

// TestRoles runs the script that creates the roles, against doubles of the two commands that
// it calls.
func TestRoles(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args   []string
		exists string // the exit code of create-role
		trust  string // the file with the trust policy
		ids    map[string]string
		logs   bool
	}{
		"lambda":          {[]string{"lambda"}, "0", "trust-lambda.json", nil, true},
		"google":          {[]string{"google", "my-project"}, "0", "trust-google.json", map[string]string{"server": "1001", "worker": "1002"}, false},
		"roles are there": {[]string{"lambda"}, "254", "trust-lambda.json", nil, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := roles(t, tt.exists, tt.args...)
			for _, who := range []string{"server", "worker"} {
				role := "claimcheck-" + who
				created := find(t, calls, "iam create-role", role).flags["--assume-role-policy-document"]
				sameJSON(t, role+" trusts", created, document(t, tt.trust, "SERVICE_ACCOUNT_ID", tt.ids[who]))
				if tt.exists != "0" {
					sameJSON(t, role+" trusts", find(t, calls, "iam update-assume-role-policy", role).flags["--policy-document"], created)
				}
				rights := find(t, calls, "iam put-role-policy", role).flags["--policy-document"]
				sameJSON(t, role+" may", rights, document(t, who+".json", "BUCKET", "pictures", "REGION", "eu-central-1", "ACCOUNT", "123456789012", "QUEUE", "jobs"))
				attached := 0
				for _, c := range calls {
					if c.name == "iam attach-role-policy" && c.flags["--role-name"] == role {
						attached++
					}
				}
				if (attached == 1) != tt.logs {
					t.Errorf("%s has %d policies of AWS", role, attached)
				}
			}
		})
	}
	t.Run("delete", func(t *testing.T) {
		t.Parallel()
		calls := roles(t, "0", "delete")
		for _, role := range []string{"claimcheck-server", "claimcheck-worker"} {
			for _, name := range []string{"iam delete-role-policy", "iam detach-role-policy", "iam delete-role"} {
				find(t, calls, name, role)
			}
		}
	})
}

// document returns a file of docs/iam with its placeholders replaced.
func document(t *testing.T, name string, replace ...string) string {
	t.Helper()
	raw, err := os.ReadFile(awstest.Module("docs/iam/" + name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(replace...).Replace(string(raw))
}

func sameJSON(t *testing.T, what, got, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("%s: %v: %s", what, err, got)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(g)
	b, _ := json.Marshal(w)
	if string(a) != string(b) {
		t.Errorf("%s %s, want %s", what, a, b)
	}
}
