package control

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"logkeep/internal/catalog"
	"logkeep/internal/entra"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
)

// PutCluster creates a cluster, or changes what the change names.
func (s *Service) PutCluster(ctx context.Context, id resource.ID, caller string, ch ClusterChange) (Cluster, Operation, error) {
	now, err := s.Cluster(ctx, id)
	switch {
	case errors.Is(err, fault.ClusterNotFound):
		return s.createCluster(ctx, id, caller, ch)
	case err != nil:
		return Cluster{}, Operation{}, err
	}
	return s.updateCluster(ctx, now, caller, ch, busyForPut)
}

// PatchCluster changes what the change names.
func (s *Service) PatchCluster(ctx context.Context, id resource.ID, caller string, ch ClusterChange) (Cluster, Operation, error) {
	now, err := s.Cluster(ctx, id)
	if err != nil {
		return Cluster{}, Operation{}, err
	}
	return s.updateCluster(ctx, now, caller, ch, busyForPatch)
}

// busyForPut refuses to write a cluster while an operation runs, in the words
// of PUT (behaviour 3.9, 4.1); nil if none does.
func busyForPut(now resource.State) error {
	switch {
	case now == resource.Deleting:
		return fault.New(fault.ClusterDeleting, "Cluster is in deleting state. Async operation is in progress. Cluster must complete its operation before any update operation is performed.")
	case !now.Settled():
		return fault.New(fault.ClusterNotSucceeded, "Operation can't be executed now. Async operation is in a state other than succeeded. Cluster must complete its operation before any update operation is performed.")
	}
	return nil
}

// busyForPatch is busyForPut in the words of PATCH (behaviour 4.5, 4.6).
func busyForPatch(now resource.State) error {
	switch {
	case now == resource.Deleting:
		return deleting()
	case !now.Settled():
		return inProgress()
	}
	return nil
}

func deleting() error {
	return fault.New(fault.ClusterDeleting, "Cluster is in deleting state. Wait for the Async operation to complete and try again.")
}

func (s *Service) createCluster(ctx context.Context, id resource.ID, caller string, ch ClusterChange) (Cluster, Operation, error) {
	c := Cluster{ID: id, ClusterID: schema.ClusterID(uuid.NewString()), State: resource.Creating, BillingType: billCluster,
		Settings: Settings{IngestionWhenRevoked: Reject, OutageGrace: s.limits.OutageGrace, ProbeInterval: s.limits.ProbeInterval, Lease: s.limits.Lease}}
	if !clusterName().MatchString(id.Name()) {
		return Cluster{}, Operation{}, fault.New(fault.InvalidClusterName, "Cluster name isn't valid. Cluster name can contain characters a-z, A-Z, 0-9 and a length of 3-63. It has at least 4 here, hyphens inside are allowed.").WithTarget("name")
	}
	var where *fault.Error
	c.Location, where = locate(id, "", ch.Location)
	c.DoubleEncryption = true
	c, err := s.apply(c, ch, true)
	if err := joined(where, err); err != nil {
		return Cluster{}, Operation{}, err
	}
	if c.Tenant, err = s.place(ctx, s.cat.Records, id); err != nil {
		return Cluster{}, Operation{}, err
	}
	if c.Identity.Type == UserAssigned {
		if c.Identity, err = principalOf(ctx, s.cat.Records, c.Tenant, c.Identity); err != nil {
			return Cluster{}, Operation{}, err
		}
	}
	if !c.Key.ID.IsZero() {
		if c.Identity.Type != UserAssigned {
			return Cluster{}, Operation{}, fault.New(fault.KeyOnCreation, "KeyVaultProperties are set on creation. Update KeyVaultProperties after cluster creation.").WithTarget("properties.keyVaultProperties")
		}
		if err := s.checkKey(ctx, c); err != nil {
			return Cluster{}, Operation{}, err
		}
	}
	var op catalog.Operation
	err = s.cat.Tx(ctx, func(tx *catalog.Tx) error {
		if _, err := s.place(ctx, tx.Records, id); err != nil {
			return err
		}
		if err := s.room(ctx, tx, c); err != nil {
			return err
		}
		wish := c
		c.Key, c.Identity = Key{}, Identity{Type: c.Identity.Type}
		if c, err = putCluster(ctx, tx, c); err != nil {
			return err
		}
		op, err = begin(ctx, tx, createCluster, id, c.Location, caller, wish)
		return err
	})
	if err != nil {
		return Cluster{}, Operation{}, err
	}
	s.launch(op)
	o, err := operationOf(op)
	return c, o, err
}

