package keyring

import (
	"context"
	"time"

	"logkeep/internal/kek"
	"logkeep/internal/schema"
	"logkeep/internal/wrap"
)

// Cluster is what the ring has to know about one.
type Cluster struct {
	ID     schema.ClusterID
	Tenant schema.TenantID

	// Identity is the object id of the principal that uses the customer's
	// key. None, "", revokes a cluster that has such a key.
	Identity string

	Accounts []schema.AccountID
	Policy   Policy // zero = DefaultPolicy

	// DoubleEncryption gives an account that has no key yet an infrastructure
	// key, too, under the service's key whatever the setting. An account that
	// was made without one never gets one.
	DoubleEncryption bool
}

// Page is what is durable about a cluster's keys.
type Page struct {
	// Setting is the customer's key as it was set; no version means that the
	// newest is followed. Zero: there is none, and the service's key covers
	// the cluster.
	Setting kek.ID

	// Records has one wrap record per account and generation, and one for the
	// infrastructure key of an account that has one.
	Records []wrap.Record

	// Canary is wrapped with the version in use. Zero if Setting is.
	Canary wrap.Canary
}

// Verdict is the part of a state that outlives the process.
type Verdict struct {
	State  State     `json:"state"`
	Since  time.Time `json:"since"`
	Reason string    `json:"reason"`
	Epoch  uint64    `json:"epoch"`
}

// Book keeps pages. Its methods are safe for concurrent use.
//
// Load gives what was saved last, and zero values for a cluster that it does
// not know. Records come as they are: the ring verifies.
//
// Save replaces a cluster's page as a whole, in one transaction, and returns
// when that is durable: a crash leaves the old page or the new one. Wraps that
// the new page does not have are erased.
//
// Note replaces a cluster's verdict. Nothing that protects data waits for it.
type Book interface {
	Load(ctx context.Context, cluster schema.ClusterID) (Page, Verdict, error)
	Save(ctx context.Context, cluster schema.ClusterID, page Page) error
	Note(ctx context.Context, cluster schema.ClusterID, v Verdict) error
}

// Workers is the ring's hold on those that have keys in the clear.
//
// Renew and Revoke are called in the order in which the states came, one at a
// time for a cluster. They must not block, and may read the ring (Status,
// Lease) but not change it. Renew moves the deadline of every worker that
// holds keys of the cluster, query workers included, to until (a time of the
// ring's clock). Revoke ends them all, at once, also those that are being
// started under a lease whose Epoch is smaller than the status's.
//
// NewGeneration makes a new key for each account, wrapped with kid; an account
// without any record is also given an infrastructure key, wrapped with outer,
// unless outer is zero. Rewrap wraps the keys of the given records with kid.
// Both wrap a new canary with kid. A kid without version is not passed. They
// answer when every wrap
// was unwrapped again and signed (wrap.New, wrap.NewCanary do that), and
// change nothing: what they return is not yet in use and may be dropped.
//
// Adopt tells a running worker that a page is durable: its records are the
// ones to go by, and new data goes under each account's newest generation. A
// worker that is not running needs no telling: it starts from the page.
type Workers interface {
	Renew(cluster schema.ClusterID, until time.Time)
	Revoke(cluster schema.ClusterID, s Status)
	NewGeneration(ctx context.Context, cluster schema.ClusterID, kid, outer kek.ID, accounts []schema.AccountID) ([]wrap.Record, wrap.Canary, error)
	Rewrap(ctx context.Context, cluster schema.ClusterID, kid kek.ID, records []wrap.Record) ([]wrap.Record, wrap.Canary, error)
	Adopt(ctx context.Context, cluster schema.ClusterID, page Page) error
}

// Status is a cluster's key as people are told of it.
type Status struct {
	Cluster    schema.ClusterID `json:"cluster"`
	State      State            `json:"state"`
	Since      time.Time        `json:"since"`
	Reason     string           `json:"reason,omitempty"`    // "" when Active
	LastUnwrap time.Time        `json:"lastUnwrap,omitzero"` // when the last unwrap that succeeded was sent
	NextProbe  time.Time        `json:"nextProbe,omitzero"`  //
	Setting    kek.ID           `json:"setting,omitzero"`    // as it was set; zero = the service's key
	Version    kek.ID           `json:"version,omitzero"`    // the version in use
	Expires    time.Time        `json:"expires,omitzero"`    // of the version in use, if the newest is followed; zero if it has no end
	Needs      []kek.ID         `json:"needs,omitempty"`     // every version without which some key can't be unwrapped
	Rotation   string           `json:"rotation,omitempty"`  // why a newer version is not in use, if one is known
	Epoch      uint64           `json:"epoch"`               //
	Until      time.Time        `json:"leaseUntil,omitzero"` // when the last lease ends; zero unless State serves
}

// Lease is the right of a worker to live.
type Lease struct {
	Until time.Time // on the ring's clock
	Epoch uint64    // a Revoke with a larger one ends it
}

// Unavailable is the error for a key that can't be used now.
type Unavailable struct{ Status Status }

func (e *Unavailable) Error() string {
	s := e.Status
	text := "key of cluster " + string(s.Cluster) + " is " + s.State.String()
	if !s.Since.IsZero() {
		text += " since " + s.Since.UTC().Format(time.RFC3339)
	}
	if s.Reason != "" {
		text += ": " + s.Reason
	}
	return text
}
