package keyface_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/datadriven"

	"logkeep/internal/resource"
	"logkeep/internal/seal"
	"logkeep/internal/vault/admin"
	"logkeep/internal/vault/keyface"
	"logkeep/internal/vault/keystore"
)

const tenant = "11111111-2222-3333-4444-555555555555"

// The files below testdata/exchange are conversations with the data plane:
//
//	vault NAME [rbac] [protected] [private] [days=N] [deny]   makes a vault; input: "principal: permission …", "allow: RANGE …"
//	roles              who may do what in a vault with roles: "principal: action …"; "broken" when nobody knows
//	http [as=WHO] [from=ADDR] [host=HOST] [token=HOW]         a request; the first line has method and path
//	sleep D            lets time pass; days may be written 90d
//	tend               lets the vault look at the calendar
//	audit              the records since the last time
//
// Random text is shown as v1, v2, … (versions), (n), (x), (y), (value),
// (token); {v1}, and {value} and {token} for the last ones, stand for it in
// requests.
func TestExchanges(t *testing.T) {
	datadriven.Walk(t, "testdata/exchange", func(t *testing.T, path string) {
		// The vault lives in a bubble of its own time. The harness stays
		// outside: it has timers that would tick through ninety days.
		jobs, done := make(chan func(*exchange)), make(chan struct{})
		go func() {
			defer close(done)
			synctest.Test(t, func(t *testing.T) {
				x := newExchange(t)
				defer x.store.Close()
				for job := range jobs {
					job(x)
				}
			})
		}()
		defer func() { close(jobs); <-done }()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			answer := make(chan string, 1)
			jobs <- func(x *exchange) { answer <- x.run(t, d) }
			return <-answer
		})
	})
}

type exchange struct {
	ctx     context.Context // of the bubble
	store   *keystore.Store
	face    *keyface.Face
	roles   map[string][]string // nil: broken
	notices []string
	events  []string
	ids     []string // versions in the order in which they were seen
	value   string   // the last long one
	token   string   // the last page's
}

func newExchange(t *testing.T) *exchange {
	t.Helper()
	root, err := seal.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	x := &exchange{ctx: t.Context(), roles: map[string][]string{}}
	if x.store, err = keystore.Open(x.ctx, t.TempDir(), root); err != nil {
		t.Fatal(err)
	}
	x.face = keyface.New(keyface.Config{
		Domain: "logkeep.test", Port: 8443, Store: x.store, Log: slog.New(slog.DiscardHandler),
		Verify: verify, Authorize: x.authorize,
		Notice: func(_ context.Context, n admin.Notice) {
			x.notices = append(x.notices, strings.TrimRight(fmt.Sprintf("notice %s %s %s %s", n.What, n.VaultURI, n.Key, n.Version), " "))
		},
		Audit: func(_ keystore.VaultUID, e admin.Event) {
			x.events = append(x.events, fmt.Sprintf("%s %s %d %s %s oid=%s %s", e.Time.Format(time.DateTime), e.OperationName, e.Properties.HTTPStatus, e.ResultType, e.CallerIPAddress, e.Identity.Claim.ObjectID, e.Properties.ID))
		},
	})
	return x
}

// verify stands for the signature, which the process's own tests check: a
// token is its claims behind "signed.".
func verify(token string) ([]byte, error) {
	payload, ok := strings.CutPrefix(token, "signed.")
	if !ok {
		return nil, errors.New("no signature")
	}
	return base64.RawURLEncoding.DecodeString(payload)
}

func (x *exchange) authorize(_ context.Context, q admin.Question) (bool, error) {
	if x.roles == nil {
		return false, errors.New("catalog is closed")
	}
	return slices.Contains(x.roles[q.ObjectID], strings.TrimPrefix(q.Action, "Microsoft.KeyVault/vaults/")), nil
}

func (x *exchange) run(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "vault":
		return x.vault(t, d)
	case "roles":
		x.roles = map[string][]string{}
		for line := range strings.Lines(d.Input) {
			if who, what, _ := strings.Cut(strings.TrimSpace(line), ":"); who == "broken" {
				x.roles = nil
			} else {
				x.roles[who] = strings.Fields(what)
			}
		}
	case "http":
		return x.http(t, d)
	case "sleep":
		text := d.CmdArgs[0].Key
		var days int
		if _, err := fmt.Sscanf(text, "%dd", &days); err == nil && strings.HasSuffix(text, "d") {
			time.Sleep(time.Duration(days) * 24 * time.Hour)
			break
		}
		pause, err := time.ParseDuration(text)
		if err != nil {
			panic(err)
		}
		time.Sleep(pause)
	case "tend":
		ctx, done := context.WithTimeout(x.ctx, time.Second)
		x.face.Tend(ctx)
		done()
		return x.told()
	case "audit":
		out := strings.Join(x.events, "\n") + "\n"
		x.events = nil
		return x.scrub(out)
	default:
		panic("unknown directive " + d.Cmd)
	}
	return ""
}