// joined puts the violation before those of err.
func joined(first *fault.Error, err error) error {
	if first == nil || err == nil {
		return errorOf(first, err)
	}
	f := fault.Of(err)
	if f.Code == fault.MultipleErrorsOccurred {
		return fault.Join(append([]*fault.Error{first}, f.Details...)...)
	}
	return fault.Join(first, f)
}

func errorOf(f *fault.Error, err error) error {
	if f != nil {
		return f
	}
	return err
}

// room checks that the name is free and the quotas have room.
func (s *Service) room(ctx context.Context, tx *catalog.Tx, c Cluster) error {
	switch old, err := tx.GetDeleted(ctx, c.ID.String()); {
	case errors.Is(err, catalog.ErrNotFound):
	case err != nil:
		return err
	case time.Since(old.Deleted) < s.limits.NameReserved:
		return fault.New(fault.Conflict, "Cluster name is reserved; a cluster with this name was deleted in the last 14 days. Choose another name, or wait until %s.", old.Deleted.Add(s.limits.NameReserved).UTC().Format(time.RFC1123))
	default:
		if err := tx.Delete(ctx, c.ID.String(), catalog.Always()); err != nil {
			return err
		}
	}
	if _, err := tx.Get(ctx, c.ID.String()); err == nil {
		return inProgress()
	} else if !errors.Is(err, catalog.ErrNotFound) {
		return err
	}
	scope := resource.SubscriptionID(c.ID.Subscription()).String()
	living, err := tx.List(ctx, scope, string(resource.Cluster))
	if err != nil {
		return err
	}
	deleted, err := tx.ListDeleted(ctx, scope, string(resource.Cluster))
	if err != nil {
		return err
	}
	active, reserved := 0, 0
	for _, res := range living {
		if res.Location != c.Location {
			continue
		}
		old, err := clusterOf(res)
		if err != nil {
			return err
		}
		switch {
		case !old.Drill:
			active++
		case c.Drill:
			return fault.New(fault.QuotaExceeded, "A subscription can have one cluster for a drill in a region; '%s' has '%s'. Wait for that drill to end, or, if it was cut off, run `logkeep key drill --clean`.", c.ID.Subscription(), old.ID.Name())
		}
	}
	if c.Drill {
		return nil // it is gone in minutes, and its name with it
	}
	for _, res := range deleted {
		if res.Location == c.Location && time.Since(res.Deleted) < s.limits.NameReserved {
			reserved++
		}
	}
	if active >= s.limits.ActiveClusters {
		return fault.New(fault.QuotaExceeded, "A subscription can have %d active clusters in a region; '%s' has them in '%s'. Delete one, or use another region.", s.limits.ActiveClusters, c.ID.Subscription(), c.Location)
	}
	if active+reserved >= s.limits.ReservedClusters {
		return fault.New(fault.QuotaExceeded, "A subscription can have %d clusters, active or deleted in the last 14 days, in a region; '%s' has them in '%s'. Wait, or use another region.", s.limits.ReservedClusters, c.ID.Subscription(), c.Location)
	}
	return nil
}

func (s *Service) updateCluster(ctx context.Context, now Cluster, caller string, ch ClusterChange, busy func(resource.State) error) (Cluster, Operation, error) {
	wish, err := s.wish(ctx, now, ch, busy)
	if err != nil {
		return Cluster{}, Operation{}, err
	}
	var c Cluster
	var op catalog.Operation
	err = s.cat.Tx(ctx, func(tx *catalog.Tx) error {
		again, err := s.cluster(ctx, tx.Records, now.ID)
		if err != nil {
			return err
		}
		if again.ETag != now.ETag {
			return inProgress() // somebody else's change came between the checks and this
		}
		again.State = resource.Updating
		if c, err = putCluster(ctx, tx, again); err != nil {
			return err
		}
		op, err = begin(ctx, tx, updateCluster, c.ID, c.Location, caller, change{wish, wish.Tags})
		return err
	})
	if err != nil {
		return Cluster{}, Operation{}, err
	}
	s.launch(op)
	o, err := operationOf(op)
	return c, o, err
}

