package keystore

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"logkeep/internal/resource"
	"logkeep/internal/vault/admin"
	"logkeep/internal/vault/material"
)

// Identifiers. Names are compared without regard to case and shown as they
// were first written.
type (
	VaultName string
	VaultUID  string // random; a name that is used again after a purge has another
	KeyName   string
	VersionID string // 32 lower-case hex digits
)

func (n VaultName) fold() string { return strings.ToLower(string(n)) }
func (n KeyName) fold() string   { return strings.ToLower(string(n)) }

// A Vault is a vault's record. Properties.VaultURI is empty: it depends on how
// the vault is reached.
type Vault struct {
	UID        VaultUID          `json:"uid"`
	Name       VaultName         `json:"name"`
	ID         resource.ID       `json:"id,omitzero"` // zero for the service's own
	Location   string            `json:"location"`
	Tags       map[string]string `json:"tags,omitempty"`
	System     admin.SystemData  `json:"system"`
	Properties admin.Properties  `json:"properties"`
	Deleted    *Deletion         `json:"deleted,omitempty"`
}

// Service tells whether v is the service's own vault.
func (v Vault) Service() bool { return v.ID.IsZero() }

// URI is the vault's address on a server of the domain and port, without the
// slash that resources show at its end.
func (v Vault) URI(domain string, port int) string {
	uri := "https://" + v.Name.fold() + ".vault." + domain
	if port != 443 {
		uri += ":" + strconv.Itoa(port)
	}
	return uri
}

// Retention is for how long a deleted vault or key can be recovered.
func (v Vault) Retention() time.Duration {
	return time.Duration(v.Properties.SoftDeleteRetentionInDays) * 24 * time.Hour
}

// A Key is a key's record. Its versions have records of their own.
type Key struct {
	Vault    VaultUID        `json:"vault"`
	Name     KeyName         `json:"name"`
	Newest   VersionID       `json:"newest"`
	Sequence int64           `json:"sequence"` // of the newest version
	Rotation *RotationPolicy `json:"rotation,omitempty"`
	Deleted  *Deletion       `json:"deleted,omitempty"`
	Told     Told            `json:"told,omitzero"`
}

// Told is what was told of the expiry of a key's version: each thing once, and
// again when the expiry is another.
type Told struct {
	Version VersionID `json:"version"`
	Expires int64     `json:"expires"` // Unix seconds
	Near    bool      `json:"near,omitempty"`
	Expired bool      `json:"expired,omitempty"`
}

// A RotationPolicy says when a key gets a new version. Durations are ISO 8601,
// as given.
type RotationPolicy struct {
	AfterCreate  string `json:"afterCreate,omitempty"`  // rotate so long after the newest version was made
	BeforeExpiry string `json:"beforeExpiry,omitempty"` // or so long before it expires
	NotifyBefore string `json:"notifyBefore,omitempty"` // expiry; one of the two notify triggers
	NotifyAfter  string `json:"notifyAfter,omitempty"`  // creation
	Expiry       string `json:"expiry,omitempty"`       // of versions that rotation makes
	Created      int64  `json:"created"`                // Unix seconds
	Updated      int64  `json:"updated"`
}

// A Version is the record of a key's version. Times are Unix seconds.
type Version struct {
	ID        VersionID         `json:"id"`
	Sequence  int64             `json:"sequence"`
	Kind      material.Kind     `json:"kind"`
	Public    []byte            `json:"public"` // PKIX
	Ops       []string          `json:"ops"`
	Tags      map[string]string `json:"tags,omitempty"`
	Enabled   bool              `json:"enabled"`
	NotBefore *int64            `json:"notBefore,omitempty"`
	Expires   *int64            `json:"expires,omitempty"`
	Created   int64             `json:"created"`
	Updated   int64             `json:"updated"`
}

// May tells whether the key's operations include op.
func (v Version) May(op string) bool { return slices.Contains(v.Ops, op) }
