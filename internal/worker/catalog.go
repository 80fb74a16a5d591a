package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"logkeep/internal/kql"
	"logkeep/internal/schema"
	"logkeep/internal/worker/wire"
)

// catalog is what the compiler may look up for one query: tables, places and
// saved functions. Functions are opened when the first one is asked for, since
// most queries call none.
type catalog struct {
	tables
	places []wire.Place
	sealed []wire.OpenTexts
	open   func(wire.OpenTexts) ([][]byte, error)

	functions map[string]string // by alias, as the compiler wants them; nil before they are open
	err       error             // why they could not be opened
}

func catalogOf(ctx context.Context, q wire.Query, from sourcing) *catalog {
	return &catalog{tables: tables(q.Tables), places: q.Places, sealed: q.Functions, open: func(r wire.OpenTexts) ([][]byte, error) { return from.texts(ctx, r) }}
}

// Function implements kql.FunctionCatalog. Where workspaces have functions of
// one name, the first workspace's is meant.
func (c *catalog) Function(name string) (text string, ok bool) {
	if c.functions == nil {
		c.functions = map[string]string{}
		for _, s := range c.sealed {
			if err := c.read(s); err != nil && c.err == nil {
				c.err = err
			}
		}
	}
	text, ok = c.functions[name]
	return text, ok
}

func (c *catalog) read(sealed wire.OpenTexts) error {
	texts, err := c.open(sealed)
	if err != nil {
		return err
	}
	for i, t := range texts {
		var f wire.SavedFunction
		err := json.Unmarshal(t, &f)
		clear(t)
		if err != nil {
			return fmt.Errorf("the saved search %s can't be read", sealed.Texts[i].Place)
		}
		if _, taken := c.functions[f.Alias]; f.Alias != "" && !taken {
			c.functions[f.Alias] = "(" + f.Parameters + "){" + f.Query + "\n}"
		}
	}
	return nil
}

// Place implements kql.PlaceCatalog.
func (c *catalog) Place(_, name string) (kql.Catalog, string, bool) {
	for _, p := range c.places {
		if slices.ContainsFunc(p.Names, func(n string) bool { return strings.EqualFold(n, name) }) {
			if p.Tables == nil {
				return c.tables, string(p.Workspace), true
			}
			return tables(p.Tables), string(p.Workspace), true
		}
	}
	return nil, "", false
}

// table is the table that a source reads.
func (c *catalog) table(s kql.Source) (schema.Table, bool) {
	for _, p := range c.places {
		if s.Place == string(p.Workspace) && p.Tables != nil {
			return tables(p.Tables).Table(string(s.Table))
		}
	}
	return c.tables.Table(string(s.Table))
}

// apart reports whether a source reads a table of one workspace as it is there,
// and not as it is among those of all.
func (c *catalog) apart(s kql.Source) bool {
	return slices.ContainsFunc(c.places, func(p wire.Place) bool { return s.Place == string(p.Workspace) && p.Tables != nil })
}