// A change is the input of an update: the cluster as it is to be.
type change struct {
	Cluster Cluster           `json:"cluster"`
	Tags    map[string]string `json:"tags"`
}

// wish checks a change in the order that is promised and returns what the
// cluster is to be.
func (s *Service) wish(ctx context.Context, now Cluster, ch ClusterChange, busy func(resource.State) error) (Cluster, error) {
	_, where := locate(now.ID, now.Location, ch.Location)
	wish, err := s.apply(now, ch, false)
	if err := joined(where, err); err != nil {
		return Cluster{}, err
	}
	if err := busy(now.State); err != nil {
		return Cluster{}, err
	}
	if err := s.associatedUnchanged(ctx, now, ch.Associated); err != nil {
		return Cluster{}, err
	}
	newIdentity, newKey := !wish.Identity.same(now.Identity), wish.Key != now.Key
	if now.IdentityRemoved && newIdentity {
		return Cluster{}, fault.New(fault.IdentityRemoved, "The identity of the cluster was set to None while a customer-managed key was in use. That revoked access to the data and can't be undone by an update; ask the operator to run 'logkeep support restore-identity %s'.", now.ID.Name())
	}
	if newIdentity && newKey {
		return Cluster{}, fault.New(fault.InvalidParameter, "Identity and KeyVaultProperties can't be updated in the same operation. Use two consecutive updates.").WithTarget("identity")
	}
	if newIdentity && wish.Identity.Type == UserAssigned {
		if wish.Identity, err = principalOf(ctx, s.cat.Records, now.Tenant, wish.Identity); err != nil {
			return Cluster{}, err
		}
	}
	if newKey && !wish.Key.ID.IsZero() {
		if err := s.checkKey(ctx, wish); err != nil {
			return Cluster{}, err
		}
	}
	return wish, nil
}

// associatedUnchanged refuses associatedWorkspaces that are not those that the
// client has read: the list follows the links.
func (s *Service) associatedUnchanged(ctx context.Context, now Cluster, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	linked, err := s.Associated(ctx, now)
	if err != nil {
		return err
	}
	known := map[string]bool{"": true} // a client may send items without their read-only parts
	for _, w := range linked {
		known[w.ID.Key()] = true
	}
	for _, id := range ids {
		if !known[strings.ToLower(id)] {
			return fault.New(fault.InvalidParameter, "'properties.associatedWorkspaces' is a read only property and cannot be set. Link a workspace with PUT {workspace}/linkedServices/cluster.").WithTarget("properties.associatedWorkspaces")
		}
	}
	return nil
}

func inProgress() error {
	return fault.New(fault.ClusterOperationInProgress, "Operation can't be executed now. Wait for the Async operation to complete and try again.")
}

func clusterNotFound() error {
	return fault.New(fault.ClusterNotFound, "Cluster not found, the cluster might have been deleted. If you try to create a cluster with that name and get a conflict, the cluster is in the deletion process.")
}

// makeCluster does the work of createCluster.
func (s *Service) makeCluster(ctx context.Context, op catalog.Operation) error {
	c, err := s.wanted(ctx, op)
	if err != nil {
		return err
	}
	if err := s.domains.EnsureCluster(ctx, c); err != nil {
		return err
	}
	if c.Key.ID.IsZero() {
		return nil
	}
	return s.keys.SetKey(ctx, c.holder(), c.Key.ID)
}

// wanted reads the cluster that an operation is to make: what is stored, with
// the wish over it.
func (s *Service) wanted(ctx context.Context, op catalog.Operation) (Cluster, error) {
	id, err := resource.Parse(op.Resource)
	if err != nil {
		return Cluster{}, err
	}
	c, err := s.Cluster(ctx, id)
	if err != nil {
		return Cluster{}, err
	}
	stored := c
	if err := wishOf(op, &c); err != nil {
		return Cluster{}, err
	}
	c.ClusterID, c.State = stored.ClusterID, stored.State
	return c, nil
}

