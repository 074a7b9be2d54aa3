package e2e_test

import "strings"

// gcloudCommands are the commands of gcloud that cloudbuild.yaml and docs/deploy.md use,
// each with those of its flags that they use. They were looked up in Google's reference,
// cloud.google.com/sdk/gcloud/reference/ and the command's words as a path, and are
// extended from there.
var gcloudCommands = map[string]string{
	"artifacts repositories create":   "--location --repository-format",
	"builds submit":                   "--service-account --substitutions",
	"config set":                      "",
	"functions deploy":                "--allow-unauthenticated --concurrency --cpu --entry-point --env-vars-file --gen2 --memory --region --runtime --service-account --source --timeout --trigger-http",
	"iam service-accounts create":     "",
	"iam service-accounts describe":   "",
	"projects add-iam-policy-binding": "--condition --member --role",
	"run deploy": "--allow-unauthenticated --base-image --concurrency --cpu --cpu-boost --env-vars-file --function --image --liveness-probe --max-instances --memory" +
		" --min-instances --port --region --service-account --source --startup-probe --timeout --update-env-vars --use-http2",
	"run services describe":   "--region",
	"run services update":     "--region --update-env-vars --update-secrets",
	"run worker-pools deploy": "--command --cpu --image --instances --memory --region --service-account --update-env-vars",
	"run worker-pools update": "--instances --region",
	"services enable":         "",
}

// gcloudFlags go with every command.
const gcloudFlags = "--format --project --quiet"

// checkCommand complains of a command of gcloud or a flag that is not known, and returns
// the flags.
func checkCommand(c *complaints, words []string) map[string]string {
	line := strings.Join(words, " ")
	name, known := "", ""
	for n, f := range gcloudCommands {
		if strings.HasPrefix(line+" ", "gcloud "+n+" ") {
			name, known = n, f
		}
	}
	if name == "" {
		c.addf("%q is no command of gcloud that is known here", line)
	}
	flags := map[string]string{}
	for _, w := range words {
		if !strings.HasPrefix(w, "--") {
			continue
		}
		flag, value, _ := strings.Cut(w, "=")
		if !strings.Contains(" "+known+" "+gcloudFlags+" ", " "+flag+" ") {
			c.addf("gcloud %s has no flag %s that is known here", name, flag)
		}
		if _, ok := flags[flag]; ok {
			c.addf("gcloud %s has %s twice", name, flag)
		}
		flags[flag] = value
	}
	return flags
}
