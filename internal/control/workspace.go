package control

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"logkeep/internal/catalog"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
)

// A Workspace owns tables. It is linked to at most one cluster.
type Workspace struct {
	ID       resource.ID       `json:"-"`
	Tenant   schema.TenantID   `json:"-"`
	Location string            `json:"-"`
	Tags     map[string]string `json:"-"`
	ETag     resource.ETag     `json:"-"`
	Created  time.Time         `json:"-"`
	Modified time.Time         `json:"-"`
	Deleted  time.Time         `json:"-"` // of a soft-deleted one

	CustomerID       schema.WorkspaceID `json:"customerId"`
	State            resource.State     `json:"state"`
	Sku              string             `json:"sku"`
	LastSku          time.Time          `json:"lastSku"`
	Retention        int                `json:"retention"`           // days
	Shortened        *Shortened         `json:"shortened,omitempty"` // Retention was longer
	DailyQuota       float64            `json:"dailyQuota"`          // GB; -1: none
	NetworkIngestion string             `json:"networkIngestion"`
	NetworkQuery     string             `json:"networkQuery"`
	ForceCMK         bool               `json:"forceCmk,omitempty"`
	DefaultRule      string             `json:"defaultRule,omitempty"`
	Features         map[string]any     `json:"features,omitempty"` // as clients set them
	Identity         WorkspaceIdentity  `json:"identity,omitzero"`
	Link             *Link              `json:"link,omitempty"`
	Linked           []time.Time        `json:"linked,omitempty"`        // when it was linked; what counts for the limit
	KeyGeneration    int                `json:"keyGeneration,omitempty"` // of the shared keys, which are stored nowhere
}

// A Link is to a cluster.
type Link struct {
	Cluster   resource.ID      `json:"cluster"`
	ClusterID schema.ClusterID `json:"clusterId"`
	State     resource.State   `json:"state"` // ProvisioningAccount, Succeeded, Deleting
	Since     time.Time        `json:"since"` // when it was made; zero while it is being made
}

// LinkedTo returns the cluster that new rows go to.
func (w Workspace) LinkedTo() (schema.ClusterID, bool) {
	if w.Link == nil || w.Link.Since.IsZero() {
		return "", false
	}
	return w.Link.ClusterID, true
}

// unlink forgets the link; the workspace pays as it goes again.
func (w *Workspace) unlink() {
	w.Link, w.Sku, w.LastSku = nil, payAsYouGo, time.Now().UTC()
}

// The daily caps that can be set, in GB.
const (
	leastQuota = 0.023
	mostQuota  = 1e6
)

// The skus that matter here.
const (
	payAsYouGo = "PerGB2018"
	linkedSku  = "LACluster"
)

var workspaceSkus = []string{"Free", "Standard", "Premium", "PerNode", payAsYouGo, "Standalone", "CapacityReservation", linkedSku}

func workspaceOf(res catalog.Resource) (Workspace, error) {
	var w Workspace
	if err := decode(res, &w); err != nil {
		return Workspace{}, err
	}
	id, err := idOf(res)
	w.ID, w.Tenant, w.Location, w.Tags, w.ETag = id, res.Tenant, res.Location, res.Tags, resource.ETag(res.ETag)
	w.Created, w.Modified, w.Deleted = res.Created, res.Modified, res.Deleted
	return w, err
}

func putWorkspace(ctx context.Context, tx *catalog.Tx, w Workspace) (Workspace, error) {
	res, err := record(w.ID, w.Location, w.Tags, w)
	if err != nil {
		return Workspace{}, err
	}
	if res, err = tx.Put(ctx, res, catalog.Always()); err != nil {
		return Workspace{}, err
	}
	return workspaceOf(res)
}

func (s *Service) workspace(ctx context.Context, r catalog.Records, id resource.ID) (Workspace, error) {
	return s.readWorkspace(ctx, r, id, workspaceOf)
}

