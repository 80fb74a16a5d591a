package control

import (
	"time"

	"logkeep/internal/schema"
)

// A Census says what each version of a key is needed for by one cluster.
type Census struct {
	Cluster string    `json:"cluster"`
	At      time.Time `json:"at"`
	State   string    `json:"state"` // of the cluster's key
	Keys    []KeyUse  `json:"keys"`
}

// A KeyUse is one version of a customer's key or of the service's, in use or
// used before.
type KeyUse struct {
	KID           string    `json:"kid"`
	Holder        string    `json:"holder"`  // Customer or Service
	Current       bool      `json:"current"` // it is the version that wraps new keys
	Canary        bool      `json:"canary"`  // the key's state is asked of it
	Wraps         []KeyWrap `json:"wraps"`   // keys of accounts that can't be had without it
	Objects       int       `json:"objects"` // sealed objects and journal files that can't be read without it
	Bytes         int64     `json:"bytes"`
	Backups       int       `json:"backups,omitempty"` // that hold keys wrapped under it
	LastUsed      time.Time `json:"lastUsed,omitzero"`
	SafeToDisable bool      `json:"safeToDisable"`
	Reason        string    `json:"reason"`
}

// The holders of keys.
const (
	HeldByCustomer = "Customer"
	HeldByService  = "Service"
)

// A KeyWrap is one key of an account and what is sealed with it.
type KeyWrap struct {
	Account    schema.AccountID   `json:"account"`
	Workspace  schema.WorkspaceID `json:"workspace,omitempty"` // whose own account it is
	Generation uint32             `json:"generation,omitempty"`
	Layer      string             `json:"layer"` // Only, Inner, Outer: which of the layers of its data it seals
	Created    time.Time          `json:"created"`
	Objects    int                `json:"objects"`
	Bytes      int64              `json:"bytes"`
}

// KeyEvents are the last things that happened to a cluster's key, newest first.
type KeyEvents struct {
	Cluster string     `json:"cluster"`
	Value   []KeyEvent `json:"value"`
}

// A KeyEvent is a change of a key's state, of the key, of its version in use, or
// of what waits for it.
type KeyEvent struct {
	At     time.Time `json:"at"`
	What   string    `json:"what"` // State, Key, Version, Spool, Witness, or RolledBack
	From   string    `json:"from,omitempty"`
	To     string    `json:"to,omitempty"`
	Reason string    `json:"reason,omitempty"`
}

// Events of the server's witness.
const (
	Witnessed  = "Witness"    // another one, or none
	RolledBack = "RolledBack" // the server was let start on data that are older than their witness says
)

// A Witness is told how far the data have come, so that an older copy of the data
// directory is noticed. Without one it is not.
type Witness struct {
	Place  string    `json:"place"` // "" for none
	At     time.Time `json:"at,omitzero"`
	Failed string    `json:"failed,omitempty"` // why the last try to tell failed
}

// A Coverage lists all that is at rest, for one cluster.
type Coverage struct {
	Cluster string    `json:"cluster"`
	At      time.Time `json:"at"`
	Data    []Covered `json:"data"`  // what belongs to the cluster's key domain
	Kinds   []AtRest  `json:"kinds"` // every kind of file that the server has

	Storage  string   `json:"storage"` // where segments and journals lie
	HotCache HotCache `json:"hotCache"`

	// RollbackNoticed says whether an older copy of the whole data directory
	// would be, up to Witness.At.
	RollbackNoticed bool    `json:"rollbackNoticed"`
	Witness         Witness `json:"witness"`
}

// A HotCache is what the local disk has of a bucket, for all key domains.
type HotCache struct {
	Present bool   `json:"present"`
	Why     string `json:"why,omitempty"` // there is none
	Files   int    `json:"files"`
	Bytes   int64  `json:"bytes"`
	Limit   int64  `json:"limit,omitempty"`
}

// Covered are the objects of one kind, account and key generation.
type Covered struct {
	Kind       string             `json:"kind"`
	Account    schema.AccountID   `json:"account"`
	Workspace  schema.WorkspaceID `json:"workspace,omitempty"`
	Generation uint32             `json:"generation"`
	Key        string             `json:"key"`                // that the account key is wrapped with
	OuterKey   string             `json:"outerKey,omitempty"` // that the infrastructure key is wrapped with
	Layers     int                `json:"layers"`
	Objects    int                `json:"objects"`
	Bytes      int64              `json:"bytes"`
}

// AtRest is a kind of file, and what of it is in the clear by design.
type AtRest struct {
	Kind       string `json:"kind"`
	Where      string `json:"where"` // below the data directory
	What       string `json:"what"`
	SealedWith string `json:"sealedWith,omitempty"`
	Clear      string `json:"clear,omitempty"`
	Why        string `json:"why"`
}
