package server_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// A post is one request to the collection endpoint, as no SDK would send it.
type post struct {
	rule, stream string // "" for the right one
	version      string // "" for the right one, "none" for none
	token        string // "" for the right one, "none" for none
	header       http.Header
	body         io.Reader
}

func (s *site) token(scope string) string {
	s.t.Helper()
	token, err := s.Credential().GetToken(s.t.Context(), policy.TokenRequestOptions{Scopes: []string{scope}})
	must(s.t, err)
	return token.Token
}

// post sends p and returns the status and the error's code and message.
func (s *site) post(p post) (status int, code, message string, header http.Header) {
	s.t.Helper()
	if p.token == "" {
		p.token = s.token("https://monitor.azure.com/.default")
	}
	status, code, message, header, err := s.tried(p)
	must(s.t, err)
	return status, code, message, header
}

// tried is post for goroutines; p has a token.
func (s *site) tried(p post) (status int, code, message string, header http.Header, err error) {
	or := func(v, def string) string {
		if v == "" {
			return def
		}
		return v
	}
	url := s.Target.Endpoint + "/dataCollectionRules/" + or(p.rule, s.Target.RuleID) + "/streams/" + or(p.stream, s.Target.Stream)
	if p.version != "none" {
		url += "?api-version=" + or(p.version, "2023-01-01")
	}
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, url, p.body)
	if err != nil {
		return 0, "", "", nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	for name, values := range p.header {
		r.Header[name] = values
	}
	if p.token != "none" {
		r.Header.Set("Authorization", "Bearer "+p.token)
	}
	answer, err := s.ARM().Transport.Do(r)
	if err != nil {
		return 0, "", "", nil, err
	}
	defer answer.Body.Close()
	var body struct {
		Error struct{ Code, Message string } `json:"error"`
	}
	text, err := io.ReadAll(answer.Body)
	if err == nil && len(text) > 0 {
		if json.Unmarshal(text, &body) != nil {
			err = fmt.Errorf("%d with a body that is no JSON: %q", answer.StatusCode, text)
		}
	}
	return answer.StatusCode, body.Error.Code, body.Error.Message, answer.Header, err
}

func zipped(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(b)
	z.Close()
	return out.Bytes()
}

func row(mark string) string { return fmt.Sprintf(`{"Mark":%q,"N":1}`, mark) }

func TestWhatIsNotRightIsRefusedInWordsAndNothingOfItIsKept(t *testing.T) {
	t.Parallel()
	s := linked(t)
	good := "[" + row("good") + "]"
	in := func(text string) io.Reader { return strings.NewReader(text) }
	packed := http.Header{"Content-Encoding": {"gzip"}}
	zip := zipped([]byte("[" + strings.TrimSuffix(strings.Repeat(row("zip")+",", 500), ",") + "]"))
	bomb := zipped([]byte("[" + row("bomb") + strings.Repeat(" ", 64<<20) + "]"))
	if len(bomb) > 100<<10 {
		t.Fatalf("%d bytes are no bomb", len(bomb))
	}
	spoiled := bytes.Clone(zip)
	for i := len(spoiled) / 2; i < len(spoiled)-8; i++ {
		spoiled[i] ^= 0xff
	}
	for _, test := range []struct {
		name   string
		post   post
		status int
		code   string
		says   string
	}{
		{"no token", post{token: "none", body: in(good)}, 401, "AuthenticationFailed", "Bearer"},
		{"no token at all", post{token: "rubbish", body: in(good)}, 401, "InvalidAuthenticationToken", ""},
		{"another audience", post{token: s.token(s.URL + "/.default"), body: in(good)}, 401, "InvalidAuthenticationTokenAudience", "audience"},
		{"a forged token", post{token: forged(s.token("https://monitor.azure.com/.default")), body: in(good)}, 401, "InvalidAuthenticationToken", ""},
		{"no api-version", post{version: "none", body: in(good)}, 400, "InvalidApiVersionParameter", "api-version"},
		{"a bad api-version", post{version: "latest", body: in(good)}, 400, "InvalidApiVersionParameter", "latest"},
		{"no such rule", post{rule: "dcr-00000000000000000000000000000000", body: in(good)}, 404, "DataCollectionRuleNotFound", "immutable"},
		{"no such stream", post{stream: "Custom-None_CL", body: in(good)}, 400, "InvalidStream", "streamDeclarations"},
		{"not JSON", post{body: in(`[{"Mark":"good"},`)}, 400, "MalformedJson", "Nothing was stored"},
		{"an empty body", post{body: in("")}, 400, "MalformedJson", ""},
		{"a row that is none", post{body: in("[7]")}, 400, "InvalidRow", "row 1"},
		{"a value of the wrong type", post{body: in(`[{"N":{"a":1}}]`)}, 400, "InvalidRow", "N"},
		{"another content type", post{body: in(good), header: http.Header{"Content-Type": {"text/csv"}}}, 415, "UnsupportedMediaType", "application/json"},
		{"another encoding", post{body: in(good), header: http.Header{"Content-Encoding": {"br"}}}, 415, "UnsupportedContentEncoding", "gzip"},
		{"gzip that is none", post{body: in(good), header: packed}, 400, "MalformedJson", "gzip"},
		{"gzip that ends early", post{body: bytes.NewReader(zip[:len(zip)/2]), header: packed}, 400, "MalformedJson", "Nothing was stored"},
		{"damaged gzip", post{body: bytes.NewReader(spoiled), header: packed}, 400, "MalformedJson", "Nothing was stored"},
		{"a gzip bomb", post{body: bytes.NewReader(bomb), header: packed}, 413, "ContentLengthLimitExceeded", ""},
		{"30 MB", post{body: in("[" + row("big") + strings.Repeat(" ", 30<<20) + "]")}, 413, "ContentLengthLimitExceeded", ""},
		{"30 MB of unknown length", post{body: io.LimitReader(in("["+row("big")+strings.Repeat(" ", 30<<20)+"]"), 31<<20)}, 413, "ContentLengthLimitExceeded", ""},
	} {
		status, code, message, _ := s.post(test.post)
		if status != test.status || code != test.code || message == "" || !strings.Contains(message, test.says) {
			t.Errorf("%s: %d %s %q; want %d %s and %q", test.name, status, code, message, test.status, test.code, test.says)
		}
	}
	s.holds(0)
	if status, code, message, _ := s.post(post{body: in(good)}); status != http.StatusNoContent {
		t.Errorf("a good request: %d %s %s", status, code, message)
	}
	if status, code, message, _ := s.post(post{body: bytes.NewReader(zip), header: packed}); status != http.StatusNoContent {
		t.Errorf("a good packed request: %d %s %s", status, code, message)
	}
	s.holds(501)
}

