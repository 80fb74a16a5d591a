package control

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
	"logkeep/internal/standard"
)

// A Rule is a data collection rule: which streams of rows go to which tables.
type Rule struct {
	ID       resource.ID       `json:"-"`
	Tenant   schema.TenantID   `json:"-"`
	Location string            `json:"-"`
	Tags     map[string]string `json:"-"`
	ETag     resource.ETag     `json:"-"`
	Created  time.Time         `json:"-"`
	Modified time.Time         `json:"-"`

	ImmutableID  string                     `json:"immutableId"` // dcr- and 32 hex digits
	Kind         string                     `json:"kind,omitempty"`
	Label        string                     `json:"label,omitempty"` // host label of a rule of kind Direct
	Description  string                     `json:"description,omitempty"`
	Endpoint     resource.ID                `json:"endpoint"`
	Streams      map[string][]schema.Column `json:"streams"`
	Destinations []Destination              `json:"destinations"`
	Flows        []Flow                     `json:"flows"`
}

// A Destination is a workspace, by the name that flows use.
type Destination struct {
	Name      string      `json:"name"`
	Workspace resource.ID `json:"workspace"`
}

// A Flow takes the rows of streams to one table in each of its destinations.
type Flow struct {
	Streams      []string `json:"streams"`
	Destinations []string `json:"destinations"`
	Transform    string   `json:"transform,omitempty"` // as given
	Output       string   `json:"output,omitempty"`    // as given: "" for the stream's own name

	Changes bool `json:"changes,omitempty"` // Transform does more than to hand rows on
}

// A Route is where rows of a stream go, and how they are changed before: "" for
// as they are.
type Route struct {
	Workspace resource.ID
	Table     schema.TableName
	Transform string
}

// direct is the kind of rules that have a host of their own.
const direct = "Direct"

// kinds are those that a rule can have: Linux and Windows say on which machines
// an agent may take the rule, and there is none that asks.
var kinds = []string{"", direct, "Linux", "Windows"}

// Stream finds a stream without regard to case: one that the rule declares, or
// one of a published table that a flow names.
func (r Rule) Stream(name string) (declared string, columns []schema.Column, ok bool) {
	for s, c := range r.Streams {
		if strings.EqualFold(s, name) {
			return s, c, true
		}
	}
	for _, f := range r.Flows {
		for _, s := range f.Streams {
			if strings.EqualFold(s, name) {
				columns, ok = publishedStream(s)
				return s, columns, ok
			}
		}
	}
	return "", nil, false
}

// publishedStream is the columns of the stream of a published table.
func publishedStream(name string) ([]schema.Column, bool) {
	table, ok := strings.CutPrefix(name, publishedPrefix)
	if !ok {
		return nil, false
	}
	p, ok := standard.Lookup(table)
	return Table{Published: &p}.Writable().Columns, ok && p.Ingest
}

// Routes are the tables to which rows of a declared stream go.
func (r Rule) Routes(stream string) []Route {
	var all []Route
	for _, f := range r.Flows {
		if !slices.Contains(f.Streams, stream) {
			continue
		}
		for _, d := range r.Destinations {
			route := Route{Workspace: d.Workspace, Table: f.table(stream)}
			if f.Changes {
				route.Transform = f.Transform
			}
			if slices.Contains(f.Destinations, d.Name) && !slices.Contains(all, route) {
				all = append(all, route)
			}
		}
	}
	return all
}

// table is the table that a stream's rows go to.
func (f Flow) table(stream string) schema.TableName {
	if f.Output != "" {
		stream = f.Output
	}
	if name, ok := strings.CutPrefix(stream, publishedPrefix); ok {
		if p, ok := standard.Lookup(name); ok {
			return p.Name
		}
		return schema.TableName(name)
	}
	return schema.TableName(strings.TrimPrefix(stream, customPrefix))
}

// What the names of streams begin with.
const (
	customPrefix    = "Custom-"
	publishedPrefix = "Microsoft-"
)

func ruleOf(res catalog.Resource) (Rule, error) {
	var r Rule
	if err := decode(res, &r); err != nil {
		return Rule{}, err
	}
	id, err := idOf(res)
	r.ID, r.Tenant, r.Location, r.Tags, r.ETag = id, res.Tenant, res.Location, res.Tags, resource.ETag(res.ETag)
	r.Created, r.Modified = res.Created, res.Modified
	return r, err
}

// Rule returns a data collection rule.
func (s *Service) Rule(ctx context.Context, id resource.ID) (Rule, error) {
	return get(ctx, s.cat.Records, id, ruleOf)
}

// Rules returns the rules within a scope, in the order of their ids.
func (s *Service) Rules(ctx context.Context, scope resource.ID) ([]Rule, error) {
	return list(ctx, s.cat.Records, scope, resource.Rule, ruleOf)
}

