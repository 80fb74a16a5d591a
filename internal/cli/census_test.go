package cli_test

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestWhatKeysAreNeededFor(t *testing.T) {
	f := newFake(t)
	f.versions, f.enabled["v1"] = []string{"v1"}, true
	id := "/subscriptions/" + sub + "/resourceGroups/rg/providers/Microsoft.OperationalInsights/clusters/main"
	at := strings.ToLower(id)
	f.mu.Lock()
	f.put(at, id, "main", map[string]any{"properties": map[string]any{"keyVaultProperties": map[string]any{"keyVaultUri": "https://kv/", "keyName": "logs"}}})
	f.resources[at+"/keycensus"] = map[string]any{"keys": []any{
		map[string]any{"kid": "https://kv/keys/logs/v1", "holder": "Customer", "wraps": []any{map[string]any{"account": "a"}}, "objects": 3, "bytes": 99, "lastUsed": "2026-01-02T03:04:05Z", "reason": "keys need\nit"},
		map[string]any{"kid": "https://kv/keys/logs/v0", "holder": "Customer", "wraps": []any{}, "safeToDisable": true, "reason": "nothing here needs it"},
	}}
	f.resources[at+"/keyevents"] = map[string]any{"value": []any{map[string]any{"at": "2026-01-02T03:04:05Z", "what": "State", "from": "Active", "to": "Revoked", "reason": "the vault denied"}}}
	f.resources[at+"/coverage"] = map[string]any{
		"data":  []any{map[string]any{"kind": "segment", "account": "a-0", "generation": 2, "key": "https://kv/keys/logs/v1", "objects": 1, "bytes": 7}},
		"kinds": []any{map[string]any{"kind": "catalog", "where": "catalog.db", "clear": "names", "why": "repair"}},
	}
	f.mu.Unlock()
	for _, c := range []struct {
		command string
		want    []string
	}{
		{"census", []string{"https://kv/keys/logs/v1  Customer  1      3        99     2026-01-02T03:04:05Z  no               keys need it", "v0  Customer  0      0        0                            yes"}},
		{"events", []string{"2026-01-02T03:04:05Z  State  Active  Revoked  the vault denied"}},
		{"coverage", []string{"segment  a-0      2           1        7      https://kv/keys/logs/v1", "catalog.db  -            names         repair"}},
	} {
		code, out, errs := run(t, "key", c.command, "--data-dir", f.dir, "MAIN")
		for _, line := range c.want {
			if code != 0 || errs != "" || !strings.Contains(out, line) {
				t.Errorf("key %s: exit %d, no %q in\n%s%s", c.command, code, line, out, errs)
			}
		}
		code, out, _ = run(t, "key", c.command, "--data-dir", f.dir, "main", "-o", "json")
		if code != 0 || !json.Valid([]byte(out)) {
			t.Errorf("key %s -o json: exit %d\n%s", c.command, code, out)
		}
		if code, _, _ := run(t, "key", c.command, "--data-dir", f.dir, "nope"); code != 3 {
			t.Errorf("key %s nope: exit %d", c.command, code)
		}
		if code, _, _ := run(t, "key", c.command, "--data-dir", f.dir); code != 2 {
			t.Errorf("key %s without a cluster: exit %d", c.command, code)
		}
	}
}
