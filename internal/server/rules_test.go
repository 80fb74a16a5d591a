package server_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// The files below testdata/rules drive the rules of behaviour.md for clusters,
// links, workspaces, vaults, keys and linked storage, every documented error
// among them, through the wire of a whole server, each file against one of its own:
//
//	http [rule=N.M,…] [wait] [show=a.b,…] [keep=NAME:a.b] [headers] [anonymous]   a request
//	settle                      waits for the operations that http left behind
//	stop vault, cont vault      the vault's process does nothing, or goes on
//	hold, release               a request with rows for ${endpoint} and ${rule} that does not end, or ends:
//	                            as long as it lasts, no operation moves the workspace's data
//
// The first line of a request is the method and the path; ${g} stands for the
// resource group, ${la} and ${kv} for the providers below it, ${sub} for the
// subscription's id; a path that begins with kv-NAME: goes to that vault. A body
// follows. The answer is shown as status, code/inner code and [target], then the
// message; with wait as what became of it in the end, "done" if it was done. internal/arch/rules.txt
// says which rule has which case, and why the others have none.
func TestDocumentedRules(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/rules/*")
	must(t, err)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			e := newExchange(t)
			datadriven.RunTest(t, file, e.run)
		})
	}
}

// exchange is a fresh server and what a file has learnt from it.
type exchange struct {
	*site
	arm  string            // bearer token
	kept map[string]string // what requests may name as ${…}
	left []string          // status URLs of operations

	rows *io.PipeWriter // of the request that lasts
	held chan error     // how it ended
}

func newExchange(t *testing.T) *exchange {
	dir := t.TempDir()
	s := &site{t: t, setting: setting{DataDir: filepath.Join(dir, "data"), RootKey: filepath.Join(dir, "root.key"), Doubles: []string{location}}}
	s.serve()
	g := "/subscriptions/" + s.SubscriptionID + "/resourceGroups/" + group
	e := &exchange{site: s, kept: map[string]string{"sub": s.SubscriptionID, "g": g, "me": s.ObjectID, "tenant": s.TenantID,
		"la": g + "/providers/Microsoft.OperationalInsights", "kv": g + "/providers/Microsoft.KeyVault"}}
	e.arm = s.token(s.URL + "/.default")
	if status, body, _ := e.send("PUT", g+"?api-version=2021-04-01", `{"location":"westeurope"}`, true); status != http.StatusCreated {
		t.Fatalf("make the group: %d %s", status, body)
	}
	return e
}

func (e *exchange) run(t *testing.T, d *datadriven.TestData) string {
	e.t = t
	switch d.Cmd {
	case "http":
		return e.http(d)
	case "settle":
		var told strings.Builder
		for _, at := range e.left {
			told.WriteString(e.wait(at) + "\n")
		}
		e.left = nil
		return told.String()
	case "hold":
		e.hold()
		return ""
	case "release":
		e.release()
		return ""
	case "stop":
		return e.signal(d, syscall.SIGSTOP)
	case "cont":
		return e.signal(d, syscall.SIGCONT)
	}
	d.Fatalf(t, "there is no such command")
	return ""
}

// send sends a request as the first administrator, or as nobody.
func (e *exchange) send(method, path, body string, known bool) (status int, text []byte, header http.Header) {
	e.t.Helper()
	url, bearer := e.URL+path, e.arm
	if label, rest, ok := strings.Cut(path, ":"); ok && strings.HasPrefix(label, "kv-") {
		url, bearer = e.Host(label+".vault")+rest, e.token("https://vault.azure.net/.default")
	}
	r, err := http.NewRequestWithContext(e.t.Context(), method, url, strings.NewReader(body))
	must(e.t, err)
	if known {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := e.HTTP().Do(r)
	must(e.t, err)
	defer answer.Body.Close()
	text, err = io.ReadAll(answer.Body)
	must(e.t, err)
	return answer.StatusCode, text, answer.Header
}

var placeholder = regexp.MustCompile(`\$\{[A-Za-z0-9]+\}`)

func (e *exchange) expand(text string) string {
	return placeholder.ReplaceAllStringFunc(text, func(name string) string {
		if v, ok := e.kept[name[2:len(name)-1]]; ok {
			return v
		}
		e.t.Fatalf("nothing was kept as %s", name)
		return ""
	})
}

func (e *exchange) http(d *datadriven.TestData) string {
	first, body, _ := strings.Cut(d.Input, "\n")
	method, path, _ := strings.Cut(e.expand(first), " ")
	if !strings.Contains(path, "api-version=") {
		path += map[bool]string{true: "&", false: "?"}[strings.Contains(path, "?")] + "api-version="
		switch {
		case strings.HasPrefix(path, "kv-"):
			path += "7.4"
		case strings.Contains(path, "Microsoft.KeyVault"):
			path += "2023-07-01"
		default:
			path += "2023-09-01"
		}
	}
	status, text, header := e.send(method, path, e.expand(body), !d.HasArg("anonymous"))
	var told strings.Builder
	if !d.HasArg("wait") || status >= 400 { // how quick it was is not told
		told.WriteString(strconv.Itoa(status))
	} else {
		told.WriteString("done")
	}
	var answer any
	if len(text) > 0 {
		if err := json.Unmarshal(text, &answer); err != nil {
			d.Fatalf(e.t, "%d with a body that is no JSON: %q", status, text)
		}
	}
	if status >= 400 {
		told.WriteString(faultText(text))
	}
	for _, arg := range d.CmdArgs {
		switch arg.Key {
		case "show":
			for _, at := range arg.Vals {
				fmt.Fprintf(&told, "\n%s: %s", at, shownAt(answer, at))
			}
		case "keep":
			for _, keep := range arg.Vals {
				name, at, _ := strings.Cut(keep, ":")
				e.kept[name] = strings.Trim(shownAt(answer, at), `"`)
				if name == "kid" {
					e.kept[name] = e.kept[name][strings.LastIndexByte(e.kept[name], '/')+1:]
				}
			}
		}
	}
	if d.HasArg("headers") {
		for _, name := range []string{"Azure-AsyncOperation", "Location", "Retry-After"} {
			if v := header.Get(name); v != "" {
				fmt.Fprintf(&told, "\n%s: %s", name, strings.TrimPrefix(v, e.URL))
			}
		}
		if at := header.Get("Azure-AsyncOperation"); at != "" {
			e.kept["status"], e.kept["result"] = strings.TrimPrefix(at, e.URL), strings.TrimPrefix(header.Get("Location"), e.URL)
		}
	}
	told.WriteByte('\n')
	if at := header.Get("Azure-AsyncOperation"); at != "" && status == http.StatusAccepted {
		if d.HasArg("wait") {
			if end := e.wait(at); end != "then Succeeded" {
				told.WriteString(end + "\n")
			}
		} else {
			e.left = append(e.left, at)
		}
	}
	return e.masked(told.String())
}

// faultText shows an error: code/inner code, target, message, and details
// likewise.
func faultText(text []byte) string {
	type oneFault struct {
		Code, Message, Target string
		Details               []json.RawMessage
		Inner                 *struct{ Code string } `json:"innererror"`
	}
	var body struct{ Error oneFault }
	if err := json.Unmarshal(text, &body); err != nil {
		return " " + err.Error()
	}
	one := func(f oneFault) string {
		line := " " + f.Code
		if f.Inner != nil {
			line += "/" + f.Inner.Code
		}
		if f.Target != "" {
			line += " [" + f.Target + "]"
		}
		return line + "\n" + strings.TrimSpace(strings.ReplaceAll(f.Message, "\r\n", " | "))
	}
	told := one(body.Error)
	for _, detail := range body.Error.Details {
		var f oneFault
		if err := json.Unmarshal(detail, &f); err != nil {
			return told + err.Error()
		}
		told += "\n -" + one(f)
	}
	return told
}

// shownAt is the JSON at a path; nothing if there is none.
func shownAt(v any, path string) string {
	for name := range strings.SplitSeq(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(at) {
				return "nothing"
			}
			v = at[i]
		default:
			return "nothing"
		}
	}
	if v == nil {
		return "nothing"
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// wait polls an operation until it is over and says how it ended.
func (e *exchange) wait(at string) (told string) {
	path := strings.TrimPrefix(at, e.URL)
	eventually(e.t, limit, "the end of an operation", func() error {
		status, text, _ := e.send("GET", path, "", true)
		var o struct {
			Status string
			Error  *json.RawMessage
		}
		if err := json.Unmarshal(text, &o); err != nil || status != http.StatusOK {
			return fmt.Errorf("%d %s %w", status, text, err)
		}
		switch {
		case o.Status == "InProgress" || o.Status == "Updating" || o.Status == "Deleting":
			return errNotYet
		case o.Error != nil:
			told = "then " + o.Status + faultText(fmt.Appendf(nil, `{"error":%s}`, *o.Error))
		default:
			told = "then " + o.Status
		}
		return nil
	})
	return e.masked(told)
}

// hold begins a request with rows and returns once they are waited for.
func (e *exchange) hold() {
	body, w := io.Pipe()
	e.rows, e.held = w, make(chan error, 1)
	waited := make(chan struct{})
	ctx := httptrace.WithClientTrace(e.t.Context(), &httptrace.ClientTrace{Got100Continue: func() { close(waited) }})
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.expand("${endpoint}/dataCollectionRules/${rule}/streams/Custom-Events_CL?api-version=2023-01-01"), body)
	must(e.t, err)
	r.Header.Set("Authorization", "Bearer "+e.token("https://monitor.azure.com/.default"))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Expect", "100-continue")
	transport := e.HTTP().Transport.(*http.Transport).Clone()
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP1(true)
	transport.TLSClientConfig.NextProtos = nil
	transport.ExpectContinueTimeout = limit
	go func() {
		answer, err := (&http.Client{Transport: transport}).Do(r)
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode != http.StatusNoContent {
				err = errors.New(answer.Status)
			}
		}
		transport.CloseIdleConnections()
		e.held <- err
	}()
	select {
	case <-waited:
	case err := <-e.held:
		e.t.Fatalf("rows are not waited for: %v", err)
	case <-time.After(limit):
		e.t.Fatal("rows are not waited for")
	}
}

// release ends the request.
func (e *exchange) release() {
	_, err := io.WriteString(e.rows, "[]")
	must(e.t, err)
	must(e.t, e.rows.Close())
	must(e.t, <-e.held)
}

// signal sends a signal to the vault's process.
func (e *exchange) signal(d *datadriven.TestData, sig syscall.Signal) string {
	n := 0
	for _, p := range children(e.t, os.Getpid()) {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.Pid))
		if err != nil {
			continue
		}
		if fields := strings.Split(string(line), "\x00"); len(fields) < 2 || fields[1] != d.CmdArgs[0].Key || !holdsFileBelow(p.Pid, e.DataDir) {
			continue
		}
		must(e.t, p.Signal(sig))
		n++
	}
	if n == 0 {
		d.Fatalf(e.t, "there is no such process")
	}
	return ""
}

// holdsFileBelow tells whether a process has a file open below dir.
func holdsFileBelow(pid int, dir string) bool {
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		return false
	}
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && strings.HasPrefix(to, dir) {
			return true
		}
	}
	return false
}

var ruleMasks = []struct {
	pattern *regexp.Regexp
	to      string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "{guid}"},
	{regexp.MustCompile(`\b[0-9a-f]{32}\b`), "{hex}"},
	{regexp.MustCompile(`[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} 20\d\d \d\d:\d\d:\d\d (GMT|UTC)`), "{date}"},
	{regexp.MustCompile(`20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "{time}"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "{address}"},
}

func (e *exchange) masked(text string) string {
	for name, v := range e.kept {
		if name == "sub" || name == "tenant" || name == "me" {
			text = strings.ReplaceAll(text, v, "${"+name+"}")
		}
	}
	for _, m := range ruleMasks {
		text = m.pattern.ReplaceAllString(text, m.to)
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(e.Host("x.vault"), "https://"), ":")
	return strings.ReplaceAll(text, ":"+port, ":8443")
}
