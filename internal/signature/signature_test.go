package signature_test

import (
	"encoding/hex"
	"testing"

	"claimcheck.example/internal/signature"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	older, newer := signature.Of([]string{"older"}), signature.Of([]string{"newer", "older"})
	sum := older.Sign("thing 1", "a", "b")
	if !older.Verify(sum, "thing 1", "a", "b") || !newer.Verify(sum, "thing 1", "a", "b") {
		t.Error("a signature of the older key is refused")
	}
	if s := newer.Sign("thing 1", "a", "b"); older.Verify(s, "thing 1", "a", "b") {
		t.Error("the newer list signs with the older key")
	}
	for name, lines := range map[string][]string{"another thing": {"thing 2", "a", "b"}, "another line": {"thing 1", "a", "c"}, "moved": {"thing 1", "ab", ""}, "less": {"thing 1", "a"}} {
		if older.Verify(sum, lines...) {
			t.Errorf("%s: the signature is accepted", name)
		}
	}
	if older.Verify(sum[:31], "thing 1", "a", "b") || older.Verify(nil, "thing 1", "a", "b") || (signature.Keys)(nil).Verify(sum, "thing 1", "a", "b") {
		t.Error("a part of a signature, no signature, or one without keys is accepted")
	}
}

// TestTheAlgorithm holds the signature to test case 2 of RFC 4231.
func TestTheAlgorithm(t *testing.T) {
	t.Parallel()
	got := hex.EncodeToString(signature.Of([]string{"Jefe"}).Sign("what do ya want for nothing?"))
	if want := "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"; got != want || len(got) != 2*signature.Size {
		t.Errorf("got %s, want %s", got, want)
	}
}
