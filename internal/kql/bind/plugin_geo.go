package bind

import (
	"slices"

	"logkeep/internal/kql/plan"
	"logkeep/internal/schema"
)

// pluginGeoLookup pairs places with the shapes of a table in or near which they
// lie. Shapes are covered with cells, places have one, and only pairs of which
// one lies in the other are looked at.
func pluginGeoLookup(b *binder, c *pluginCall) *table {
	unmatched, withKey := c.flag("return_unmatched"), c.flag("return_lookup_key")
	c.named("lookup_area_radius") // says how the search is done, not what it finds
	radius, near := c.named("radius")
	polygon := c.name() == "geo_polygon_lookup"
	if !c.need(4, "table, shape, longitude, latitude, radius, return_unmatched=, return_lookup_key=") {
		return nil
	}
	lookup := b.table(c.next(), c.env)
	if lookup == nil {
		return nil
	}
	left, right := b.exact(c.in), b.exact(lookup)
	shape := b.expr(c.next(), b.scope(right, c.env, "evaluate"))
	place := func() plan.Expr {
		x := c.next()
		y := b.expr(x, b.scope(left, c.env, "evaluate"))
		if y == nil {
			return nil
		}
		return b.convert(y, schema.Real, x.Where())
	}
	lon, lat := place(), place()
	if !near && len(c.args) > 0 {
		radius, near = c.next(), true
	}
	if shape == nil || lon == nil || lat == nil || c.bad {
		return nil
	}
	key, isCol := shape.(*plan.Col)
	if !isCol || shape.Type() != schema.Dynamic {
		c.fail(c.op.Call.Args[1].Where(), "%s() takes a dynamic column of the table with shapes.", c.name())
		return nil
	}
	var cond, r plan.Expr
	if near {
		if r = b.expr(radius, &scope{env: c.env, where: "evaluate"}); r == nil {
			return nil
		}
		if r = b.convert(r, schema.Real, radius.Where()); r == nil {
			return nil
		}
		distance := "geo_distance_point_to_line"
		if polygon {
			distance = "geo_distance_point_to_polygon"
		}
		cond = &plan.Compare{Op: "<=", X: b.builtin(distance, lon, lat, key), Y: r}
	} else if polygon {
		cond, r = b.builtin("geo_point_in_polygon", lon, lat, key), &plan.Const{T: schema.Real, Value: 0.0}
	} else {
		c.fail(c.op.Span, "geo_line_lookup() needs a radius in meters.")
		return nil
	}
	cell := plan.Unnested{Col: b.column("cell", schema.Dynamic), Value: b.builtin("__geo_covering", key, r)}
	end := func(i int) plan.Item {
		x := b.convert(stepInto(&plan.Col{Column: cell.Col}, i), schema.Long, c.op.Span)
		return plan.Item{Col: b.column("end", schema.Long), Value: x}
	}
	first, last := end(0), end(1)
	leaf := plan.Item{Col: b.column("leaf", schema.Long), Value: b.builtin("__geo_leaf", lon, lat)}
	j := &plan.Join{Kind: plan.Inner,
		Left:  b.add(left.rel, left.cols, []plan.Item{leaf}),
		Right: b.add(&plan.Unnest{In: right.rel, Lists: []plan.Unnested{cell}}, right.cols, []plan.Item{first, last}),
		On: []plan.Expr{ // both orders: so the engine sorts, and looks at few pairs
			&plan.Compare{Op: ">=", X: &plan.Col{Column: leaf.Col}, Y: &plan.Col{Column: first.Col}},
			&plan.Compare{Op: "<=", X: &plan.Col{Column: leaf.Col}, Y: &plan.Col{Column: last.Col}},
		}}
	theirs := slices.DeleteFunc(slices.Clone(right.cols), func(col plan.Column) bool { return col.ID == key.ID && !withKey })
	if !unmatched {
		return b.beside(&plan.Filter{In: j, Pred: cond}, left.cols, theirs)
	}
	// Of the shapes whose cells have the place those are kept in which it lies;
	// where there is none, the row stays once, alone.
	row, rank := b.column("row", schema.Long), b.column("rank", schema.Long)
	j.Kind, j.Left = plan.LeftOuter, &plan.Number{In: j.Left, Col: row}
	in := plan.Item{Col: b.column("in", schema.Bool), Value: cond}
	flagged := b.add(j, slices.Concat(left.cols, theirs, []plan.Column{row}), []plan.Item{in})
	here := &plan.Col{Column: in.Col}
	ranked := &plan.Rank{In: flagged, Col: rank, Within: []plan.Expr{&plan.Col{Column: row}}, By: plan.Order{Value: here, Desc: true}}
	kept := &plan.Filter{In: ranked, Pred: &plan.Logic{Op: "or", X: here, Y: &plan.Compare{Op: "==", X: &plan.Col{Column: rank}, Y: &plan.Const{T: schema.Long, Value: int64(1)}}}}
	var items []plan.Item
	for i, col := range theirs {
		theirs[i] = b.column(col.Name, col.Type)
		items = append(items, plan.Item{Col: theirs[i], Value: &plan.Case{Whens: []plan.When{{If: here, Then: &plan.Col{Column: col}}}, Else: null(col.Type), T: col.Type}})
	}
	return b.beside(b.add(kept, left.cols, items), left.cols, theirs)
}

// beside is a table with columns of two sides; those of the second that have a
// name of the first get another.
func (b *binder) beside(rel plan.Rel, left, right []plan.Column) *table {
	out := &table{rel: rel, cols: slices.Clone(left)}
	for _, col := range right {
		col.Name = unique(out.cols, col.Name)
		out.cols = append(out.cols, col)
	}
	return out
}
