package cedarauthz

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"

	"github.com/cedar-policy/cedar-go"
	expast "github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/cedar-policy/cedar-go/x/exp/schema/validate"
)

// builtinName is the name of the embedded policies in errors and in the log.
const builtinName = "built-in"

// maxPolicyBytes bounds a policy file. Each decision evaluates all policies, and a larger
// file is far beyond what a person can review.
const maxPolicyBytes = 1 << 20

//go:embed policies.cedar
var builtinPolicies []byte

// policySet is a parsed and validated policy text. It never changes.
type policySet struct {
	origin   string
	digest   string
	policies []namedPolicy
}

// namedPolicy is a policy with its name in logs and refusals.
type namedPolicy struct {
	name   cedar.PolicyID
	policy *cedar.Policy
}

// All yields the policies in the order of their text, so that a decision by several
// policies always names them in the same order.
func (s *policySet) All() iter.Seq2[cedar.PolicyID, *cedar.Policy] {
	return func(yield func(cedar.PolicyID, *cedar.Policy) bool) {
		for _, p := range s.policies {
			if !yield(p.name, p.policy) {
				return
			}
		}
	}
}

// loadPolicies returns the policies of o, fully validated.
func loadPolicies(v *validate.Validator, o Options) (*policySet, error) {
	switch {
	case o.PolicyFile != "" && o.Policies != nil:
		return nil, errors.New("either a policy file or the text of policies can be given, not both")
	case o.PolicyFile != "":
		text, err := readPolicyFile(o.PolicyFile)
		if err != nil {
			return nil, err
		}
		return parsePolicies(v, o.PolicyFile, text)
	case o.Policies != nil:
		return parsePolicies(v, "policies", o.Policies)
	default:
		return parsePolicies(v, builtinName, builtinPolicies)
	}
}

func readPolicyFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read the policy file: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPolicyBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the policy file: %w", err)
	}
	if len(text) > maxPolicyBytes {
		return nil, fmt.Errorf("the policy file %s is longer than %d bytes", name, maxPolicyBytes)
	}
	return text, nil
}

// parsePolicies parses text and checks every policy in it against the schema. If the text
// parses, the error has all mistakes, each with its line.
func parsePolicies(validator *validate.Validator, origin string, text []byte) (*policySet, error) {
	list, err := cedar.NewPolicyListFromBytes(origin, text)
	if err != nil {
		// Cedar's parser calls every file "<input>".
		return nil, errors.New("the policies do not parse: " + strings.Replace(err.Error(), "<input>", origin, 1))
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("the policies of %s hold no policy: everything would be denied", origin)
	}

	sum := sha256.Sum256(text)
	set := &policySet{origin: origin, digest: hex.EncodeToString(sum[:])}
	lines := make(map[cedar.PolicyID]int, len(list))
	var mistakes []error
	for i, p := range list {
		name, line := policyName(i, p), p.Position().Line
		if first, taken := lines[name]; taken {
			mistakes = append(mistakes, fmt.Errorf("%s, line %d: the policy's @id %q is that of line %d", origin, line, name, first))
			continue
		}
		lines[name] = line
		if err := validator.Policy(string(name), (*expast.Policy)(p.AST())); err != nil {
			mistakes = append(mistakes, fmt.Errorf("%s, line %d: %w", origin, line, err))
			continue
		}
		set.policies = append(set.policies, namedPolicy{name, p})
	}
	if len(mistakes) > 0 {
		return nil, errors.Join(mistakes...)
	}
	return set, nil
}

// policyName is the policy's @id, else "policy" and its place in the text, from 1.
func policyName(i int, p *cedar.Policy) cedar.PolicyID {
	if id := p.Annotations()["id"]; id != "" {
		return cedar.PolicyID(id)
	}
	return cedar.PolicyID(fmt.Sprintf("policy%d", i+1))
}
