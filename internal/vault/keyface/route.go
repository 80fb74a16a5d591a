package keyface

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"logkeep/internal/vault/keystore"
)

// A target is what a path names. An empty version means the newest.
type target struct {
	collection string // keys or deletedkeys
	name       keystore.KeyName
	version    keystore.VersionID
	verb       string // lower case: wrapkey, versions, …; empty for the thing itself
}

var (
	nameRule       = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9A-Za-z-]{1,127}$`) })
	versionRule    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9A-Fa-f]{32}$`) })
	apiVersionRule = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^([0-9]{1,2}\.[0-9]{1,2}|2[0-9]{3}-[01][0-9]-[0-3][0-9])(-[a-z]+(\.[0-9]{1,2})?)?$`)
	})
)

// verbs stand at the end of a path. Those of a version may stand behind an
// empty one (/keys/k//wrapkey) or none.
var (
	keyVerbs     = []string{"create", "rotate", "versions", "rotationpolicy", "backup"}
	versionVerbs = []string{"wrapkey", "unwrapkey", "encrypt", "decrypt", "sign", "verify", "release", "attestation"}
)

// parsePath reads a path as the client wrote it, before anyone cleaned it: an
// empty segment between a key's name and a verb stands for the newest version,
// and so does a slash at the end. Anywhere else empty segments are ignored.
func parsePath(escaped string) (target, error) {
	nothing := refuse(http.StatusNotFound, "NotFound", "There is nothing at %q. This vault serves /keys and /deletedkeys.", clip(escaped))
	parts := strings.Split(strings.TrimLeft(escaped, "/"), "/")
	for i, p := range parts {
		clean, err := url.PathUnescape(p)
		if err != nil {
			return target{}, bad("The request URI is not well formed.")
		}
		parts[i] = clean
	}
	t := target{collection: strings.ToLower(parts[0])}
	if t.collection == "rng" && len(parts) == 1 {
		t.verb = "rng"
		return t, nil
	}
	if t.collection != "keys" && t.collection != "deletedkeys" {
		return target{}, nothing
	}
	parts = slices.DeleteFunc(parts[1:], func(p string) bool { return p == "" })
	if len(parts) == 0 {
		return t, nil
	}
	if !nameRule().MatchString(parts[0]) {
		return target{}, bad("The request URI contains an invalid name: %s", clip(parts[0]))
	}
	t.name = keystore.KeyName(parts[0])
	parts = parts[1:]
	if len(parts) > 0 && versionRule().MatchString(parts[0]) && t.collection == "keys" {
		t.version, parts = keystore.VersionID(strings.ToLower(parts[0])), parts[1:]
	}
	switch {
	case len(parts) == 0:
		return t, nil
	case len(parts) > 1:
		return target{}, nothing
	}
	t.verb = strings.ToLower(parts[0])
	switch {
	case t.collection == "deletedkeys" && t.verb == "recover":
	case t.collection == "keys" && t.version == "" && slices.Contains(keyVerbs, t.verb):
	case t.collection == "keys" && slices.Contains(versionVerbs, t.verb):
	case t.collection == "keys" && t.version == "":
		return target{}, keyNotFound(t.name, keystore.VersionID(clip(parts[0])))
	default:
		return target{}, nothing
	}
	return t, nil
}

// parseQuery reads a query and insists on an api-version. Any well-formed one
// will do.
func parseQuery(raw string) (url.Values, error) {
	q, err := url.ParseQuery(raw)
	if err != nil {
		return nil, bad("The request's query is not well formed.")
	}
	if v := q.Get("api-version"); !apiVersionRule().MatchString(v) {
		return nil, bad("Missing or invalid api-version %q. Add ?api-version=7.4 or a later one.", clip(v))
	}
	return q, nil
}

// An operation is something that can be done to a target.
type operation struct {
	audit      string // operationName of the audit record
	permission string // in an access policy
	action     string // of roles, below Microsoft.KeyVault/vaults/
	run        func(*call, url.Values) (any, error)
}

// shape is what decides on the operation: method, collection, whether a key is
// named, and the verb.
type shape struct {
	method, collection string
	named              bool
	verb               string
}

var operations = map[shape]operation{
	{"GET", "keys", false, ""}:               {"KeyList", "list", "keys/read", (*call).list},
	{"GET", "keys", true, ""}:                {"KeyGet", "get", "keys/read", (*call).get},
	{"GET", "keys", true, "versions"}:        {"KeyListVersions", "list", "keys/read", (*call).versions},
	{"POST", "keys", true, "create"}:         {"KeyCreate", "create", "keys/create/action", (*call).create},
	{"PUT", "keys", true, ""}:                {"KeyImport", "import", "keys/import/action", (*call).importKey},
	{"POST", "keys", true, "backup"}:         {"KeyBackup", "backup", "keys/backup/action", (*call).backup},
	{"POST", "keys", true, ""}:               {"KeyRestore", "restore", "keys/restore/action", (*call).restore}, // only /keys/restore
	{"POST", "keys", true, "rotate"}:         {"KeyRotate", "rotate", "keys/rotate/action", (*call).rotate},
	{"PATCH", "keys", true, ""}:              {"KeyUpdate", "update", "keys/update/action", (*call).update},
	{"DELETE", "keys", true, ""}:             {"KeyDelete", "delete", "keys/delete", (*call).remove},
	{"GET", "keys", true, "rotationpolicy"}:  {"KeyGetRotationPolicy", "getrotationpolicy", "keyrotationpolicies/read", (*call).getPolicy},
	{"PUT", "keys", true, "rotationpolicy"}:  {"KeySetRotationPolicy", "setrotationpolicy", "keyrotationpolicies/write", (*call).putPolicy},
	{"POST", "keys", true, "wrapkey"}:        {"KeyWrap", "wrapKey", "keys/wrap/action", (*call).wrap},
	{"POST", "keys", true, "unwrapkey"}:      {"KeyUnwrap", "unwrapKey", "keys/unwrap/action", (*call).unwrap},
	{"POST", "keys", true, "encrypt"}:        {"KeyEncrypt", "encrypt", "keys/encrypt/action", (*call).wrap},
	{"POST", "keys", true, "decrypt"}:        {"KeyDecrypt", "decrypt", "keys/decrypt/action", (*call).unwrap},
	{"POST", "keys", true, "sign"}:           {"KeySign", "sign", "keys/sign/action", (*call).sign},
	{"POST", "keys", true, "verify"}:         {"KeyVerify", "verify", "keys/verify/action", (*call).verify},
	{"GET", "deletedkeys", false, ""}:        {"KeyListDeleted", "list", "keys/read", (*call).listDeleted},
	{"GET", "deletedkeys", true, ""}:         {"KeyGetDeleted", "get", "keys/read", (*call).getDeleted},
	{"DELETE", "deletedkeys", true, ""}:      {"KeyPurge", "purge", "keys/purge/action", (*call).purge},
	{"POST", "deletedkeys", true, "recover"}: {"KeyRecover", "recover", "keys/recover/action", (*call).recover},
}

// unavailable are operations that clients know and this vault does not have.
var unavailable = map[shape]string{
	{"POST", "keys", true, "release"}:    "release",
	{"GET", "keys", true, "attestation"}: "get attestation",
	{"POST", "rng", false, "rng"}:        "get random bytes",
}

func route(method string, t target) (*operation, error) {
	s := shape{method, t.collection, t.name != "", t.verb}
	if s == (shape{"POST", "keys", true, ""}) && !strings.EqualFold(string(t.name), "restore") {
		return nil, refuse(http.StatusMethodNotAllowed, "MethodNotAllowed", "HTTP POST is not allowed here.")
	}
	if name, ok := unavailable[s]; ok {
		return nil, refuse(http.StatusBadRequest, "NotSupported", "Operation %s is not available in this vault.", name)
	}
	if op, ok := operations[s]; ok {
		return &op, nil
	}
	return nil, refuse(http.StatusMethodNotAllowed, "MethodNotAllowed", "HTTP %s is not allowed here.", clip(method))
}
