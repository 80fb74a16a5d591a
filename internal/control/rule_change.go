package control

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"logkeep/internal/catalog"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
)

// ruleDraft is a rule while its parts are checked one after another.
type ruleDraft struct {
	*Rule
	ch    RuleChange
	wrong []*fault.Error
}

func (d *ruleDraft) no(target, format string, args ...any) {
	d.wrong = append(d.wrong, fault.New(fault.InvalidParameter, format, args...).WithTarget(target))
}

// applyRule makes r what the change says. All that is wrong is in the error.
func (s *Service) applyRule(ctx context.Context, tx *catalog.Tx, r Rule, ch RuleChange) (Rule, error) {
	d := &ruleDraft{Rule: &r, ch: ch}
	var where *fault.Error
	r.Location, where = locate(r.ID, r.Location, ch.Location)
	d.wrong = append(d.wrong, where, applyTags(ch.Tags))
	if ch.Tags != nil {
		r.Tags = ch.Tags
	}
	if r.ImmutableID != "" && r.Label != "" && !strings.EqualFold(ch.Kind, direct) {
		d.no("kind", "The kind of the rule is Direct and can't be changed.")
	}
	if !slices.ContainsFunc(kinds, func(k string) bool { return strings.EqualFold(k, ch.Kind) }) {
		d.no("kind", "The kind '%.40s' is not supported; a rule's kind is Direct, Linux, Windows or none. What WorkspaceTransforms does is done here by transformKql of the rule that takes the rows.", ch.Kind)
	}
	r.Kind, r.Description = ch.Kind, ch.Description
	for _, part := range ch.Others {
		d.no(part.At, "%s is not supported; %s.", part.At, part.Instead)
	}
	if err := d.endpoint(ctx, tx); err != nil {
		return r, err
	}
	d.streams(s.limits)
	tables, err := d.destinations(ctx, tx, s.limits)
	if err != nil {
		return r, err
	}
	d.flows(s, tables)
	return r, invalidRule(d.wrong)
}

// invalidRule sums up what is wrong with a rule as clients of rules know it.
func invalidRule(wrong []*fault.Error) error {
	wrong = slices.DeleteFunc(wrong, func(f *fault.Error) bool { return f == nil })
	if len(wrong) == 0 {
		return nil
	}
	return fault.New(fault.InvalidPayload, "Data collection rule is invalid").WithDetails(wrong...)
}

func (d *ruleDraft) endpoint(ctx context.Context, tx *catalog.Tx) error {
	if d.Endpoint = (resource.ID{}); d.ch.Endpoint == "" {
		return nil
	}
	const target = "properties.dataCollectionEndpointId"
	id, err := resource.Parse(d.ch.Endpoint)
	if err != nil || !id.Type().Equal(resource.Endpoint) {
		d.no(target, "%s '%.200s' is not the id of a data collection endpoint.", target, d.ch.Endpoint)
		return nil
	}
	e, err := get(ctx, tx.Records, id, endpointOf)
	switch {
	case errors.Is(err, fault.ResourceNotFound), err == nil && e.Tenant != d.Tenant:
		d.no(target, "The data collection endpoint '%s' does not exist. Create it first.", id)
	case err != nil:
		return err
	case e.Location != d.Location:
		d.no(target, "The data collection endpoint is in region '%s' and the rule in '%s'. They must be in the same region.", e.Location, d.Location)
	default:
		d.Endpoint = e.ID
	}
	return nil
}

func (d *ruleDraft) streams(l Limits) {
	const target = "properties.streamDeclarations"
	if len(d.ch.Streams) > l.RuleFlows {
		d.no(target, "A rule can declare %d streams, not %d.", l.RuleFlows, len(d.ch.Streams))
	}
	d.Streams = map[string][]schema.Column{}
	for _, name := range slices.Sorted(maps.Keys(d.ch.Streams)) {
		at := target + "." + name
		if !strings.HasPrefix(name, customPrefix) || len(name) > 120 {
			d.no(at, "The stream name '%.80s' isn't valid; it begins with Custom-.", name)
			continue
		}
		if _, _, twice := d.Stream(name); twice {
			d.no(at, "The stream '%s' is there twice; names that differ in case only are the same.", name)
			continue
		}
		columns, seen := []schema.Column{}, map[string]bool{}
		for _, c := range d.ch.Streams[name] {
			switch {
			case c.Type == schema.Invalid:
				d.no(at, "The column '%.80s' has no valid type; use string, int, long, real, boolean, datetime or dynamic.", c.Name)
			case c.Name == "" || len(c.Name) > 128:
				d.no(at, "A column has no name, or one longer than 128 characters.")
			case seen[c.Name]:
				d.no(at, "The column '%s' is there twice.", c.Name)
			default:
				seen[c.Name] = true
				columns = append(columns, schema.Column{Name: c.Name, Type: c.Type})
			}
		}
		if len(d.ch.Streams[name]) == 0 {
			d.no(at, "The stream '%s' declares no columns.", name)
		}
		d.Streams[name] = columns
	}
}

// destinations checks the workspaces and returns their tables by destination.
func (d *ruleDraft) destinations(ctx context.Context, tx *catalog.Tx, l Limits) (map[string][]Table, error) {
	const target = "properties.destinations.logAnalytics"
	if len(d.ch.Destinations) == 0 {
		d.no(target, "The rule needs a workspace in %s.", target)
	}
	if len(d.ch.Destinations) > l.RuleFlows {
		d.no(target, "A rule can have %d workspaces, not %d.", l.RuleFlows, len(d.ch.Destinations))
		return nil, nil
	}
	d.Destinations = nil
	tables := map[string][]Table{}
	for _, c := range d.ch.Destinations {
		id, err := resource.Parse(c.Workspace)
		if err != nil || !id.Type().Equal(resource.Workspace) {
			d.no(target, "workspaceResourceId '%.200s' is not the id of a workspace.", c.Workspace)
			continue
		}
		if _, twice := tables[c.Name]; twice || c.Name == "" {
			d.no(target, "Every destination has a name of its own; '%.80s' is empty or there twice.", c.Name)
			continue
		}
		w, err := get(ctx, tx.Records, id, workspaceOf)
		switch {
		case errors.Is(err, fault.ResourceNotFound), err == nil && w.Tenant != d.Tenant:
			d.no(target, "The workspace '%s' does not exist. Create it first.", id)
			continue
		case err != nil:
			return nil, err
		case w.Location != d.Location:
			d.no(target, "The workspace '%s' is in region '%s' and the rule in '%s'. They must be in the same region.", w.ID.Name(), w.Location, d.Location)
			continue
		}
		d.Destinations = append(d.Destinations, Destination{c.Name, w.ID})
		if tables[c.Name], err = list(ctx, tx.Records, w.ID, resource.Table, tableOf); err != nil {
			return nil, err
		}
	}
	return tables, nil
}
