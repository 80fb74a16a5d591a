package syntax

import "slices"

// An operatorRule says how an operator is read once its keyword is taken.
type operatorRule struct {
	keyword string
	parse   func(p *parser, start Span) Operator
	source  bool // it may begin a query
	doc     string
}

// operatorRules lists the operators of the language. Aliases have rows of their own.
func operatorRules() []operatorRule {
	return []operatorRule{
		{"__executeAndCache", parseExecuteAndCache, false, "Keeps the rows so far, so that they are computed once."},
		{"__partitionby", parsePartitionBy, false, "Runs a query for each value of a column."},
		{"as", parseAs, false, "Names the rows so far."},
		{"assert-schema", parseAssertSchema, false, "Ends the query if the columns are not the given ones."},
		{"consume", parseConsume, false, "Reads its input and answers nothing."},
		{"count", parseCount, false, "Counts rows."},
		{"distinct", parseDistinct, false, "Every combination of values once."},
		{"evaluate", parseEvaluate, true, "Calls a plugin."},
		{"extend", parseExtend, false, "Adds columns or replaces their values."},
		{"facet", parseFacet, false, "Counts the values of columns."},
		{"filter", parseWhere, false, "Another word for where."},
		{"find", parseFind, true, "Finds rows in several tables."},
		{"fork", parseFork, false, "Runs several queries on the same rows."},
		{"getschema", parseGetSchema, false, "The columns of its input."},
		{"invoke", parseInvoke, false, "Calls a function with the rows so far."},
		{"join", parseJoin, false, "Pairs the rows of two tables."},
		{"limit", parseTake, false, "Another word for take."},
		{"lookup", parseLookup, false, "Adds columns of a small table."},
		{"macro-expand", parseMacroExpand, true, "Runs a query for each place of a group."},
		{"make-series", parseMakeSeries, false, "Arrays of aggregates over a regular axis."},
		{"mv-apply", parseMvApply, false, "Runs a query over the elements of each row's arrays."},
		{"mv-expand", parseMvExpand, false, "A row for each element of arrays."},
		{"mvapply", parseMvApply, false, "Another word for mv-apply."},
		{"mvexpand", parseMvExpand, false, "Another word for mv-expand."},
		{"order", parseSort, false, "Another word for sort."},
		{"parse", parseParse, false, "Takes texts apart by a pattern."},
		{"parse-kv", parseParseKv, false, "Takes texts of keys and values apart."},
		{"parse-where", parseParseWhere, false, "parse that drops rows that do not match."},
		{"partition", parsePartition, false, "Runs a query for each value of a column."},
		{"print", parsePrint, true, "One row of values."},
		{"project", parseProject, false, "Exactly the given columns."},
		{"project-away", parseProjectAway, false, "Leaves columns out."},
		{"project-by-names", parseProjectByNames, false, "The columns whose names are values, in their order; names of none are left out."},
		{"project-keep", parseProjectKeep, false, "Keeps columns in their order."},
		{"project-rename", parseProjectRename, false, "Gives columns other names."},
		{"project-reorder", parseProjectReorder, false, "Moves columns to the front."},
		{"range", parseRange, true, "A column of numbers or times."},
		{"reduce", parseReduce, false, "Groups texts that look alike."},
		{"render", parseRender, false, "Says how the answer wants to be drawn."},
		{"sample", parseSample, false, "Some random rows."},
		{"sample-distinct", parseSampleDistinct, false, "Some different values of a column."},
		{"scan", parseScan, false, "Matches sequences of rows."},
		{"search", parseSearch, true, "Looks for text in all columns."},
		{"serialize", parseSerialize, false, "Fixes the order of rows."},
		{"sort", parseSort, false, "Puts rows in order."},
		{"summarize", parseSummarize, false, "Groups rows and computes aggregates."},
		{"take", parseTake, false, "Some rows, any."},
		{"top", parseTop, false, "The first rows of an order."},
		{"top-hitters", parseTopHitters, false, "The values with the greatest count or sum."},
		{"top-nested", parseTopNested, false, "Top values, level by level."},
		{"union", parseUnion, true, "Tables below each other."},
		{"where", parseWhere, false, "Keeps the rows for which a condition is true."},
	}
}

// ruleTable indexes the rules by keyword.
func ruleTable() map[string]operatorRule {
	m := map[string]operatorRule{}
	for _, r := range operatorRules() {
		m[r.keyword] = r
	}
	return m
}

// notHere are operators of the language that Logkeep does not have.
var notHere = map[string]bool{
	"make-graph": true, "graph-match": true, "graph-to-table": true, "graph-merge": true, "graph-mark-components": true,
	"graph-shortest-paths": true, "graph-where-nodes": true, "graph-where-edges": true,
}

// operator reads one operator; nil if there is none.
func (p *parser) operator() Operator {
	defer p.deeper()()
	t := p.tok()
	if t.kind != kName {
		p.expected("an operator such as where, project or summarize")
		return nil
	}
	rule, ok := p.rules[t.text]
	if !ok {
		if notHere[t.text] {
			p.failCode(t.Span, CodeUnsupported, "The operator "+t.text+" is not supported.")
			return nil
		}
		msg := "There is no operator " + clip(t.text) + "."
		if s := Suggest(t.text, operatorNames()); s != "" {
			msg += " Did you mean " + s + "?"
		}
		p.fail(t.Span, msg)
		return nil
	}
	p.advance()
	return rule.parse(p, t.Span)
}

func (p *parser) failCode(at Span, code, msg string) {
	n := len(p.errs)
	p.fail(at, msg)
	if len(p.errs) > n {
		p.errs[n].Code = code
	}
}

// An OperatorDoc is an operator's keyword with a line on what it does.
type OperatorDoc struct{ Keyword, Doc string }

// Operators lists the operators that are read, and those that are refused by
// their names without being read.
func Operators() (read []OperatorDoc, refused []string) {
	for _, r := range operatorRules() {
		read = append(read, OperatorDoc{r.keyword, r.doc})
	}
	for k := range notHere {
		refused = append(refused, k)
	}
	slices.Sort(refused)
	return read, refused
}

func operatorNames() (out []string) {
	for _, r := range operatorRules() {
		out = append(out, r.keyword)
	}
	return out
}

// sourceAhead reports whether an operator that begins a query stands here,
// rather than a table or function of the same name.
func (p *parser) sourceAhead() bool {
	t := p.tok()
	if t.kind != kName || !p.rules[t.text].source {
		return false
	}
	next := p.peek(1)
	switch t.text {
	case "range":
		return next.kind == kName
	case "evaluate":
		return next.kind == kName
	case "union", "find", "search":
		if next.kind == kPunct {
			return next.text == "(" || next.text == "*" || next.text == "["
		}
		return next.kind != kEOF
	}
	if next.kind == kPunct {
		switch next.text {
		case ")", "|", ",", ".", ";", "=", "==", "}":
			return false
		}
	}
	return next.kind != kEOF
}