// RuleAt finds the rule that the host label takes rows for: every rule by its
// immutable id at its endpoint, a rule of kind Direct at its own.
func (s *Service) RuleAt(ctx context.Context, label, immutableID string) (Rule, error) {
	rules, err := by(ctx, s.cat.Records, catalog.ImmutableID, immutableID, resource.Rule, s.remembered.rules.reader(ruleOf))
	if err != nil {
		return Rule{}, err
	}
	if len(rules) == 0 {
		return Rule{}, fault.New(fault.RuleNotFound, "Data collection rule with immutable Id '%.60s' not found. Take the id from properties.immutableId of the rule.", immutableID)
	}
	r := rules[0]
	if r.Label != "" && r.Label == label {
		return r, nil
	}
	endpoints, err := by(ctx, s.cat.Records, catalog.Label, label, resource.Endpoint, endpointOf)
	if err != nil {
		return Rule{}, err
	}
	for _, e := range endpoints {
		if e.Label == label && e.Tenant == r.Tenant && e.Location == r.Location {
			return r, nil
		}
	}
	return Rule{}, fault.New(fault.EndpointMismatch, "The host is no data collection endpoint in the rule's tenant and region. Take it from properties.logsIngestion.endpoint of the endpoint.")
}

// Hosts returns the labels of all hosts that take rows.
func (s *Service) Hosts(ctx context.Context) ([]string, error) {
	endpoints, err := s.Endpoints(ctx, resource.Root())
	if err != nil {
		return nil, err
	}
	rules, err := s.Rules(ctx, resource.Root())
	if err != nil {
		return nil, err
	}
	labels := map[string]bool{}
	for _, e := range endpoints {
		labels[e.Label] = true
	}
	for _, r := range rules {
		labels[r.Label] = true
	}
	delete(labels, "")
	return slices.Sorted(maps.Keys(labels)), nil
}

// A RuleChange is what a PUT asks for: the whole rule, as ARM has it. A PATCH
// changes tags alone.
type RuleChange struct {
	Location     *string
	Tags         map[string]string
	Kind         string
	Description  string
	Endpoint     string
	Streams      map[string][]Column // Type is Invalid where the type's name was unknown
	Destinations []DestinationChange
	Flows        []Flow
	Others       []Unserved
}

// Unserved is a part of a rule that would do nothing here and is refused.
type Unserved struct {
	At      string // path in the body
	Instead string // what to do
}

// A DestinationChange is a workspace by its id, as a client writes it.
type DestinationChange struct {
	Name, Workspace string
}

// PutRule creates or replaces a rule.
func (s *Service) PutRule(ctx context.Context, id resource.ID, ch RuleChange) (r Rule, created bool, err error) {
	err = s.cat.Tx(ctx, func(tx *catalog.Tx) error {
		r, err = get(ctx, tx.Records, id, ruleOf)
		if created = errors.Is(err, fault.ResourceNotFound); created {
			r, err = Rule{ID: id, ImmutableID: "dcr-" + randomHex()}, nil
			if !collectionName().MatchString(id.Name()) {
				return fault.New(fault.InvalidResourceName, "The name '%.80s' isn't valid. It has 2 to 64 letters, digits, hyphens, underscores and dots and begins with a letter or digit.", id.Name()).WithTarget("name")
			}
			if r.Tenant, err = s.place(ctx, tx.Records, id); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
		if r, err = s.applyRule(ctx, tx, r, ch); err != nil {
			return err
		}
		if strings.EqualFold(r.Kind, direct) && r.Label == "" {
			if r.Label, err = s.label(ctx, tx, id.Name()); err != nil {
				return err
			}
		}
		r, err = putRule(ctx, tx, r)
		return err
	})
	return r, created, err
}

func putRule(ctx context.Context, tx *catalog.Tx, r Rule) (Rule, error) {
	res, err := record(r.ID, r.Location, r.Tags, r)
	if err != nil {
		return Rule{}, err
	}
	if res, err = tx.Put(ctx, res, catalog.Always()); err != nil {
		return Rule{}, err
	}
	return ruleOf(res)
}

// TagRule replaces a rule's tags.
func (s *Service) TagRule(ctx context.Context, id resource.ID, tags map[string]string) (r Rule, err error) {
	err = s.cat.Tx(ctx, func(tx *catalog.Tx) error {
		if r, err = get(ctx, tx.Records, id, ruleOf); err != nil {
			return err
		}
		if f := applyTags(tags); f != nil {
			return f
		}
		if tags != nil {
			r.Tags = tags
		}
		r, err = putRule(ctx, tx, r)
		return err
	})
	return r, err
}

// DeleteRule deletes a rule. found is false if there is none.
func (s *Service) DeleteRule(ctx context.Context, id resource.ID) (found bool, err error) {
	return s.remove(ctx, id, func(*catalog.Tx) error { return nil })
}
