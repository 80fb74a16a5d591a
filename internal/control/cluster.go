package control

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/fault"
	"logkeep/internal/kek"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
)

// A Cluster is a dedicated cluster: it owns an identity and a key.
// Its stored form leaves nothing out: a change is read over what is stored, and
// what it lacks would stay as it was.
type Cluster struct {
	ID       resource.ID       `json:"-"`
	Tenant   schema.TenantID   `json:"-"`
	Location string            `json:"-"`
	Tags     map[string]string `json:"-"`
	ETag     resource.ETag     `json:"-"`
	Created  time.Time         `json:"-"`
	Modified time.Time         `json:"-"`

	ClusterID        schema.ClusterID `json:"clusterId"`
	State            resource.State   `json:"state"`
	Provisioned      bool             `json:"provisioned"` // its accounts were made
	Identity         Identity         `json:"identity"`
	Capacity         int64            `json:"capacity"` // GB a day
	LastSku          time.Time        `json:"lastSku"`
	BillingType      string           `json:"billingType"`
	DoubleEncryption bool             `json:"doubleEncryption"`
	Zones            bool             `json:"zones"`
	Key              Key              `json:"key"`
	IdentityRemoved  bool             `json:"identityRemoved"` // set to None while a key was set: only support undoes it
	Settings         Settings         `json:"settings"`
	Drill            bool             `json:"drill,omitempty"` // made to drill a key: outside of the quotas, and its name is not reserved
}

// A Key is which key a cluster was told to use. ID.Version is "" for the
// newest version, always.
type Key struct {
	ID      kek.ID `json:"id"`
	RSASize int32  `json:"rsaSize"` // the least size wanted; 0: any
}

// Settings are how a cluster behaves when its key does not.
type Settings struct {
	IngestionWhenRevoked string        `json:"ingestionWhenRevoked"` // Reject, Drop or Seal
	OutageGrace          time.Duration `json:"outageGrace"`
	ProbeInterval        time.Duration `json:"probeInterval"`
	Lease                time.Duration `json:"lease"`
	CoverExistingData    bool          `json:"coverExistingData"`
}

// The ways of ingestion while a key is revoked.
const (
	Reject = "Reject"
	Drop   = "Drop"
	Seal   = "Seal"
)

// The billing types of clusters.
const (
	billCluster    = "Cluster"
	billWorkspaces = "Workspaces"
)

func (c Cluster) holder() Holder {
	return Holder{Cluster: c.ClusterID, Name: c.ID.Name(), Tenant: c.Tenant, Principal: c.Identity.holder(), Settings: c.Settings, DoubleEncryption: c.DoubleEncryption}
}

func clusterOf(res catalog.Resource) (Cluster, error) {
	var c Cluster
	if err := decode(res, &c); err != nil {
		return Cluster{}, err
	}
	id, err := idOf(res)
	c.ID, c.Tenant, c.Location, c.Tags, c.ETag = id, res.Tenant, res.Location, res.Tags, resource.ETag(res.ETag)
	c.Created, c.Modified = res.Created, res.Modified
	return c, err
}

func putCluster(ctx context.Context, tx *catalog.Tx, c Cluster) (Cluster, error) {
	res, err := record(c.ID, c.Location, c.Tags, c)
	if err != nil {
		return Cluster{}, err
	}
	if res, err = tx.Put(ctx, res, catalog.Always()); err != nil {
		return Cluster{}, err
	}
	return clusterOf(res)
}

func (s *Service) cluster(ctx context.Context, r catalog.Records, id resource.ID) (Cluster, error) {
	res, err := r.Get(ctx, id.String())
	if errors.Is(err, catalog.ErrNotFound) {
		return Cluster{}, clusterNotFound()
	}
	if err != nil {
		return Cluster{}, err
	}
	return clusterOf(res)
}

// Cluster returns a cluster.
func (s *Service) Cluster(ctx context.Context, id resource.ID) (Cluster, error) {
	return s.cluster(ctx, s.cat.Records, id)
}

// Clusters returns the clusters within a scope, in the order of their ids.
func (s *Service) Clusters(ctx context.Context, scope resource.ID) ([]Cluster, error) {
	return s.clusters(ctx, s.cat.Records, scope)
}

func (s *Service) clusters(ctx context.Context, r catalog.Records, scope resource.ID) ([]Cluster, error) {
	return list(ctx, r, scope, resource.Cluster, clusterOf)
}

// ClusterByID returns the cluster with the immutable id.
func (s *Service) ClusterByID(ctx context.Context, id schema.ClusterID) (Cluster, error) {
	found, err := by(ctx, s.cat.Records, catalog.ClusterID, string(id), resource.Cluster, clusterOf)
	if err != nil {
		return Cluster{}, err
	}
	if len(found) == 0 || found[0].ClusterID != id {
		return Cluster{}, clusterNotFound()
	}
	return found[0], nil
}

// by reads the living resources of a type whose field has the value.
func by[T any](ctx context.Context, r catalog.Records, field catalog.Field, value string, typ resource.Type, read func(catalog.Resource) (T, error)) ([]T, error) {
	found, err := r.Find(ctx, field, value)
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(res catalog.Resource) bool { return !strings.EqualFold(res.Type, string(typ)) })
	return readAll(found, read)
}

