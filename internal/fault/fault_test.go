package fault

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write docs/errors.md from the table")

func TestEveryCodeIsPascalCaseAndHasASentence(t *testing.T) {
	pascal := regexp.MustCompile(`^[A-Z][A-Za-z]+$`)
	for _, c := range Codes() {
		m, _ := MeaningOf(c)
		if !pascal.MatchString(string(c)) || m.Status < 400 || m.Status > 599 || !strings.HasSuffix(m.Doc, ".") && !strings.HasSuffix(m.Doc, ").") {
			t.Errorf("%s: %+v", c, m)
		}
	}
}

func TestTheDocumentOfErrorsIsTheTable(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Error codes\n\nWritten from the table in `internal/fault`; run `go test ./internal/fault -rewrite` after changing it.\n" +
		"Codes are permanent. An answer carries its code in the body and in the header `x-ms-error-code`.\n\n| code | status | Retry-After | meaning |\n|-|-|-|-|\n")
	for _, c := range Codes() {
		m, _ := MeaningOf(c)
		retry := ""
		if m.RetryAfter > 0 {
			retry = fmt.Sprint(m.RetryAfter)
		}
		fmt.Fprintf(&b, "| `%s` | %d | %s | %s |\n", c, m.Status, retry, m.Doc)
	}
	b.WriteString("\n## Documented errors\n\nWhat the documents forbid and how it is answered, from the exchanges in `internal/server/testdata/rules`; rules are those of\n" +
		"`internal/arch/rules.txt`. Guids, times and names are those of the exchanges. Codes of vaults have their inner code behind a slash.\n\n| rule | status | code | message |\n|-|-|-|-|\n")
	for _, r := range refusals(t) {
		fmt.Fprintf(&b, "| %s | %s | `%s` | %s |\n", r.rule, r.status, r.code, strings.ReplaceAll(r.message, "|", "\\|"))
	}
	const file = "../../docs/errors.md"
	if *rewrite {
		if err := os.MkdirAll("../../docs", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != b.String() {
		t.Errorf("%s is not what the table says; run with -rewrite (%v)", file, err)
	}
}

// A refusal is an answer of an exchange that names rules.
type refusal struct{ rule, status, code, message string }

var exchange = regexp.MustCompile(`(?m)^http\b.*\brule=\(([^)]*)\).*\n(?:.+\n)+?----\n([45]\d\d) (\S+|Bad Request)(?: \[[^\]]*\])?\n(.+)$`)

// refusals reads the exchanges, in the order of their first rules; each answer
// stands once.
func refusals(t *testing.T) (all []refusal) {
	t.Helper()
	files, err := filepath.Glob("../server/testdata/rules/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no exchanges: %v", err)
	}
	at := map[refusal]int{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range exchange.FindAllStringSubmatch(string(text), -1) {
			r := refusal{"", m[2], m[3], m[4]}
			i, known := at[r]
			if !known {
				i = len(all)
				at[r] = i
				all = append(all, r)
			}
			for rule := range strings.SplitSeq(m[1], ",") {
				if had := strings.Split(all[i].rule, ", "); !slices.Contains(had, rule) {
					all[i].rule = strings.TrimPrefix(all[i].rule+", "+rule, ", ")
				}
			}
		}
	}
	slices.SortStableFunc(all, func(a, b refusal) int { return slices.Compare(order(a.rule), order(b.rule)) })
	return all
}

// order is how rules are sorted: by section and number; those of other
// documents stand last.
func order(rules string) []int {
	first, _, _ := strings.Cut(rules, ",")
	var section, number int
	if _, err := fmt.Sscanf(first, "%d.%d", &section, &number); err != nil {
		return []int{1000, int(first[0])}
	}
	return []int{section, number}
}

func TestACauseIsFoundButNeverShown(t *testing.T) {
	cause := fmt.Errorf("open /secret/place: %w", fs.ErrNotExist)
	e := New(InsufficientAccess, "You may not query workspace %q.", "w").
		WithInner(New(CustomerManagedKeyRevoked, "The key of cluster %q was denied.", "c")).Because(cause)
	wrapped := fmt.Errorf("query: %w", e)
	for _, target := range []error{InsufficientAccess, CustomerManagedKeyRevoked, fs.ErrNotExist} {
		if !errors.Is(wrapped, target) {
			t.Errorf("%v is not found", target)
		}
	}
	body, err := json.Marshal(Of(wrapped))
	if err != nil || strings.Contains(string(body), "secret") || strings.Contains(Of(wrapped).Error(), "secret") {
		t.Errorf("%s %v", body, err)
	}
	if e.Innermost() != CustomerManagedKeyRevoked || e.Status() != 403 {
		t.Errorf("%s %d", e.Innermost(), e.Status())
	}
	if o := Of(cause); o.Code != InternalServerError || strings.Contains(o.Message, "secret") || !errors.Is(o, fs.ErrNotExist) {
		t.Errorf("%+v", o)
	}
}

func TestViolationsAreReportedTogether(t *testing.T) {
	a, b := New(InvalidParameter, "a").WithTarget("x"), New(InvalidParameter, "b").WithTarget("y")
	if err := Join(nil, nil); err != nil {
		t.Error(err)
	}
	if err := Join(nil, a); err != error(a) {
		t.Error(err)
	}
	if e := Of(Join(a, nil, b)); e.Code != MultipleErrorsOccurred || len(e.Details) != 2 || e.Status() != 400 {
		t.Errorf("%+v", e)
	}
}

func TestPlacesAreRendered(t *testing.T) {
	e := New(SyntaxError, "unexpected")
	e.Place = &Place{Line: 1, Pos: 0, Token: "|"}
	if b, err := json.Marshal(e); err != nil || string(b) != `{"code":"SyntaxError","message":"unexpected","line":1,"pos":0,"token":"|"}` {
		t.Errorf("%s %v", b, err)
	}
}

func TestARefusalPassedOnKeepsItsStatus(t *testing.T) {
	if e := Of(fmt.Errorf("x: %w", Passed(405, "MethodNotAllowed", "Not so."))); e.Status() != 405 || e.Because(fs.ErrExist).Status() != 405 {
		t.Errorf("%+v", e)
	}
}
