package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"logkeep/internal/kql"
	"logkeep/internal/schema"
	"logkeep/internal/standard"
	"logkeep/internal/worker/wire"
)

// catalog is what the compiler may look up for one query: tables, places and
// saved functions. Functions are opened when the first one is asked for, since
// most queries call none.
//
// Published tables that no workspace of the query has used are there for whoever
// names them, and have no rows; wildcards do not find them.
type catalog struct {
	tables
	hidden []schema.TableName
	places []wire.Place
	sealed []wire.OpenTexts
	open   func(wire.OpenTexts) ([][]byte, error)

	saved     bool              // a saved function was called
	functions map[string]string // by alias, as the compiler wants them; nil before they are open
	err       error             // why they could not be opened
}

func catalogOf(ctx context.Context, q wire.Query, from sourcing) *catalog {
	return &catalog{tables: tables(q.Tables), hidden: q.Hidden, places: q.Places, sealed: q.Functions, open: func(r wire.OpenTexts) ([][]byte, error) { return from.texts(ctx, r) }}
}

// Table implements kql.Catalog. A saved function goes before a published table
// that is not used: both are called by their names.
func (c *catalog) Table(name string) (schema.Table, bool) {
	if t, ok := c.tables.Table(name); ok {
		return t, true
	}
	if _, ok := c.published(name); !ok {
		return schema.Table{}, false
	}
	if _, ok := c.Function(name); ok {
		return schema.Table{}, false
	}
	return c.published(name)
}

// published is a published table that may be named; names are exact here.
func (c *catalog) published(name string) (schema.Table, bool) {
	t, ok := standard.Lookup(name)
	if !ok || string(t.Name) != name || slices.Contains(c.hidden, t.Name) {
		return schema.Table{}, false
	}
	return schema.Table{Name: t.Name, Columns: t.Columns}, true
}

// elsewhere is the tables of one place.
type elsewhere struct {
	tables
	all *catalog
}

// Table implements kql.Catalog.
func (e elsewhere) Table(name string) (schema.Table, bool) {
	if t, ok := e.tables.Table(name); ok {
		return t, true
	}
	return e.all.published(name)
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
	c.saved = c.saved || ok
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
				return elsewhere{c.tables, c}, string(p.Workspace), true
			}
			return elsewhere{p.Tables, c}, string(p.Workspace), true
		}
	}
	return nil, "", false
}

// table is the table that a source reads.
func (c *catalog) table(s kql.Source) (schema.Table, bool) {
	for _, p := range c.places {
		if s.Place == string(p.Workspace) && p.Tables != nil {
			return elsewhere{p.Tables, c}.Table(string(s.Table))
		}
	}
	return elsewhere{c.tables, c}.Table(string(s.Table))
}

// apart reports whether a source reads a table of one workspace as it is there,
// and not as it is among those of all.
func (c *catalog) apart(s kql.Source) bool {
	return slices.ContainsFunc(c.places, func(p wire.Place) bool { return s.Place == string(p.Workspace) && p.Tables != nil })
}
