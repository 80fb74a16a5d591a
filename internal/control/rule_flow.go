package control

import (
	"fmt"
	"slices"
	"strings"

	"logkeep/internal/fault"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
	"logkeep/internal/standard"
)

// A Checker tells what is wrong with a transformation: whether rows of a stream
// can be changed so, and whether what comes out fits a table (ingest.Check).
type Checker func(text string, stream, table []schema.Column) []*fault.Error

// flows checks where rows go, and how they are changed on the way.
func (d *ruleDraft) flows(s *Service, tables map[string][]Table) {
	const target = "properties.dataFlows"
	if len(d.ch.Flows) == 0 || len(d.ch.Flows) > s.limits.RuleFlows {
		d.no(target, "A rule has 1 to %d data flows, not %d.", s.limits.RuleFlows, len(d.ch.Flows))
	}
	flows := d.ch.Flows
	d.Flows = slices.Clone(flows) // streams of published tables are known by flows
	for i, f := range flows {
		at := fmt.Sprintf("%s[%d]", target, i)
		text := strings.TrimSpace(f.Transform)
		f.Changes = text != "" && text != "source"
		if len(f.Transform) > s.limits.Transform {
			d.no(at, "transformKql can have %d characters, not %d.", s.limits.Transform, len(f.Transform))
			continue
		}
		if len(f.Streams) == 0 || len(f.Destinations) == 0 {
			d.no(at, "A data flow needs streams and destinations.")
		}
		f.Streams = slices.Clone(f.Streams)
		for j, name := range f.Streams {
			d.stream(s, at, &f, j, name, tables)
		}
		d.Flows[i] = f
	}
}

// stream checks one stream of a flow.
func (d *ruleDraft) stream(s *Service, at string, f *Flow, which int, name string, tables map[string][]Table) {
	declared, columns, ok := d.Stream(name)
	if p, is := standard.Lookup(strings.TrimPrefix(name, publishedPrefix)); strings.HasPrefix(name, publishedPrefix) && is && p.Ingest {
		declared = publishedPrefix + string(p.Name)
	} else if !ok {
		d.wrong = append(d.wrong, fault.New(fault.StreamNotFound, "The stream '%.80s' is not in streamDeclarations, nor that of an Azure table which takes rows through the Logs Ingestion API.", name).WithTarget(at))
		return
	}
	f.Streams[which] = declared
	output := declared
	if f.Output != "" {
		output = f.Output
	}
	if !strings.HasPrefix(output, customPrefix) && !strings.HasPrefix(output, publishedPrefix) {
		d.noOutput(at, "outputStream '%.80s' isn't valid; it is Custom- or Microsoft- and the name of a table.", output)
		return
	}
	found := d.output(at, *f, output, f.table(declared), tables)
	if len(found) == 0 || !f.Changes {
		return
	}
	if s.check == nil {
		d.no(at, "transformKql other than 'source' is not supported by this server.")
		return
	}
	for _, table := range found {
		wrong := s.check(f.Transform, columns, table.Writable().Columns)
		for _, w := range wrong {
			d.wrong = append(d.wrong, w.WithTarget(at))
		}
		if len(wrong) > 0 {
			return
		}
	}
}

func (d *ruleDraft) noOutput(at, format string, args ...any) {
	d.wrong = append(d.wrong, fault.New(fault.InvalidOutputTable, format, args...).WithTarget(at))
}

// output checks that the table of a flow is in each of its destinations, and
// returns those that are there.
func (d *ruleDraft) output(at string, f Flow, output string, name schema.TableName, tables map[string][]Table) (found []Table) {
	published, isPublished := standard.Lookup(string(name))
	isPublished = isPublished && strings.HasPrefix(output, publishedPrefix)
	if isPublished && !published.Ingest {
		d.noOutput(at, "The table '%s' doesn't take rows through the Logs Ingestion API.", name)
		return nil
	}
	for _, to := range f.Destinations {
		there, known := tables[to]
		if !known {
			if !slices.ContainsFunc(d.ch.Destinations, func(c DestinationChange) bool { return c.Name == to }) {
				d.no(at, "The destination '%.80s' is not in destinations.", to)
			}
			continue
		}
		i := slices.IndexFunc(there, func(t Table) bool {
			return t.Name() == name && t.State != resource.Deleting && (t.Published != nil) == isPublished
		})
		switch {
		case i < 0 && isPublished:
			found = append(found, Table{Published: &published})
		case i < 0:
			d.noOutput(at, "Table for output stream '%s' is not available for destination '%s'. Create the table first; names are compared with their case.", output, to)
		case there[i].Classic:
			d.noOutput(at, "The table '%s' of destination '%s' was made by the Data Collector API. Migrate it first with POST {table}/migrate.", name, to)
		default:
			found = append(found, there[i])
		}
	}
	return found
}
