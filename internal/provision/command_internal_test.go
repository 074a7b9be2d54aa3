package provision

import (
	"os/exec"
	"testing"

	"pgregory.net/rapid"

	"claimcheck.example/internal/test/program"
)

// TestQuote has a real shell read quoted text.
func TestQuote(t *testing.T) {
	t.Parallel()
	sh := program.Need(t, "sh")
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.StringOf(rapid.RuneFrom([]rune(`aZ0 '"$\{}[]*?!&|;<>()#~`+"`\n\té"))).Draw(rt, "text")
		arg := text + deadARN.in() + text
		out, err := exec.Command(sh, "-c", "dead_arn='a b'; printf %s "+quote(arg)).Output()
		if err != nil || string(out) != text+"a b"+text {
			rt.Fatalf("%q is read as %q, %v", quote(arg), out, err)
		}
	})
}

func TestQuoteLeavesPlainWordsAlone(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]string{
		"--bucket": "--bucket", "LocationConstraint=eu-central-1": "LocationConstraint=eu-central-1", "": "''",
		"it's": `'it'\''s'`, queueURL.in(): `"$queue_url"`,
	} {
		if got := quote(arg); got != want {
			t.Errorf("%q becomes %s, want %s", arg, got, want)
		}
	}
}