// list reads the living resources of a type below a scope.
func list[T any](ctx context.Context, r catalog.Records, scope resource.ID, typ resource.Type, read func(catalog.Resource) (T, error)) ([]T, error) {
	found, err := r.List(ctx, scope.String(), string(typ))
	if err != nil {
		return nil, err
	}
	return readAll(found, read)
}

func readAll[T any](found []catalog.Resource, read func(catalog.Resource) (T, error)) ([]T, error) {
	all := make([]T, 0, len(found))
	for _, res := range found {
		v, err := read(res)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// Associated returns the workspaces that are linked to a cluster.
func (s *Service) Associated(ctx context.Context, c Cluster) ([]Workspace, error) {
	return s.associated(ctx, s.cat.Records, c)
}

func (s *Service) associated(ctx context.Context, r catalog.Records, c Cluster) ([]Workspace, error) {
	return by(ctx, r, catalog.LinkedTo, c.ID.String(), resource.Workspace, workspaceOf)
}

// KeyStatus is the state of a cluster's key; ok is false without one.
func (s *Service) KeyStatus(c Cluster) (KeyStatus, bool) { return s.keys.Status(c.ClusterID) }

// Worker is the process that holds the cluster's data now.
func (s *Service) Worker(c Cluster) (pid int, since time.Time, ok bool) {
	return s.domains.Worker(c.ClusterID)
}

// Readers are the pids of the processes that have the cluster's keys to answer queries.
func (s *Service) Readers(c Cluster) []int { return s.domains.Readers(c.ClusterID) }

// An Identity is what a cluster presents to a vault.
type Identity struct {
	Type      string      `json:"type"`      // "" or None, SystemAssigned, UserAssigned
	Principal string      `json:"principal"` // of the identity in force
	AppID     string      `json:"appId"`
	Assigned  resource.ID `json:"assigned"` // the user-assigned identity
}

// The types of identities.
const (
	NoIdentity     = "None"
	SystemAssigned = "SystemAssigned"
	UserAssigned   = "UserAssigned"
)

func (i Identity) holder() string {
	if i.Type == SystemAssigned || i.Type == UserAssigned {
		return i.Principal
	}
	return ""
}

// same reports whether both are the same identity, whatever is known of it.
func (i Identity) same(j Identity) bool {
	return normalType(i.Type) == normalType(j.Type) && i.Assigned.Equal(j.Assigned)
}

func normalType(t string) string {
	if t == "" {
		return NoIdentity
	}
	return t
}

// An IdentityChange is an identity as a client asks for it.
type IdentityChange struct {
	Type     string
	Assigned []string // ids of user-assigned identities
}

// wanted reads what a client asks for, given what there is.
func (ch IdentityChange) wanted(now Identity) (Identity, *fault.Error) {
	switch {
	case strings.EqualFold(ch.Type, NoIdentity):
		if now.Type == "" {
			return now, nil
		}
		return Identity{Type: NoIdentity}, nil
	case strings.EqualFold(ch.Type, SystemAssigned):
		if now.Type == SystemAssigned {
			return now, nil
		}
		return Identity{Type: SystemAssigned}, nil
	case strings.EqualFold(ch.Type, UserAssigned):
		if len(ch.Assigned) == 0 && now.Type == UserAssigned {
			return now, nil // az sends the type alone
		}
		if len(ch.Assigned) != 1 {
			return now, fault.New(fault.InvalidParameter, "A cluster has a single identity: give exactly one id in identity.userAssignedIdentities, not %d.", len(ch.Assigned)).WithTarget("identity.userAssignedIdentities")
		}
		id, err := resource.Parse(ch.Assigned[0])
		if err != nil || !id.Type().Equal(resource.UserIdentity) {
			return now, fault.New(fault.InvalidResourceID, "'%.200s' is not the id of a user-assigned identity: /subscriptions/…/resourceGroups/…/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}.", ch.Assigned[0]).WithTarget("identity.userAssignedIdentities")
		}
		if now.Type == UserAssigned && now.Assigned.Equal(id) {
			return now, nil
		}
		return Identity{Type: UserAssigned, Assigned: id}, nil
	case strings.Contains(ch.Type, ","):
		return now, fault.New(fault.InvalidParameter, "A cluster has a single identity: identity.type is SystemAssigned or UserAssigned, not '%.60s'.", ch.Type).WithTarget("identity.type")
	}
	return now, fault.New(fault.InvalidParameter, "identity.type '%.60s' is unknown; use SystemAssigned, UserAssigned or None.", ch.Type).WithTarget("identity.type")
}

// principal finds the principal of a user-assigned identity.
func principalOf(ctx context.Context, r catalog.Records, tenant schema.TenantID, i Identity) (Identity, error) {
	p, err := r.PrincipalOf(ctx, i.Assigned.String())
	if errors.Is(err, catalog.ErrNotFound) || err == nil && p.Tenant != tenant {
		return i, fault.New(fault.InvalidParameter, "The user-assigned identity '%s' does not exist in this tenant. Create it first.", i.Assigned).WithTarget("identity.userAssignedIdentities")
	}
	if err != nil {
		return i, err
	}
	i.Principal, i.AppID = p.ObjectID, p.AppID
	return i, nil
}
