package witness

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"logkeep/internal/schema"
)

// Type is the type of a signed statement.
const Type = "application/vnd.logkeep.witness.v1+json"

// A Statement says how far an installation has come. Every number in it only grows.
type Statement struct {
	Number   uint64                       `json:"number"` // of statements of this installation, from 1
	At       time.Time                    `json:"at"`
	Catalog  uint64                       `json:"catalog"` // changes of the catalog
	Vault    Vault                        `json:"vault"`
	Accounts map[schema.AccountID]Account `json:"accounts"`
}

// A Vault is the head of the vault's file.
type Vault struct {
	Changes uint64 `json:"changes"`
	Digest  string `json:"digest,omitempty"` // of all that there is, in hex
}

// An Account is how far a storage account has come.
type Account struct {
	Change  uint64 `json:"change"`            // number of the manifest
	MAC     string `json:"mac,omitempty"`     // SHA-256 of the manifest's MAC, in hex
	Journal uint64 `json:"journal,omitempty"` // an entry that was acknowledged
	Leaving bool   `json:"leaving,omitempty"` // it is about to be deleted
}

// MACOf is what a statement says of a manifest's MAC.
func MACOf(mac []byte) string {
	if len(mac) == 0 {
		return ""
	}
	digest := sha256.Sum256(mac)
	return hex.EncodeToString(digest[:])
}

// A Manifest is what an account's manifest is now: its number, its MAC, and the
// digest of the MAC before, which stands in it.
type Manifest struct {
	Change   uint64
	MAC      []byte
	Previous []byte
}

// Found is what lies in the data directory when a server starts.
type Found struct {
	Catalog  uint64
	Vault    Vault
	Accounts map[schema.AccountID]Manifest
}

// older lists what of found is older than told, or of another history. The
// journals are compared by who can open them.
func older(found Found, told Statement) (what []string) {
	if found.Catalog < told.Catalog {
		what = append(what, fmt.Sprintf("the catalog had change %d and has %d", told.Catalog, found.Catalog))
	}
	switch v := told.Vault; {
	case found.Vault.Changes < v.Changes:
		what = append(what, fmt.Sprintf("the vault had change %d and has %d", v.Changes, found.Vault.Changes))
	case found.Vault.Changes == v.Changes && found.Vault.Digest != v.Digest:
		what = append(what, fmt.Sprintf("the vault's change %d is another one", v.Changes))
	}
	for id, a := range told.Accounts {
		m, there := found.Accounts[id]
		switch {
		case !there && a.Leaving:
		case !there:
			what = append(what, fmt.Sprintf("account %s is missing", id))
		case m.Change < a.Change:
			what = append(what, fmt.Sprintf("account %s had change %d and has %d", id, a.Change, m.Change))
		case a.MAC == "":
		case m.Change == a.Change && MACOf(m.MAC) != a.MAC, m.Change == a.Change+1 && hex.EncodeToString(m.Previous) != a.MAC:
			what = append(what, fmt.Sprintf("change %d of account %s is another one", a.Change, id))
		}
	}
	slices.Sort(what)
	return what
}

// words are the first of a list.
func words(what []string) string {
	const most = 5
	if len(what) > most {
		what = append(slices.Clone(what[:most]), fmt.Sprintf("and %d more", len(what)-most))
	}
	return strings.Join(what, "; ")
}

func read(payload []byte) (s Statement, err error) {
	d := json.NewDecoder(bytes.NewReader(payload))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return s, fmt.Errorf("read a statement: %w", err)
	}
	return s, nil
}
