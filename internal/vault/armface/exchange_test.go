package armface_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/datadriven"

	"logkeep/internal/resource"
	"logkeep/internal/seal"
	"logkeep/internal/vault/admin"
	"logkeep/internal/vault/armface"
	"logkeep/internal/vault/keystore"
)

const (
	tenant       = "11111111-2222-3333-4444-555555555555"
	subscription = "/subscriptions/s1"
	group        = subscription + "/resourceGroups/rg"
)

// The files below testdata/exchange are calls of the keeper:
//
//	call PATH [id=ID] [api=VERSION]   input: the body; $VAULTS, $DELETED, $GROUP and $SUB begin ids, $T is the tenant
//	sleep D
//	audit                             the records since the last time
func TestExchanges(t *testing.T) {
	datadriven.Walk(t, "testdata/exchange", func(t *testing.T, path string) {
		// The vault has its own time; see the data plane's exchanges.
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
	ctx    context.Context
	store  *keystore.Store
	calls  map[string]admin.Call
	told   []string
	events []string
}

func newExchange(t *testing.T) *exchange {
	t.Helper()
	root, err := seal.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	x := &exchange{ctx: t.Context()}
	if x.store, err = keystore.Open(t.Context(), t.TempDir(), root); err != nil {
		t.Fatal(err)
	}
	if err := x.store.Update(t.Context(), func(tx *keystore.Tx) error {
		return tx.PutVault(&keystore.Vault{Name: admin.ServiceVault})
	}); err != nil {
		t.Fatal(err)
	}
	x.calls = armface.New(armface.Config{
		Domain: "logkeep.test", Port: 8443, Store: x.store, Log: slog.New(slog.DiscardHandler),
		Notice: func(_ context.Context, n admin.Notice) {
			x.told = append(x.told, fmt.Sprintf("notice %s %s\n", n.What, n.VaultURI))
		},
		Audit: func(_ keystore.VaultUID, e admin.Event) {
			x.events = append(x.events, fmt.Sprintf("%s %d %s oid=%s %s\n", e.OperationName, e.Properties.HTTPStatus, e.ResourceID, e.Identity.Claim.ObjectID, e.CallerIPAddress))
		},
	}).Calls()
	return x
}

func (x *exchange) run(t *testing.T, d *datadriven.TestData) string {
	words := strings.NewReplacer("$VAULTS", group+"/providers/Microsoft.KeyVault/vaults",
		"$DELETED", subscription+"/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults", "$GROUP", group, "$SUB", subscription, "$T", tenant)
	switch d.Cmd {
	case "call":
		id, api := "", "2022-07-01"
		if d.HasArg("id") {
			d.ScanArgs(t, "id", &id)
		}
		if d.HasArg("api") {
			d.ScanArgs(t, "api", &api)
		}
		return x.call(d.CmdArgs[0].Key, words.Replace(id), api, words.Replace(d.Input))
	case "sleep":
		var days int
		if _, err := fmt.Sscanf(d.CmdArgs[0].Key, "%dd", &days); err != nil {
			panic(err)
		}
		time.Sleep(time.Duration(days) * 24 * time.Hour)
	case "audit":
		out := strings.Join(x.events, "")
		x.events = nil
		return out
	}
	return ""
}

func (x *exchange) call(path, id, api, body string) string {
	r := admin.Request{Tenant: tenant, APIVersion: api, Caller: admin.Caller{ObjectID: "alice", Address: "192.0.2.7"}}
	if id != "" {
		var err error
		if r.ID, err = resource.Parse(id); err != nil {
			panic(err)
		}
	}
	var in any = r
	if strings.HasSuffix(path, "/names") {
		in = body
	} else if body != "" && !json.Valid([]byte(body)) {
		// What is no JSON can't travel inside a request; the keeper refuses it.
		return "not JSON\n"
	} else if body != "" {
		r.Body = json.RawMessage(body)
		in = r
	}
	b, err := json.Marshal(in)
	if err != nil {
		panic(err)
	}
	answer, err := x.calls[path](x.ctx, b)
	if p, ok := errors.AsType[*admin.Problem](err); ok {
		return fmt.Sprintf("%d %s\n%s\n", p.Status, p.Code, p.Message) + x.notices()
	}
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	var pretty bytes.Buffer
	e := json.NewEncoder(&pretty)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(answer); err != nil {
		panic(err)
	}
	return pretty.String() + x.notices()
}

func (x *exchange) notices() string {
	out := strings.Join(x.told, "")
	x.told = nil
	return out
}

// Whatever a client sends, it is stored or refused, and what is stored can be
// read again.
func FuzzPut(f *testing.F) {
	for _, s := range []string{
		`{}`, `null`, `[]`, `{"location":"x","properties":{"tenantId":"` + tenant + `","sku":{"family":"A","name":"standard"}}}`,
		`{"location":"x","properties":{"tenantId":"` + tenant + `","sku":{"family":"A","name":"standard"},"accessPolicies":[{"objectId":"o"}]}}`,
		`{"properties":{"createMode":"recover"}}`, `{"tags":{"a":null}}`, `{"properties":{"networkAcls":{"ipRules":[{"value":"1.2.3.4/99"}]}}}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if !json.Valid([]byte(body)) {
			return
		}
		x := newExchange(t)
		defer x.store.Close()
		id := group + "/providers/Microsoft.KeyVault/vaults/akv"
		if got := x.call("/vaults/put", id, "2026-02-01", body); strings.HasPrefix(got, "error:") {
			t.Fatal(got)
		} else if got[0] == '{' && !strings.HasPrefix(x.call("/vaults/get", id, "2026-02-01", ""), "{") {
			t.Fatal("what was stored can't be read")
		}
	})
}
