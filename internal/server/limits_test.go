package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"logkeep/internal/schema"
)

// A table of 300 columns keeps rows of which each has a few, and one that has all.
func TestWideAndSparseTables(t *testing.T) {
	t.Parallel()
	s := linked(t)
	wide := schema.Table{Name: "Wide_CL", Columns: []schema.Column{{Name: schema.TimeGenerated, Type: schema.DateTime}}}
	kinds := []schema.Type{schema.Long, schema.String, schema.Real, schema.Dynamic, schema.Bool}
	for i := range 299 {
		wide.Columns = append(wide.Columns, schema.Column{Name: fmt.Sprintf("C%d", i), Type: kinds[i%len(kinds)]})
	}
	target := s.makeTable(s.Workspace, wide, "dcr-wide")
	value := func(i, n int) string {
		return [...]string{strconv.Itoa(n), fmt.Sprintf(`"text %d"`, n), fmt.Sprintf("%d.5", n), fmt.Sprintf(`{"k":%d}`, n), strconv.FormatBool(n%2 == 0)}[i%len(kinds)]
	}
	now := time.Now().UTC().Format(time.RFC3339Nano)
	const count = 3000
	_, err := s.Upload(t.Context(), target, func(yield func([]byte, error) bool) {
		for n := range count {
			b := fmt.Appendf(nil, `{"TimeGenerated":%q`, now)
			for i := range 299 {
				if n == 0 || (i+n)%100 == 0 { // three columns of a row
					b = fmt.Appendf(b, `,"C%d":%s`, i, value(i, n))
				}
			}
			if !yield(append(b, '}'), nil) {
				return
			}
		}
	}, nil)
	must(t, err)
	check := func(when string) {
		t.Helper()
		for query, want := range map[string]string{
			"Wide_CL | count": "[[3000]]",
			"Wide_CL | getschema | where ColumnName startswith 'C' | count":                                     "[[299]]",
			"Wide_CL | summarize countif(isnotnull(C0)), sum(C0), countif(isnotempty(C1)), sum(C2), max(C295)":  "[[30,43500,31,46455.5,2905]]",
			"Wide_CL | where C3.k == 97 | project C3, C103, C4, C1":                                             `[["{\"k\":97}","{\"k\":97}",null,""]]`,
			"Wide_CL | where C1 has '2999' or C101 has '2999' | project C1, C101, C201, isnull(C0)":             `[["text 2999","text 2999","text 2999",true]]`,
			"Wide_CL | where isnotnull(C298) and isnotempty(C1) and isnotnull(C100) and isnotnull(C50) | count": "[[1]]",
		} {
			if got := s.asked(query); got != want {
				t.Errorf("%s: %s: %s, want %s", when, query, got, want)
			}
		}
	}
	check("in the journal")
	w, ok := s.flushed()
	if !ok {
		t.Fatal("nothing was flushed")
	}
	check("in segments, " + w)
}

// flushed restarts the server so that it flushes at once, and waits until it has.
func (s *site) flushed() (string, bool) {
	s.t.Helper()
	s.halt()
	s.Flush.Age = 50 * time.Millisecond
	s.serve()
	s.asked("union withsource = t * | count") // a worker runs when it is asked
	account := s.segments(1)
	return string(account), account != ""
}

// Rows of as many bytes as a request may have are kept to the byte; what is longer
// than a field may be is cut, and one byte more than a request is refused.
func TestLargeRows(t *testing.T) {
	t.Parallel()
	s := linked(t)
	table := schema.Table{Name: "Large_CL", Columns: []schema.Column{{Name: schema.TimeGenerated, Type: schema.DateTime}, {Name: "N", Type: schema.Long}}}
	for i := range 15 {
		table.Columns = append(table.Columns, schema.Column{Name: fmt.Sprintf("F%d", i), Type: schema.String})
	}
	target := s.makeTable(s.Workspace, table, "dcr-large")
	const most = 64 << 10
	row := func(n, length int) string { // 15 fields: about 960 KB of 64 KB each
		var b strings.Builder
		fmt.Fprintf(&b, `{"N":%d`, n)
		for i := range 15 {
			fmt.Fprintf(&b, `,"F%d":"%s"`, i, strings.Repeat(string(rune('a'+i)), length))
		}
		return b.String() + "}"
	}
	s.Target = target
	send := func(body string) (int, string) {
		status, code, _, _ := s.post(post{body: strings.NewReader(body)})
		return status, code
	}
	for n, length := range []int{1, most - 1, most, most + 1, most + 5000} {
		if status, code := send("[" + row(n, length) + "]"); status != http.StatusNoContent {
			t.Fatalf("a row of %d bytes: %d %s", len(row(n, length)), status, code)
		}
	}
	lengths := `[[0,1,1],[1,65535,65535],[2,65536,65536],[3,65536,65536],[4,65536,65536]]`
	const query = "Large_CL | order by N asc | project N, strlen(F0), strlen(F14)"
	if got := s.asked(query); got != lengths {
		t.Errorf("%s, want %s", got, lengths)
	}
	account, _ := s.flushed()
	if got := s.asked(query); got != lengths {
		t.Errorf("in segments of %s: %s, want %s", account, got, lengths)
	}
	if got := s.asked("Operation | where Detail has 'Large_CL' | summarize countif(Detail has 'Values: 30')"); got != "[[1]]" {
		t.Errorf("what was cut is not told: %s of %s", got, s.asked("Operation | project Detail"))
	}
}