func (x *exchange) vault(t *testing.T, d *datadriven.TestData) string {
	name := d.CmdArgs[0].Key
	id, err := resource.Parse("/subscriptions/s/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/" + name)
	if err != nil {
		panic(err)
	}
	v := keystore.Vault{Name: keystore.VaultName(name), ID: id, Location: "westeurope", Properties: admin.Properties{
		TenantID: tenant, SoftDeleteRetentionInDays: 90, PublicNetworkAccess: "Enabled",
		EnableRBACAuthorization: d.HasArg("rbac"), EnablePurgeProtection: d.HasArg("protected"),
	}}
	if d.HasArg("days") {
		d.ScanArgs(t, "days", &v.Properties.SoftDeleteRetentionInDays)
	}
	if d.HasArg("private") {
		v.Properties.PublicNetworkAccess = "Disabled"
	}
	if d.HasArg("deny") {
		v.Properties.NetworkACLs = &admin.NetworkACL{Bypass: "AzureServices", DefaultAction: "Deny"}
	}
	for line := range strings.Lines(d.Input) {
		who, what, _ := strings.Cut(strings.TrimSpace(line), ":")
		if who == "allow" {
			for _, r := range strings.Fields(what) {
				v.Properties.NetworkACLs.IPRules = append(v.Properties.NetworkACLs.IPRules, admin.NetworkAddress{Value: r})
			}
			continue
		}
		v.Properties.AccessPolicies = append(v.Properties.AccessPolicies, admin.Policy{
			TenantID: tenant, ObjectID: who, Permissions: admin.Permissions{Keys: strings.Fields(what)}})
	}
	err = x.store.Update(x.ctx, func(tx *keystore.Tx) error {
		if d.HasArg("deleted") {
			v.Deleted = &keystore.Deletion{At: time.Now(), Purge: time.Now().Add(v.Retention())}
		}
		return tx.PutVault(&v)
	})
	if err != nil {
		panic(err)
	}
	return ""
}

func (x *exchange) http(t *testing.T, d *datadriven.TestData) string {
	who, from, host, how := "alice", "192.0.2.7:40000", "akv.vault.logkeep.test:8443", "good"
	for name, into := range map[string]*string{"as": &who, "from": &from, "host": &host, "token": &how} {
		if d.HasArg(name) {
			d.ScanArgs(t, name, into)
		}
	}
	input := d.Input
	for i, id := range x.ids {
		input = strings.ReplaceAll(input, fmt.Sprintf("{v%d}", i+1), id)
	}
	input = strings.ReplaceAll(input, "{value}", x.value)
	input = strings.ReplaceAll(input, "{token}", x.token)
	line, body, _ := strings.Cut(input, "\n")
	method, target, _ := strings.Cut(strings.TrimSpace(line), " ")
	r := httptest.NewRequestWithContext(x.ctx, method, "https://"+host+target, strings.NewReader(strings.TrimSpace(body)))
	r.RemoteAddr = from
	if how != "none" {
		r.Header.Set("Authorization", "Bearer "+token(who, how))
	}
	w := httptest.NewRecorder()
	x.face.ServeHTTP(w, r)

	var out strings.Builder
	fmt.Fprintf(&out, "%d %s\n", w.Code, http.StatusText(w.Code))
	for _, name := range []string{"Retry-After", "Www-Authenticate"} {
		if v := w.Header().Get(name); v != "" {
			fmt.Fprintf(&out, "%s: %s\n", name, v)
		}
	}
	if w.Body.Len() > 0 {
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, w.Body.Bytes(), "", " "); err != nil {
			panic(err)
		}
		pretty.WriteTo(&out)
		out.WriteByte('\n')
	}
	return x.scrub(out.String()) + x.told()
}

// token makes one for a principal that is good, or wrong in one respect.
func token(who, how string) string {
	now := time.Now().Unix()
	c := map[string]any{"aud": "https://vault.azure.net", "tid": tenant, "oid": who, "appid": "app-of-" + who, "nbf": now, "exp": now + 3600}
	switch how {
	case "good":
	case "ours":
		c["aud"] = []string{"https://vault.logkeep.test:8443/"}
	case "expired":
		c["exp"] = now
	case "early":
		c["nbf"] = now + 120
	case "unsigned":
		return "eyJhbGciOiJub25lIn0.e30."
	case "audience":
		c["aud"] = "https://management.azure.com/"
	case "elsewhere":
		c["aud"] = "https://vault.logkeep.test.evil.test"
	case "tenant":
		c["tid"] = "99999999-2222-3333-4444-555555555555"
	case "nobody":
		delete(c, "oid")
	case "shape":
		return "signed." + base64.RawURLEncoding.EncodeToString([]byte(`{"aud":7}`))
	default:
		panic("internal error: no token is " + how)
	}
	b, err := json.Marshal(c)
	if err != nil {
		panic("internal error: " + err.Error())
	}
	return "signed." + base64.RawURLEncoding.EncodeToString(b)
}

func (x *exchange) told() string {
	out := strings.Join(x.notices, "\n")
	x.notices = nil
	if out != "" {
		out += "\n"
	}
	return x.scrub(out)
}

var (
	versionID = regexp.MustCompile(`[0-9a-f]{32}`)
	number    = regexp.MustCompile(`"(n|x|y)": "[^"]+"`)
	pageToken = regexp.MustCompile(`skiptoken=([0-9A-Za-z_-]+)`)
	long      = regexp.MustCompile(`"value": "([^"]{60,})"`)
)

func (x *exchange) scrub(s string) string {
	if m := long.FindStringSubmatch(s); m != nil {
		x.value = m[1]
	}
	s = long.ReplaceAllString(s, `"value": "(value)"`)
	if m := pageToken.FindStringSubmatch(s); m != nil {
		x.token = m[1]
	}
	s = pageToken.ReplaceAllString(s, "skiptoken=(token)")
	s = number.ReplaceAllString(s, `"$1": "($1)"`)
	return versionID.ReplaceAllStringFunc(s, func(id string) string {
		i := slices.Index(x.ids, id)
		if i < 0 {
			i = len(x.ids)
			x.ids = append(x.ids, id)
		}
		return fmt.Sprintf("v%d", i+1)
	})
}
