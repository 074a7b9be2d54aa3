package cedarauthz

import (
	"github.com/cedar-policy/cedar-go"

	"claimcheck.example/internal/job"
)

// entities are the two entities of a question. Cedar needs no others: neither actions nor
// users have parents in the schema.
type entities struct {
	principal, resource cedar.Entity
}

// Get implements [cedar.EntityGetter].
func (e *entities) Get(uid cedar.EntityUID) (cedar.Entity, bool) {
	switch uid {
	case e.principal.UID:
		return e.principal, true
	case e.resource.UID:
		return e.resource, true
	}
	return cedar.Entity{}, false
}

// translate converts q, which has passed the guard, to Cedar's types.
func (m *Monitor) translate(q job.Access) (cedar.Request, entities) {
	ents := entities{principal: m.userEntity(q.Principal), resource: m.resourceEntity(q)}

	circumstances := cedar.RecordMap{"time": cedar.NewDatetime(q.Time)}
	if q.Source.IsValid() {
		// An IPv4 client of a dual-stack socket shows as ::ffff:a.b.c.d, which no range in a
		// policy would match. Prefix drops a zone, which Cedar does not support.
		a := q.Source.Unmap()
		if p, err := a.Prefix(a.BitLen()); err == nil {
			circumstances["source"] = cedar.IPAddr(p)
		}
	}
	return cedar.Request{
		Principal: ents.principal.UID,
		Action:    actionUID(q.Action),
		Resource:  ents.resource.UID,
		Context:   cedar.NewRecord(circumstances),
	}, ents
}

func actionUID(a job.Action) cedar.EntityUID {
	return cedar.NewEntityUID(typeAction, cedar.String(a))
}

func (m *Monitor) userEntity(p job.Principal) cedar.Entity {
	groups := make([]cedar.Value, len(p.Groups))
	for i, g := range p.Groups {
		groups[i] = cedar.String(g)
	}
	owner := cedar.String(p.Owner())
	attributes := cedar.RecordMap{
		"issuer":        cedar.String(p.Issuer),
		"subject":       cedar.String(p.Subject),
		"owner":         owner,
		"groups":        cedar.NewSet(groups...),
		"emailVerified": cedar.Boolean(p.EmailVerified),
		"admin":         cedar.Boolean(m.admin(p)),
		"anonymous":     cedar.Boolean(anonymous(p)),
	}
	if p.Email != "" {
		attributes["email"] = cedar.String(p.Email)
	}
	return cedar.Entity{UID: cedar.NewEntityUID(typeUser, owner), Attributes: cedar.NewRecord(attributes)}
}

func (m *Monitor) resourceEntity(q job.Access) cedar.Entity {
	switch {
	case q.Job != nil:
		return cedar.Entity{
			UID: cedar.NewEntityUID(typeJob, cedar.String(q.Job.ID)),
			Attributes: cedar.NewRecord(cedar.RecordMap{
				"owner":  cedar.String(q.Job.Owner),
				"status": cedar.String(q.Job.Status),
				"age":    cedar.Long(max(0, int64(q.Time.Sub(q.Job.CreatedAt).Seconds()))),
				"size":   cedar.Long(q.Job.Input.SizeBytes),
			}),
		}
	case m.actions[q.Action].service:
		return cedar.Entity{UID: cedar.NewEntityUID(typeService, serviceID)}
	default:
		return cedar.Entity{
			UID:        cedar.NewEntityUID(typeAccount, cedar.String(q.Owner)),
			Attributes: cedar.NewRecord(cedar.RecordMap{"owner": cedar.String(q.Owner)}),
		}
	}
}