func (s *Service) readWorkspace(ctx context.Context, r catalog.Records, id resource.ID, read func(catalog.Resource) (Workspace, error)) (Workspace, error) {
	res, err := r.Get(ctx, id.String())
	if errors.Is(err, catalog.ErrNotFound) {
		return Workspace{}, fault.New(fault.WorkspaceNotFound, "Workspace not found. The workspace you specified doesn't exist or was deleted.")
	}
	if err != nil {
		return Workspace{}, err
	}
	return read(res)
}

// Workspace returns a workspace.
func (s *Service) Workspace(ctx context.Context, id resource.ID) (Workspace, error) {
	return s.workspace(ctx, s.cat.Records, id)
}

// Workspaces returns the workspaces within a scope, in the order of their ids.
func (s *Service) Workspaces(ctx context.Context, scope resource.ID) ([]Workspace, error) {
	return list(ctx, s.cat.Records, scope, resource.Workspace, workspaceOf)
}

// WorkspaceByID returns the workspace with the customer id.
func (s *Service) WorkspaceByID(ctx context.Context, id schema.WorkspaceID) (Workspace, error) {
	found, err := by(ctx, s.cat.Records, catalog.CustomerID, string(id), resource.Workspace, workspaceOf)
	if err != nil {
		return Workspace{}, err
	}
	if len(found) > 0 {
		return found[0], nil
	}
	return Workspace{}, fault.New(fault.WorkspaceNotFound, "Workspace not found. No workspace has the id '%.60s', or it was deleted.", id)
}

// DeletedWorkspaces returns what can be recovered within a scope.
func (s *Service) DeletedWorkspaces(ctx context.Context, scope resource.ID) ([]Workspace, error) {
	return s.deletedWorkspaces(ctx, s.cat.Records, scope)
}

func (s *Service) deletedWorkspaces(ctx context.Context, r catalog.Records, scope resource.ID) ([]Workspace, error) {
	found, err := r.ListDeleted(ctx, scope.String(), string(resource.Workspace))
	if err != nil {
		return nil, err
	}
	var all []Workspace
	for _, res := range found {
		w, err := workspaceOf(res)
		if err != nil {
			return nil, err
		}
		if w.State != resource.Deleting && time.Since(w.Deleted) < s.limits.SoftDelete {
			all = append(all, w)
		}
	}
	return all, nil
}

// A WorkspaceChange is what a PUT or PATCH asks for. What is nil stays.
type WorkspaceChange struct {
	Location                       *string
	Tags                           map[string]string
	Sku                            *string
	Retention                      *int32
	DailyQuota                     *float64
	NetworkIngestion, NetworkQuery *string
	ForceCMK                       *bool
	DefaultRule                    *string
	Features                       map[string]any // null removes one
	Identity                       *IdentityChange
}

