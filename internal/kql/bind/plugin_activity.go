package bind

import (
	"logkeep/internal/kql/plan"
	"logkeep/internal/schema"
)

// timeline takes the arguments with which the plugins on activity begin: who,
// when, and the bounds. It returns the name of the time's column.
func (c *pluginCall) timeline(bounds bool) (name string, t schema.Type) {
	c.value("_id")
	name, t = c.value("_t")
	if bounds {
		c.constant("_start", t)
		c.constant("_end", t)
	}
	return name, t
}

// pluginActivityCounts counts rows and ids in each step, and ids that came first.
func pluginActivityCounts(b *binder, c *pluginCall) *table {
	if !c.need(5, "id, time, start, end, step, dimensions…") {
		return nil
	}
	name, t := c.timeline(true)
	c.constant("_step", span(t))
	c.rest()
	return c.run(`
let d = T | where _t between (_start .. _end) | extend _t = bin_at(_t, _step, _start);
let arrivals = d | summarize _t = min(_t) by _id{dims} | summarize _new = count() by _t{dims};
d | summarize _n = count(), _dc = dcount(_id) by _t{dims}
| join kind=leftouter arrivals on _t{dims}
| extend _new = coalesce(_new, 0)
| sort by {prefix} _t asc
| extend _all = row_cumsum(_new, row_number() == 1{differ})
| project _t{dims}, _n, _dc, _new, _all`, name, "*", "count", "dcount", "new_dcount", "aggregated_dcount")
}

// pluginEngagement compares the ids of a short window with those of a long one
// that ends with it.
func pluginEngagement(b *binder, c *pluginCall) *table {
	if !c.need(4, "id, time, start, end, inner window, outer window, dimensions…") {
		return nil
	}
	bounds := len(c.args) > 4
	name, t := c.timeline(bounds)
	c.constant("_inner", span(t))
	c.constant("_outer", span(t))
	c.rest()
	d := "T | where _t between (_start .. _end) | extend _t = bin_at(_t, _inner, _start)"
	if !bounds {
		d = "T | extend _t = bin(_t, _inner)"
	}
	return c.run(`
let d = `+d+` | distinct _id, _t{dims};
let n = tolong(_outer / _inner);
let inner = d | summarize _in = count() by _t{dims};
d | mv-expand _k = range(0, n - 1) to typeof(long) | extend _t = _t + _k * _inner
| summarize _out = dcount(_id) by _t{dims}
| join kind=inner inner on _t{dims}
| sort by {prefix} _t asc
| project _t{dims}, _in, _out, _ratio = todouble(_in) / _out`, name, "*", "dcount_activities_inner", "dcount_activities_outer", "activity_ratio")
}

// pluginActivityMetrics tells for each step which ids are new, stayed and left.
func pluginActivityMetrics(b *binder, c *pluginCall) *table {
	if !c.need(5, "id, time, start, end, window, dimensions…") {
		return nil
	}
	name, t := c.timeline(true)
	c.constant("_step", span(t))
	c.rest()
	return c.run(`
let d = T | where _t between (_start .. _end) | extend _t = bin_at(_t, _step, _start) | distinct _id, _t{dims};
let arrivals = d | summarize _f = min(_t) by _id{dims};
let before = d | extend _t = _t + _step, _p = true;
let sizes = before | summarize _n = count() by _t{dims};
d | join kind=leftouter before on _id, _t{dims} | join kind=leftouter arrivals on _id{dims}
| summarize _v = count(), _new = countif(_t == _f), _kept = countif(_p) by _t{dims}
| join kind=leftouter sizes on _t{dims}
| sort by {prefix} _t asc
| project _t{dims}, _v, _new, _r = iff(isnull(_n), real(nan), todouble(_kept) / _n), _c = iff(isnull(_n), real(nan), todouble(_n - _kept) / _n)`,
		name, "*", "dcount_values", "dcount_newvalues", "retention_rate", "churn_rate")
}

// pluginNewActivity follows the ids that came first in a step through all later ones.
func pluginNewActivity(b *binder, c *pluginCall) *table {
	if !c.need(5, "id, time, start, end, window, cohort, dimensions…, lookback") {
		return nil
	}
	name, t := c.timeline(true)
	c.constant("_step", span(t))
	first, pairs := "", "_from <= _t"
	if n := len(c.args); n > 0 && b.isTable(c.args[n-1], c.env) {
		if _, isColumn := b.nameIn(c.args[n-1], c.in); !isColumn {
			old := b.table(c.args[n-1], c.env)
			c.args = c.args[:n-1]
			if old == nil {
				return nil
			}
			seen, ok := find(old.cols, b.nameOf(c.op.Call.Args[0]))
			if !ok {
				c.fail(c.op.Span, "The table of %s() with what was seen before has no column '%s'.", c.name(), b.nameOf(c.op.Call.Args[0]))
				return nil
			}
			seen.Name = "_id"
			c.table("_old", &table{rel: old.rel, cols: []plan.Column{seen}})
			first = " | join kind=leftanti (_old | distinct _id) on _id"
		}
	}
	if len(c.args) > 0 {
		c.constant("_cohort", t)
		pairs += " and _from == bin_at(_cohort, _step, _start)"
	}
	c.rest()
	return c.run(`
let d = T | where _t between (_start .. _end) | extend _t = bin_at(_t, _step, _start) | distinct _id, _t{dims};
let arrivals = d | summarize _f = min(_t) by _id{dims}`+first+`;
let sizes = arrivals | summarize _n = count() by _from = _f{dims};
let seen = d | join kind=inner arrivals on _id{dims} | summarize _c = count() by _f, _t{dims};
let bins = d | distinct _t{dims} | extend _one = 1;
bins | project-rename _from = _t | join kind=inner bins on _one{dims} | where `+pairs+`
| join kind=leftouter seen on _t{dims}
| summarize _new = sumif(_c, _f > _from or _from == _t and _f == _from), _kept = sumif(_c, _f == _from) by _from, _t{dims}
| join kind=leftouter sizes on _from{dims}
| extend _n = coalesce(_n, 0)
| sort by {prefix} _from asc, _t asc
| project _from, _t{dims}, _new, _kept, _left = _n - _kept, _r = iff(_n == 0, real(nan), todouble(_kept) / _n), _l = iff(_n == 0, real(nan), todouble(_n - _kept) / _n)`,
		"from_"+name, "to_"+name, "*", "dcount_new_values", "dcount_retained_values", "dcount_churn_values", "retention_rate", "churn_rate")
}

