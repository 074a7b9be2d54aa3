package cedarauthz

import (
	_ "embed"
	"fmt"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/schema"
	"github.com/cedar-policy/cedar-go/x/exp/schema/validate"

	"claimcheck.example/internal/job"
)

//go:embed schema.cedarschema
var schemaText []byte

// The names in schema.cedarschema; a test compares them.
const (
	typeUser    cedar.EntityType = "User"
	typeJob     cedar.EntityType = "Job"
	typeAccount cedar.EntityType = "Account"
	typeService cedar.EntityType = "Service"
	typeAction  cedar.EntityType = "Action"

	serviceID cedar.String = "claimcheck"
)

// resources are the resource types that the schema allows for an action. An action
// without a job is about an account or the service, not both.
type resources struct{ job, account, service bool }

// vocabulary is the parsed schema: it validates policies and lists the actions.
type vocabulary struct {
	validator *validate.Validator // strict
	actions   map[job.Action]resources
}

// loadSchema parses the embedded schema.
func loadSchema() (*vocabulary, error) {
	var s schema.Schema
	s.SetFilename("schema.cedarschema")
	if err := s.UnmarshalCedar(schemaText); err != nil {
		return nil, fmt.Errorf("parse the embedded schema: %w", err)
	}
	resolved, err := s.Resolve()
	if err != nil {
		return nil, fmt.Errorf("resolve the embedded schema: %w", err)
	}
	v := &vocabulary{validate.New(resolved, validate.WithStrict()), make(map[job.Action]resources, len(resolved.Actions))}
	for uid, a := range resolved.Actions {
		if a.AppliesTo == nil {
			return nil, fmt.Errorf("the embedded schema: %s applies to nothing", uid)
		}
		var on resources
		for _, t := range a.AppliesTo.Resources {
			switch t {
			case typeJob:
				on.job = true
			case typeAccount:
				on.account = true
			case typeService:
				on.service = true
			default:
				return nil, fmt.Errorf("the embedded schema: %s applies to %s, which no question is about", uid, t)
			}
		}
		if on.account && on.service {
			return nil, fmt.Errorf("the embedded schema: %s applies to an account and to the service", uid)
		}
		v.actions[job.Action(uid.ID)] = on
	}
	return v, nil
}
