package bind

import (
	"strings"

	"logkeep/internal/schema"
)

// sequence takes an argument that is a constant array of states.
func (c *pluginCall) sequence(t schema.Type, prefix string) (n int) {
	x := c.next()
	if x == nil || c.bad {
		return 0
	}
	k := c.b.constant(x, c.env, "The sequence of "+c.name()+"()")
	if k == nil {
		c.bad = true
		return 0
	}
	const most = 20
	list := elements(k)
	if k.T != schema.Dynamic || len(list) == 0 || len(list) > most {
		c.fail(x.Where(), "%s() takes an array of 1 to %d values here, such as dynamic(['a', 'b']).", c.name(), most)
		return 0
	}
	for i, e := range list {
		y := c.b.convert(e, t, x.Where())
		if y == nil {
			c.bad = true
			return 0
		}
		c.names[prefix+itoa(i)] = &binding{scalar: y}
	}
	return len(list)
}

// pluginFunnelSequence counts what comes before and behind a sequence of states
// that follow each other directly.
func pluginFunnelSequence(_ *binder, c *pluginCall) *table {
	if !c.need(8, "id, time, start, end, step window, step, state, sequence") {
		return nil
	}
	name, t := c.timeline(true)
	c.constant("_max", span(t))
	c.constant("_step", span(t))
	c.value("_state")
	n := c.sequence(schema.String, "_q")
	if c.bad {
		return nil
	}
	follows := "_state == _q0"
	for i := 1; i < n; i++ {
		k, before := itoa(i), itoa(i-1)
		was := "_t"
		if i > 1 {
			was = "next(_t, " + before + ")"
		}
		follows += " and next(_state, " + k + ") == _q" + k + " and next(_id, " + k + ") == _id and next(_t, " + k + ") - " + was + " <= _max"
	}
	last, behind := itoa(n-1), itoa(n)
	lastTime := "_t"
	if n > 1 {
		lastTime = "next(_t, " + last + ")"
	}
	by, out := "_prev, ", []string{name, "prev", "next", "dcount", "samples"}
	if n > 1 {
		by, out = "", []string{name, "next", "dcount", "samples"}
	}
	return c.run(`
T | where _t between (_start .. _end) | extend _state = tostring(_state) | sort by _id asc, _t asc
| extend _hit = `+follows+`,
    _prev = iff(prev(_id) == _id and _t - prev(_t) <= _max, prev(_state), ""),
    _next = iff(next(_id, `+behind+`) == _id and next(_t, `+behind+`) - `+lastTime+` <= _max, next(_state, `+behind+`), "")
| where _hit
| summarize _n = dcount(_id), _samples = make_set(_id, 128) by _t = bin_at(_t, _step, _start), `+by+`_next
| sort by _t asc, _n desc, `+strings.Replace(by, ",", " asc,", 1)+`_next asc
| project _t, `+by+`_next, _n, _samples`, out...)
}

// pluginFunnelCompletion counts how far ids get through a sequence of states
// within each of several periods.
func pluginFunnelCompletion(_ *binder, c *pluginCall) *table {
	if !c.need(8, "id, time, start, end, bin, state, sequence, periods") {
		return nil
	}
	name, t := c.timeline(true)
	c.constant("_step", span(t))
	state, _ := c.value("_state")
	n := c.sequence(schema.String, "_q")
	periods := c.sequence(span(t), "_p")
	if c.bad {
		return nil
	}
	text := "let d = T | where _t between (_start .. _end) | project _id, _t, _state = tostring(_state);\n" +
		"let e0 = d | where _state == _q0 | distinct _id, _t | project _id, _t, _f = _t;\n"
	for i := 1; i < n; i++ {
		k := itoa(i)
		text += "let e" + k + " = e" + itoa(i-1) + " | join kind=inner (d | where _state == _q" + k + " | distinct _id, _t) on _id | where _t1 > _t | summarize _t = min(_t1) by _id, _f;\n"
	}
	text += "union "
	for p := range periods {
		for i := range n {
			if p+i > 0 {
				text += ", "
			}
			text += "(e" + itoa(i) + " | where _t - _f <= _p" + itoa(p) + " | summarize _n = dcount(_id) by _b = bin_at(_f, _step, _start) | extend _s = _q" + itoa(i) + ", _p = _p" + itoa(p) + ", _o = " + itoa(p*n+i) + ")"
		}
	}
	text += "\n| sort by _b asc, _o asc | project _b, _s, _p, _n"
	return c.run(text, name, state, "Period", "dcount")
}