// pluginActiveUsers counts the ids that were there in several periods of a window.
func pluginActiveUsers(b *binder, c *pluginCall) *table {
	if !c.need(8, "id, time, start, end, lookback window, period, active periods, step, dimensions…") {
		return nil
	}
	name, t := c.timeline(true)
	c.constant("_back", span(t))
	c.constant("_period", span(t))
	c.whole("_active", 1)
	c.constant("_step", span(t))
	c.rest()
	return c.run(`
let d = T | where _t > _start - _back and _t <= _end | distinct _id, _t{dims};
let periods = d | extend _p = bin_at(_t, _period, _start);
d | where _t >= _start | join kind=inner periods on _id{dims} | where _t1 <= _t and _t1 > _t - _back
| summarize _n = dcount(_p) by _id, _t{dims} | where _n >= _active
| summarize _dc = dcount(_id) by _t = bin_at(_t, _step, _start){dims}
| sort by {prefix} _t asc
| project _t{dims}, _dc`, name, "*", "dcount")
}

// pluginSessions counts sessions: an id's rows without a long gap between them.
func pluginSessions(b *binder, c *pluginCall) *table {
	if !c.need(6, "id, time, start, end, bin, lookback window, dimensions…") {
		return nil
	}
	name, t := c.timeline(true)
	c.constant("_step", span(t))
	c.constant("_back", span(t))
	c.rest()
	return c.run(`
T | where _t between (_start .. _end)
| sort by {prefix} _id asc, _t asc
| extend _first = row_number() == 1 or _id != prev(_id){differ} or _t - prev(_t) > _back
| extend _s = row_cumsum(iff(_first, 1, 0))
| summarize _n = dcount(_s) by _t = bin_at(_t, _step, _start){dims}
| sort by {prefix} _t asc
| project _t{dims}, _n`, name, "*", "count_sessions")
}

// pluginSlidingWindow counts rows and ids of a window that ends with each step.
func pluginSlidingWindow(b *binder, c *pluginCall) *table {
	if !c.need(6, "id, time, start, end, lookback window, bin, dimensions…") {
		return nil
	}
	name, t := c.timeline(true)
	c.constant("_back", span(t))
	c.constant("_step", span(t))
	c.rest()
	return c.run(`
let n = tolong(_back / _step);
T | where _t > _start - _back and _t <= _end | extend _t = bin_at(_t, _step, _start)
| summarize _c = count() by _id, _t{dims}
| mv-expand _k = range(0, n - 1) to typeof(long) | extend _t = _t + _k * _step
| where _t between (_start .. _end)
| summarize _n = sum(_c), _dc = dcount(_id) by _t{dims}
| sort by {prefix} _t asc
| project _t{dims}, _n, _dc`, name, "*", "Count", "Dcount")
}

// pluginRollingPercentile computes a percentile over several steps together.
func pluginRollingPercentile(b *binder, c *pluginCall) *table {
	if !c.need(5, "value, percentile, time, step, steps, dimensions…") {
		return nil
	}
	value, _ := c.value("_v")
	pct, ok := c.constant("_p", schema.Real).(*plan.Const)
	if !c.bad && !ok {
		c.fail(c.op.Span, "The percentile of rolling_percentile() must be a constant.")
	}
	name, t := c.value("_t")
	c.constant("_step", span(t))
	n := c.whole("_n", 1)
	c.rest()
	if c.bad {
		return nil
	}
	q, _ := pct.Value.(float64)
	return c.run(`
let d = T | extend _t = bin(_t, _step);
let bins = d | distinct _t{dims};
d | mv-expand _k = range(0, _n - 1) to typeof(long) | extend _t = _t + _k * _step
| join kind=leftsemi bins on _t{dims}
| summarize _r = percentile(_v, _p) by _t{dims}
| sort by {prefix} _t asc
| project _t{dims}, _r`, name, "*", "rolling_"+itoa(int(n))+"_percentile_"+value+"_"+identifier(plan.Show(&plan.Const{T: schema.Real, Value: q})))
}
