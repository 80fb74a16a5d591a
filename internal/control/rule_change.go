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
	r.Kind, r.Description = ch.Kind, ch.Description
	for _, part := range ch.Others {
		d.no("properties."+part, "properties.%s is not supported; rows come through the Logs Ingestion API and go to destinations.logAnalytics.", part)
	}
	if err := d.endpoint(ctx, tx); err != nil {
		return r, err
	}
	d.streams(s.limits)
	tables, err := d.destinations(ctx, tx, s.limits)
	if err != nil {
		return r, err
	}
	d.flows(s.limits, tables)
	return r, fault.Join(d.wrong...)
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

func (d *ruleDraft) flows(l Limits, tables map[string][]Table) {
	const target = "properties.dataFlows"
	if len(d.ch.Flows) == 0 || len(d.ch.Flows) > l.RuleFlows {
		d.no(target, "A rule has 1 to %d data flows, not %d.", l.RuleFlows, len(d.ch.Flows))
	}
	d.Flows = nil
	for _, f := range d.ch.Flows {
		switch {
		case len(f.Transform) > l.Transform:
			d.no(target, "transformKql can have %d characters, not %d.", l.Transform, len(f.Transform))
		case f.Transform != "" && strings.TrimSpace(f.Transform) != "source":
			d.no(target, "transformKql other than 'source' is not supported yet; leave it out and send rows in the columns of the table.")
		}
		if len(f.Streams) == 0 || len(f.Destinations) == 0 {
			d.no(target, "A data flow needs streams and destinations.")
		}
		for i, name := range f.Streams {
			declared, _, ok := d.Stream(name)
			if !ok {
				d.no(target, "The stream '%.80s' is not in streamDeclarations.", name)
				continue
			}
			f.Streams[i] = declared
			output := declared
			if f.Output != "" {
				output = f.Output
			}
			if !strings.HasPrefix(output, customPrefix) {
				d.no(target, "outputStream '%.80s' isn't valid; it is Custom- and the name of a custom table.", output)
				continue
			}
			d.outputs(f, f.table(declared), tables)
		}
		d.Flows = append(d.Flows, f)
	}
}

// outputs checks that the table of a flow is in each of its destinations.
func (d *ruleDraft) outputs(f Flow, table schema.TableName, tables map[string][]Table) {
	const target = "properties.dataFlows"
	for _, name := range f.Destinations {
		there, known := tables[name]
		if !known {
			if !slices.ContainsFunc(d.ch.Destinations, func(c DestinationChange) bool { return c.Name == name }) {
				d.no(target, "The destination '%.80s' is not in destinations.", name)
			}
			continue
		}
		if !slices.ContainsFunc(there, func(t Table) bool { return t.Name() == table && t.State != resource.Deleting }) {
			d.wrong = append(d.wrong, fault.New(fault.InvalidParameter, "Table for output stream 'Custom-%s' is not available for destination '%s'. Create the table first; names are compared with their case.", table, name).WithTarget(target))
		}
	}
}