var workspaceName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]$`) })

func (s *Service) applyWorkspace(w Workspace, ch WorkspaceChange) (Workspace, error) {
	var wrong []*fault.Error
	invalid := func(target, format string, args ...any) {
		wrong = append(wrong, fault.New(fault.InvalidParameter, format, args...).WithTarget(target))
	}
	if ch.Tags != nil {
		w.Tags = ch.Tags
	}
	if f := applyTags(ch.Tags); f != nil {
		wrong = append(wrong, f)
	}
	if ch.Sku != nil && !strings.EqualFold(*ch.Sku, w.Sku) {
		i := slices.IndexFunc(workspaceSkus, func(n string) bool { return strings.EqualFold(n, *ch.Sku) })
		switch {
		case i < 0:
			invalid("properties.sku.name", "properties.sku.name '%.40s' is unknown; use %s.", *ch.Sku, payAsYouGo)
		case w.Link != nil:
			wrong = append(wrong, fault.New(fault.BadRequest, "sku.name can not be changed while workspace is linked to cluster").WithTarget("properties.sku.name"))
		case workspaceSkus[i] == linkedSku:
			invalid("properties.sku.name", "properties.sku.name becomes %s when the workspace is linked to a cluster; it can't be set.", linkedSku)
		default:
			w.Sku, w.LastSku = workspaceSkus[i], time.Now().UTC()
		}
	}
	if ch.Retention != nil {
		was, now := w.Retention, time.Now().UTC()
		if s := w.Shortened; s != nil && now.Before(s.Until) {
			was = max(was, s.Total)
		}
		if int(*ch.Retention) < w.Retention && !w.Created.IsZero() {
			w.Shortened = &Shortened{was, now.Add(s.limits.Shortened)}
		}
		if w.Retention = int(*ch.Retention); w.Retention < 4 || w.Retention > 730 {
			invalid("properties.retentionInDays", "properties.retentionInDays must be from 4 to 730, not %d.", w.Retention)
		}
	}
	if ch.DailyQuota != nil {
		if w.DailyQuota = *ch.DailyQuota; w.DailyQuota != -1 && !(w.DailyQuota >= leastQuota && w.DailyQuota <= mostQuota) {
			invalid("properties.workspaceCapping.dailyQuotaGb", "properties.workspaceCapping.dailyQuotaGb must be -1 for no daily cap, or from %g to %d.", leastQuota, int(mostQuota))
		}
	}
	for _, p := range []struct {
		name string
		wish *string
		to   *string
	}{{"publicNetworkAccessForIngestion", ch.NetworkIngestion, &w.NetworkIngestion}, {"publicNetworkAccessForQuery", ch.NetworkQuery, &w.NetworkQuery}} {
		if p.wish == nil {
			continue
		}
		switch {
		case strings.EqualFold(*p.wish, "Enabled"):
			*p.to = "Enabled"
		default:
			invalid("properties."+p.name, "properties.%s must be Enabled: private links are not supported.", p.name)
		}
	}
	if ch.ForceCMK != nil {
		w.ForceCMK = *ch.ForceCMK
	}
	if ch.DefaultRule != nil {
		if w.DefaultRule = *ch.DefaultRule; w.DefaultRule != "" {
			if id, err := resource.Parse(w.DefaultRule); err != nil || !id.Type().Equal(resource.Rule) {
				invalid("properties.defaultDataCollectionRuleResourceId", "'%.200s' is not the id of a data collection rule.", w.DefaultRule)
			}
		}
	}
	if ch.Features != nil {
		next := map[string]any{}
		for k, v := range w.Features {
			next[k] = v
		}
		for k, v := range ch.Features {
			switch {
			case strings.EqualFold(k, "clusterResourceId"): // follows the link
			case v == nil:
				delete(next, k)
			default:
				next[k] = v
			}
		}
		if w.Features = next; len(next) > 32 {
			invalid("properties.features", "properties.features can have 32 entries, not %d.", len(next))
		}
	}
	if ch.Identity != nil {
		var f *fault.Error
		if w.Identity, f = ch.Identity.wantedOf(w.Identity); f != nil {
			wrong = append(wrong, f)
		}
	}
	return w, fault.Join(wrong...)
}

// PutWorkspace creates a workspace, recovers a soft-deleted one, or changes
// what the change names. The operation is running only for a new one.
func (s *Service) PutWorkspace(ctx context.Context, id resource.ID, caller string, ch WorkspaceChange) (w Workspace, o Operation, created bool, err error) {
	var op catalog.Operation
	var after error
	err = s.cat.Tx(ctx, func(tx *catalog.Tx) error {
		now, err := s.workspace(ctx, tx.Records, id)
		if errors.Is(err, fault.WorkspaceNotFound) {
			switch now, err = s.recoverable(ctx, tx, id); {
			case err != nil:
				return err
			case !now.Deleted.IsZero():
				w, after, err = s.recover(ctx, tx, now, ch)
				return err
			}
			created = true
			w, op, err = s.newWorkspace(ctx, tx, id, caller, ch)
			return err
		}
		if err != nil {
			return err
		}
		again := now.State == resource.Failed // its creation failed; this is the next try
		if w, err = s.changeWorkspace(ctx, tx, now, ch); err != nil || !again {
			return err
		}
		w.State, created = resource.Creating, true
		if w, err = putWorkspace(ctx, tx, w); err != nil {
			return err
		}
		op, err = begin(ctx, tx, createWorkspace, id, w.Location, caller, nil)
		return err
	})
	if err == nil {
		err = after
	}
	if err != nil || !created {
		return w, Operation{}, created, err
	}
	s.launch(op)
	o, err = operationOf(op)
	return w, o, true, err
}

// recoverable returns the soft-deleted workspace of that name, if there is one.
func (s *Service) recoverable(ctx context.Context, tx *catalog.Tx, id resource.ID) (Workspace, error) {
	res, err := tx.GetDeleted(ctx, id.String())
	if errors.Is(err, catalog.ErrNotFound) {
		return Workspace{}, nil
	}
	if err != nil {
		return Workspace{}, err
	}
	w, err := workspaceOf(res)
	if err == nil && (w.State == resource.Deleting || time.Since(w.Deleted) >= s.limits.SoftDelete) {
		return w, fault.New(fault.Conflict, "This workspace name is already in use: a workspace of that name is being removed for good. Try again later, or choose another name.")
	}
	return w, err
}

// recover brings a soft-deleted workspace back as it was, its link included if
// the cluster is still there; then the change is made. A change that is not
// valid is reported, and the workspace is back nevertheless.
func (s *Service) recover(ctx context.Context, tx *catalog.Tx, w Workspace, ch WorkspaceChange) (_ Workspace, after, err error) {
	if _, err := s.place(ctx, tx.Records, w.ID); err != nil {
		return w, nil, err
	}
	if ch.Location == nil || normalLocation(*ch.Location) != w.Location {
		return w, nil, fault.New(fault.Conflict, "This workspace name is already in use: a workspace of that name was deleted in region '%s' and can be recovered. Give that location to recover it, or choose another name.", w.Location).WithTarget("location")
	}
	if w.Link != nil {
		c, err := s.cluster(ctx, tx.Records, w.Link.Cluster)
		switch {
		case errors.Is(err, fault.ClusterNotFound), err == nil && (c.ClusterID != w.Link.ClusterID || c.State == resource.Deleting):
			w.unlink()
		case err != nil:
			return w, nil, err
		}
	}
	if w, err = putWorkspace(ctx, tx, w); err != nil {
		return w, nil, err
	}
	changed, after := s.applyWorkspace(w, ch)
	if after == nil {
		if err := identifyWorkspace(ctx, tx, &changed); err != nil {
			return w, nil, err
		}
		changed, err = putWorkspace(ctx, tx, changed)
		return changed, nil, err
	}
	return w, after, nil
}

// nameFree refuses the name of a workspace that was deleted elsewhere in the
// tenant and can still be recovered (behaviour 9.3).
func (s *Service) nameFree(ctx context.Context, tx *catalog.Tx, w Workspace) error {
	hidden, err := s.deletedWorkspaces(ctx, tx.Records, resource.Root())
	if err != nil {
		return err
	}
	for _, old := range hidden {
		if old.Tenant == w.Tenant && strings.EqualFold(old.ID.Name(), w.ID.Name()) {
			return fault.New(fault.Conflict, "This workspace name is already in use: a workspace of that name was deleted in another resource group and can be recovered until %s. Recover it and delete it with force=true, or choose another name.",
				old.Deleted.Add(s.limits.SoftDelete).UTC().Format(time.RFC1123)).WithTarget("name")
		}
	}
	return nil
}

func (s *Service) newWorkspace(ctx context.Context, tx *catalog.Tx, id resource.ID, caller string, ch WorkspaceChange) (Workspace, catalog.Operation, error) {
	if !workspaceName().MatchString(id.Name()) {
		return Workspace{}, catalog.Operation{}, fault.New(fault.InvalidResourceName, "The workspace name '%.80s' isn't valid. It has 4 to 63 letters, digits and hyphens, and a hyphen neither first nor last.", id.Name()).WithTarget("name")
	}
	w := Workspace{ID: id, CustomerID: schema.WorkspaceID(uuid.NewString()), State: resource.Creating, Sku: payAsYouGo, LastSku: time.Now().UTC(),
		Retention: 30, DailyQuota: -1, NetworkIngestion: "Enabled", NetworkQuery: "Enabled",
		Features: map[string]any{"enableLogAccessUsingOnlyResourcePermissions": true}}
	var where *fault.Error
	w.Location, where = locate(id, "", ch.Location)
	w, err := s.applyWorkspace(w, ch)
	if err := joined(where, err); err != nil {
		return Workspace{}, catalog.Operation{}, err
	}
	if w.Tenant, err = s.place(ctx, tx.Records, id); err != nil {
		return Workspace{}, catalog.Operation{}, err
	}
	if err := s.nameFree(ctx, tx, w); err != nil {
		return Workspace{}, catalog.Operation{}, err
	}
	if err := identifyWorkspace(ctx, tx, &w); err != nil {
		return Workspace{}, catalog.Operation{}, err
	}
	if w, err = putWorkspace(ctx, tx, w); err != nil {
		return Workspace{}, catalog.Operation{}, err
	}
	op, err := begin(ctx, tx, createWorkspace, id, w.Location, caller, nil)
	return w, op, err
}

func (s *Service) changeWorkspace(ctx context.Context, tx *catalog.Tx, now Workspace, ch WorkspaceChange) (Workspace, error) {
	_, where := locate(now.ID, now.Location, ch.Location)
	w, err := s.applyWorkspace(now, ch)
	if err := joined(where, err); err != nil {
		return Workspace{}, err
	}
	if !now.State.Settled() {
		return Workspace{}, fault.New(fault.Conflict, "The workspace '%s' is being created or deleted. Wait for that operation to complete and try again.", now.ID.Name())
	}
	if err := identifyWorkspace(ctx, tx, &w); err != nil {
		return Workspace{}, err
	}
	return putWorkspace(ctx, tx, w)
}

// PatchWorkspace changes what the change names.
func (s *Service) PatchWorkspace(ctx context.Context, id resource.ID, ch WorkspaceChange) (w Workspace, err error) {
	err = s.cat.Tx(ctx, func(tx *catalog.Tx) error {
		now, err := s.workspace(ctx, tx.Records, id)
		if err != nil {
			return err
		}
		w, err = s.changeWorkspace(ctx, tx, now, ch)
		return err
	})
	return w, err
}

// LocalAuth tells whether rows may be sent with a shared key.
func (w Workspace) LocalAuth() bool {
	off, _ := w.Features["disableLocalAuth"].(bool)
	return !off
}

// RegenerateKeys makes other shared keys the workspace's, both of them: those
// of now are worth nothing from then on.
func (s *Service) RegenerateKeys(ctx context.Context, id resource.ID) (w Workspace, err error) {
	err = s.cat.Tx(ctx, func(tx *catalog.Tx) error {
		if w, err = s.workspace(ctx, tx.Records, id); err != nil {
			return err
		}
		w.KeyGeneration++
		w, err = putWorkspace(ctx, tx, w)
		return err
	})
	return w, err
}

// workspaceOf returns the workspace that an operation is about.
func (s *Service) workspaceOf(ctx context.Context, op catalog.Operation) (Workspace, error) {
	id, err := resource.Parse(op.Resource)
	if err != nil {
		return Workspace{}, err
	}
	return s.Workspace(ctx, id)
}

// makeWorkspace does the work of createWorkspace.
func (s *Service) makeWorkspace(ctx context.Context, op catalog.Operation) error {
	w, err := s.workspaceOf(ctx, op)
	if err != nil {
		return err
	}
	return s.domains.EnsureWorkspace(ctx, w)
}

func (s *Service) workspaceMade(ctx context.Context, tx *catalog.Tx, op catalog.Operation) error {
	return s.settle(ctx, tx, op, resource.Succeeded)
}

func (s *Service) workspaceFailed(ctx context.Context, tx *catalog.Tx, op catalog.Operation) error {
	return s.settle(ctx, tx, op, resource.Failed)
}

func (s *Service) settle(ctx context.Context, tx *catalog.Tx, op catalog.Operation, state resource.State) error {
	id, err := resource.Parse(op.Resource)
	if err != nil {
		return err
	}
	w, err := s.workspace(ctx, tx.Records, id)
	if err != nil {
		return err
	}
	w.State = state
	_, err = putWorkspace(ctx, tx, w)
	return err
}