// A thousand clients that come at once with a row each are served or told to come
// again, and the server takes no more memory for them than it may.
func TestAThousandClientsAtOnce(t *testing.T) {
	t.Parallel()
	s := copied(t)
	s.Memory = 1 << 30
	s.spawn()
	s.mustSend("first", 1)
	transport := &http.Client{Transport: s.HTTP().Transport.(*http.Transport).Clone()}
	defer transport.CloseIdleConnections()
	token := s.token("https://monitor.azure.com/.default")
	url := s.Target.Endpoint + "/dataCollectionRules/" + s.Target.RuleID + "/streams/" + s.Target.Stream + "?api-version=2023-01-01"
	const clients = 1000
	var again, lost atomic.Int64
	begin := make(chan struct{})
	var all sync.WaitGroup
	for n := range clients {
		all.Go(func() {
			<-begin
			for {
				r, _ := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodPost, url, strings.NewReader("["+row(fmt.Sprint("c", n))+"]"))
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("Authorization", "Bearer "+token)
				answer, err := transport.Do(r)
				if err != nil {
					lost.Add(1) // nobody knows whether the row was taken
					return
				}
				io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
				switch answer.StatusCode {
				case http.StatusNoContent:
					return
				case http.StatusTooManyRequests, http.StatusServiceUnavailable:
					if answer.Header.Get("Retry-After") == "" {
						t.Error("nobody is told when to come again")
						return
					}
					again.Add(1)
				default:
					t.Errorf("status %d", answer.StatusCode)
					return
				}
			}
		})
	}
	close(begin)
	all.Wait()
	if n := lost.Load(); n > 0 {
		t.Errorf("%d connections were lost", n)
	}
	s.holds(clients + 1)
	if n := len(s.marks()); n != clients+1 {
		t.Errorf("%d different rows", n)
	}
	resident := int64(0)
	for _, p := range append(children(t, s.exe.Process.Pid), process{s.exe.Process}) {
		resident += privately(t, p.Pid)
	}
	t.Logf("%d times told to come again; %d MiB in all processes", again.Load(), resident>>20)
	if resident > s.Memory {
		t.Errorf("%d MiB in all processes", resident>>20)
	}
}

// privately is how much memory a process has for itself.
func privately(t *testing.T, pid int) (n int64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	must(t, err)
	for line := range strings.Lines(string(text)) {
		var kb int64
		if _, err := fmt.Sscanf(line, "Private_Dirty: %d kB", &kb); err == nil {
			n += kb << 10
		}
	}
	return n
}

// The documented limits of answers (behaviour 24.3): 500,000 rows and 100 MB. What
// there is up to them is given, and the answer says that it is not all.
func TestAnswersHaveTheDocumentedLimits(t *testing.T) {
	t.Parallel()
	s := linked(t)
	type answer struct {
		Tables []struct{ Rows []json.RawMessage }
		Error  struct {
			Code    string
			Details []struct{ Innererror struct{ Message string } }
		}
	}
	ask := func(query string) (a answer, size int) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Host("api.loganalytics")+"/v1/workspaces/"+s.Workspace.CustomerID+"/query", strings.NewReader(fmt.Sprintf(`{"query":%q}`, query)))
		must(t, err)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+s.token("https://api.loganalytics.io/.default"))
		got, err := s.ARM().Transport.Do(r)
		must(t, err)
		defer got.Body.Close()
		text, err := io.ReadAll(got.Body)
		must(t, err)
		if got.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %.300s", query, got.StatusCode, text)
		}
		must(t, json.Unmarshal(text, &a))
		return a, len(text)
	}
	if a, _ := ask("range x from 1 to 500000 step 1"); len(a.Tables[0].Rows) != 500_000 || a.Error.Code != "" {
		t.Errorf("at the limit: %d rows, %q", len(a.Tables[0].Rows), a.Error.Code)
	}
	a, _ := ask("range x from 1 to 500001 step 1")
	if n := len(a.Tables[0].Rows); n != 500_000 || a.Error.Code != "PartialError" {
		t.Errorf("one row more: %d rows, %+v", n, a.Error)
	}
	a, size := ask("range x from 1 to 2000 step 1 | extend s = strrep('0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef', 1024)")
	if n := len(a.Tables[0].Rows); n < 1000 || n >= 2000 || size > 101<<20 || a.Error.Code != "PartialError" {
		t.Errorf("too many bytes: %d rows, %d bytes, %+v", n, size, a.Error)
	}
}