// forged changes one letter of a token's signature.
func forged(token string) string {
	b := []byte(token)
	at := strings.LastIndexByte(token, '.') + 10
	if b[at] == 'A' {
		b[at] = 'B'
	} else {
		b[at] = 'A'
	}
	return string(b)
}

func TestRowsNeedARoleAtTheRule(t *testing.T) {
	t.Parallel()
	s := linked(t)
	s.mustSend("a", 3)
	s.ungrant(s.ruleID(), s.ObjectID)
	f := refused(t, s.send("b", 1), http.StatusForbidden, "AuthorizationFailed")
	if !strings.Contains(f.Message, "Monitoring Metrics Publisher") {
		t.Errorf("the refusal does not say what to do: %s", f.Message)
	}
	s.holds(3)
}

// ruleID is the resource id of the collection rule.
func (s *site) ruleID() string {
	return "/subscriptions/" + s.SubscriptionID + "/resourceGroups/" + group + "/providers/Microsoft.Insights/dataCollectionRules/dcr-1"
}

// TestGoodRowsStayAndTheOthersAreTold: one row that can't be stored does not keep
// the others out, and the owner of the workspace reads of it in his workspace.
func TestGoodRowsStayAndTheOthersAreTold(t *testing.T) {
	t.Parallel()
	s := linked(t)
	body := `[{"Mark":"a","N":1},{"Mark":"b","N":"x"},7,{"Mark":"` + strings.Repeat("c", 70_000) + `","N":3}]`
	if status, code, message, _ := s.post(post{body: strings.NewReader(body)}); status != http.StatusNoContent {
		t.Fatal(status, code, message)
	}
	if got := s.asked("Events_CL | order by N asc | project N, strlen(Mark)"); got != "[[1,1],[3,65536]]" {
		t.Error(got)
	}
	s.halt() // what is to be told is told then, or some seconds later
	s.serve()
	if got, want := s.asked("DCRLogErrors | project InputStreamId, OperationName, Message, _ResourceId endswith 'dcr-1'"),
		`[["`+s.Target.Stream+`","Ingestion","2 rows for the table Events_CL could not be stored and were left out: row 2, column N: the value is no long; send a whole number of 64 bits; row 3 is no JSON object; every row is an object whose fields are columns.",true]]`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := s.asked("Operation | project OperationCategory, OperationStatus, Detail"),
		`[["Ingestion","Warning","The following fields' values Mark of type Events_CL have been trimmed to the max allowed size, 65536 bytes. Please adjust your input accordingly. Values: 1."]]`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
