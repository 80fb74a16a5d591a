package syntax

// An operatorRule says how an operator is read once its keyword is taken.
type operatorRule struct {
	keyword string
	parse   func(p *parser, start Span) Operator
	source  bool // it may begin a query
}

// operatorRules lists the operators of the language. Aliases have rows of their own.
func operatorRules() []operatorRule {
	return []operatorRule{
		{"as", parseAs, false},
		{"consume", parseConsume, false},
		{"count", parseCount, false},
		{"distinct", parseDistinct, false},
		{"evaluate", parseEvaluate, true},
		{"extend", parseExtend, false},
		{"facet", parseFacet, false},
		{"filter", parseWhere, false},
		{"find", parseFind, true},
		{"fork", parseFork, false},
		{"getschema", parseGetSchema, false},
		{"invoke", parseInvoke, false},
		{"join", parseJoin, false},
		{"limit", parseTake, false},
		{"lookup", parseLookup, false},
		{"make-series", parseMakeSeries, false},
		{"mv-apply", parseMvApply, false},
		{"mv-expand", parseMvExpand, false},
		{"mvapply", parseMvApply, false},
		{"mvexpand", parseMvExpand, false},
		{"order", parseSort, false},
		{"parse", parseParse, false},
		{"parse-kv", parseParseKv, false},
		{"parse-where", parseParseWhere, false},
		{"partition", parsePartition, false},
		{"print", parsePrint, true},
		{"project", parseProject, false},
		{"project-away", parseProjectAway, false},
		{"project-keep", parseProjectKeep, false},
		{"project-rename", parseProjectRename, false},
		{"project-reorder", parseProjectReorder, false},
		{"range", parseRange, true},
		{"reduce", parseReduce, false},
		{"render", parseRender, false},
		{"sample", parseSample, false},
		{"sample-distinct", parseSampleDistinct, false},
		{"scan", parseScan, false},
		{"search", parseSearch, true},
		{"serialize", parseSerialize, false},
		{"sort", parseSort, false},
		{"summarize", parseSummarize, false},
		{"take", parseTake, false},
		{"top", parseTop, false},
		{"top-hitters", parseTopHitters, false},
		{"top-nested", parseTopNested, false},
		{"union", parseUnion, true},
		{"where", parseWhere, false},
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
	"graph-shortest-paths": true, "graph-where-nodes": true, "graph-where-edges": true, "macro-expand": true, "partition-by": true,
	"assert-schema": true, "execute-and-cache": true, "project-by-names": true,
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