func (s *Service) clusterMade(ctx context.Context, tx *catalog.Tx, op catalog.Operation) error {
	id, err := resource.Parse(op.Resource)
	if err != nil {
		return err
	}
	c, err := s.cluster(ctx, tx.Records, id)
	if err != nil {
		return err
	}
	if err := wishOf(op, &c); err != nil {
		return err
	}
	c.State, c.Provisioned = resource.Succeeded, true
	if err := identify(ctx, tx, &c); err != nil {
		return err
	}
	_, err = putCluster(ctx, tx, c)
	return err
}

// identify gives a cluster with a system-assigned identity its principal, and
// takes it from one that has none any more.
func identify(ctx context.Context, tx *catalog.Tx, c *Cluster) error {
	if c.Identity.Type != SystemAssigned {
		return entra.RemoveIdentity(ctx, tx, c.ID.String())
	}
	p, err := entra.AddIdentity(ctx, tx, entra.SystemAssigned, c.Tenant, c.ID.String(), c.ID.Name())
	c.Identity.Principal, c.Identity.AppID = p.ObjectID, p.AppID
	return err
}

// clusterFailed is the outcome of every operation on a cluster that failed.
func (s *Service) clusterFailed(ctx context.Context, tx *catalog.Tx, op catalog.Operation) error {
	id, err := resource.Parse(op.Resource)
	if err != nil {
		return err
	}
	c, err := s.cluster(ctx, tx.Records, id)
	if err != nil {
		return err
	}
	c.State = resource.Failed
	_, err = putCluster(ctx, tx, c)
	return err
}

// changeCluster does the work of updateCluster.
func (s *Service) changeCluster(ctx context.Context, op catalog.Operation) error {
	id, err := resource.Parse(op.Resource)
	if err != nil {
		return err
	}
	now, err := s.Cluster(ctx, id)
	if err != nil {
		return err
	}
	wish := change{Cluster: now}
	if err := wishOf(op, &wish); err != nil {
		return err
	}
	if !now.Provisioned { // its creation failed; this is the next try
		if err := s.domains.EnsureCluster(ctx, wish.Cluster); err != nil {
			return err
		}
	}
	embrace := wish.Cluster.Settings.CoverExistingData && !now.Settings.CoverExistingData
	switch {
	case wish.Cluster.Key.ID == now.Key.ID && (now.Key.ID.IsZero() || !embrace):
		return nil
	case wish.Cluster.Key.ID.IsZero():
		return s.keys.ClearKey(ctx, now.holder())
	}
	return s.keys.SetKey(ctx, wish.Cluster.holder(), wish.Cluster.Key.ID)
}

func (s *Service) clusterChanged(ctx context.Context, tx *catalog.Tx, op catalog.Operation) error {
	id, err := resource.Parse(op.Resource)
	if err != nil {
		return err
	}
	now, err := s.cluster(ctx, tx.Records, id)
	if err != nil {
		return err
	}
	wish := change{Cluster: now}
	if err := wishOf(op, &wish); err != nil {
		return err
	}
	c := wish.Cluster
	c.Tags, c.State, c.Provisioned, c.ClusterID = wish.Tags, resource.Succeeded, true, now.ClusterID
	if c.Identity.Type == NoIdentity && now.Identity.holder() != "" && !c.Key.ID.IsZero() {
		c.IdentityRemoved = true
	}
	if err := identify(ctx, tx, &c); err != nil {
		return err
	}
	_, err = putCluster(ctx, tx, c)
	return err
}

// clusterWatched tells the keys of a changed identity and of changed settings.
func (s *Service) clusterWatched(ctx context.Context, op catalog.Operation) {
	id, err := resource.Parse(op.Resource)
	if err != nil {
		return
	}
	c, err := s.Cluster(ctx, id)
	if err == nil && !c.Key.ID.IsZero() {
		err = s.keys.Watch(ctx, c.holder(), c.Key.ID)
	}
	if err != nil {
		s.log.Error("watch key after a change", "resource", op.Resource, "cause", err)
	}
}
