package api

import (
	"context"
	"net/http"
	"time"

	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
)

func (s *server) clusterRoutes() []route {
	const (
		in   = "/providers/Microsoft.OperationalInsights/clusters"
		all  = "/subscriptions/{subscription}/resourceGroups/{group}" + in
		one  = all + "/{name}"
		read = "Microsoft.OperationalInsights/clusters/read"
		put  = "Microsoft.OperationalInsights/clusters/write"
	)
	return []route{
		{method: "GET", pattern: "/subscriptions/{subscription}" + in, action: read, handle: s.listClusters},
		{method: "GET", pattern: all, action: read, handle: s.listClusters},
		{method: "GET", pattern: one, action: read, handle: s.getCluster},
		{method: "PUT", pattern: one, action: put, handle: s.putCluster},
		{method: "PATCH", pattern: one, action: put, handle: s.patchCluster},
		{method: "DELETE", pattern: one, action: "Microsoft.OperationalInsights/clusters/delete", handle: s.deleteCluster},
	}
}

// clusterBody is what clients send. They send back what they have read, so
// read-only parts are ignored unless sending them means something.
type clusterBody struct {
	Location *string            `json:"location"`
	Tags     *map[string]string `json:"tags"`
	Identity *identityBody      `json:"identity"`
	Sku      *struct {
		Name     *string `json:"name"`
		Capacity *int64  `json:"capacity"`
	} `json:"sku"`
	Properties struct {
		KeyVault *struct {
			URI     *string `json:"keyVaultUri"`
			Name    *string `json:"keyName"`
			Version *string `json:"keyVersion"`
			Size    *int32  `json:"keyRsaSize"`
		} `json:"keyVaultProperties"`
		BillingType      *string `json:"billingType"`
		DoubleEncryption *bool   `json:"isDoubleEncryptionEnabled"`
		Zones            *bool   `json:"isAvailabilityZonesEnabled"`
		Associated       []struct {
			ResourceID string `json:"resourceId"`
		} `json:"associatedWorkspaces"`
		Replication *struct {
			Enabled bool `json:"enabled"`
		} `json:"replication"`
		Logkeep struct {
			Ingestion     *string   `json:"ingestionWhenRevoked"`
			OutageGrace   *duration `json:"outageGrace"`
			ProbeInterval *duration `json:"probeInterval"`
			Lease         *duration `json:"lease"`
			CoverExisting *bool     `json:"coverExistingData"`
			Drill         *bool     `json:"drill"`
		} `json:"logkeep"`
	} `json:"properties"`
}

func (b clusterBody) change() (control.ClusterChange, error) {
	p := b.Properties
	ch := control.ClusterChange{Location: b.Location, BillingType: p.BillingType, DoubleEncryption: p.DoubleEncryption, Zones: p.Zones, Drill: p.Logkeep.Drill,
		Settings: control.SettingsChange{IngestionWhenRevoked: p.Logkeep.Ingestion, OutageGrace: p.Logkeep.OutageGrace.time(),
			ProbeInterval: p.Logkeep.ProbeInterval.time(), Lease: p.Logkeep.Lease.time(), CoverExistingData: p.Logkeep.CoverExisting}}
	if b.Tags != nil {
		ch.Tags = *b.Tags
	}
	ch.Identity = b.Identity.change()
	if b.Sku != nil {
		ch.SkuName, ch.Capacity = b.Sku.Name, b.Sku.Capacity
	}
	if k := p.KeyVault; k != nil {
		ch.Key = &control.KeyChange{VaultURI: k.URI, Name: k.Name, Version: k.Version, RSASize: k.Size}
	}
	for _, a := range p.Associated {
		ch.Associated = append(ch.Associated, a.ResourceID)
	}
	if p.Replication != nil && p.Replication.Enabled {
		return ch, fault.New(fault.InvalidParameter, "Replication of clusters is not supported; leave properties.replication out.").WithTarget("properties.replication.enabled")
	}
	return ch, nil
}

type clusterView struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Type       resource.Type     `json:"type"`
	Location   string            `json:"location"`
	Tags       map[string]string `json:"tags,omitempty"`
	Identity   *identityView     `json:"identity,omitempty"`
	Sku        clusterSku        `json:"sku"`
	Properties clusterProperties `json:"properties"`
}

type clusterSku struct {
	Name     string `json:"name"`
	Capacity int64  `json:"capacity"`
}

type clusterProperties struct {
	ClusterID           string            `json:"clusterId"`
	ProvisioningState   resource.State    `json:"provisioningState"`
	DoubleEncryption    bool              `json:"isDoubleEncryptionEnabled"`
	Zones               bool              `json:"isAvailabilityZonesEnabled"`
	BillingType         string            `json:"billingType"`
	KeyVault            *keyView          `json:"keyVaultProperties,omitempty"`
	LastModified        string            `json:"lastModifiedDate"`
	Created             string            `json:"createdDate"`
	Associated          []associatedView  `json:"associatedWorkspaces"`
	CapacityReservation capacityView      `json:"capacityReservationProperties"`
	Logkeep             clusterExtensions `json:"logkeep"`
}

type keyView struct {
	URI     string `json:"keyVaultUri"`
	Name    string `json:"keyName"`
	Version string `json:"keyVersion"`
	Size    int32  `json:"keyRsaSize,omitempty"`
}

type associatedView struct {
	WorkspaceID string `json:"workspaceId"`
	Name        string `json:"workspaceName"`
	ResourceID  string `json:"resourceId"`
	Date        string `json:"associateDate"`
}

type capacityView struct {
	LastSkuUpdate string `json:"lastSkuUpdate"`
	MinCapacity   int64  `json:"minCapacity"`
}

// clusterExtensions are what only this service has.
type clusterExtensions struct {
	KeyState      *keyStateView `json:"keyState,omitempty"`
	Worker        *workerView   `json:"worker,omitempty"`
	Ingestion     string        `json:"ingestionWhenRevoked"`
	OutageGrace   string        `json:"outageGrace"`
	ProbeInterval string        `json:"probeInterval"`
	Lease         string        `json:"lease"`
	CoverExisting bool          `json:"coverExistingData,omitempty"`
	Drill         bool          `json:"drill,omitempty"` // made to drill a key
}

type keyStateView struct {
	State      string `json:"state"`
	Since      string `json:"since,omitempty"`
	Reason     string `json:"reason,omitempty"`
	LastUnwrap string `json:"lastUnwrap,omitempty"`
	NextProbe  string `json:"nextProbe,omitempty"`
	Version    string `json:"keyVersion,omitempty"`
	Expires    string `json:"keyExpires,omitempty"`
	Warning    string `json:"warning,omitempty"`

	Spool *spoolView `json:"spool,omitempty"`
}

// spoolView tells of rows that were accepted while the key could not be used.
type spoolView struct {
	Batches      int64  `json:"batches"`
	Rows         int64  `json:"rows"`
	Bytes        int64  `json:"bytes"`
	Since        string `json:"since,omitempty"`
	AsideBatches int64  `json:"asideBatches,omitempty"`
	AsideBytes   int64  `json:"asideBytes,omitempty"`
}

func viewSpool(s *control.SpoolStatus) *spoolView {
	if s == nil {
		return nil
	}
	return &spoolView{s.Batches, s.Rows, s.Bytes, optional(s.Since), s.AsideBatches, s.AsideBytes}
}

type workerView struct {
	PID     int    `json:"pid"`
	Since   string `json:"since"`
	Sandbox string `json:"sandbox,omitempty"` // what confines it
	Readers []int  `json:"readers,omitempty"` // pids of processes that have the cluster's keys to answer queries
}

func (s *server) viewCluster(r *http.Request, c control.Cluster) (clusterView, error) {
	linked, err := s.Control.Associated(r.Context(), c)
	if err != nil {
		return clusterView{}, err
	}
	return s.renderCluster(c, linked, clusterDate(r)), nil
}

func (s *server) renderCluster(c control.Cluster, linked []control.Workspace, date func(time.Time) string) clusterView {
	v := clusterView{ID: c.ID.String(), Name: c.ID.Name(), Type: c.ID.Type(), Location: c.Location, Tags: c.Tags,
		Sku: clusterSku{"capacityreservation", c.Capacity}, // lower case, as clients know it
		Properties: clusterProperties{ClusterID: string(c.ClusterID), ProvisioningState: c.State, DoubleEncryption: c.DoubleEncryption, Zones: c.Zones,
			BillingType: c.BillingType, LastModified: date(c.Modified), Created: date(c.Created), Associated: []associatedView{},
			CapacityReservation: capacityView{date(c.LastSku), s.Control.Limits().MinCapacity},
			Logkeep: clusterExtensions{Ingestion: c.Settings.IngestionWhenRevoked, OutageGrace: formatDuration(c.Settings.OutageGrace),
				ProbeInterval: formatDuration(c.Settings.ProbeInterval), Lease: formatDuration(c.Settings.Lease), CoverExisting: c.Settings.CoverExistingData, Drill: c.Drill}}}
	switch c.Identity.Type {
	case control.SystemAssigned:
		v.Identity = &identityView{Type: c.Identity.Type, Principal: c.Identity.Principal, Tenant: string(c.Tenant)}
	case control.UserAssigned:
		v.Identity = &identityView{Type: c.Identity.Type, Assigned: map[string]assignedIdentity{c.Identity.Assigned.String(): {c.Identity.Principal, c.Identity.AppID}}}
	case control.NoIdentity:
		v.Identity = &identityView{Type: c.Identity.Type}
	}
	if !c.Key.ID.IsZero() {
		v.Properties.KeyVault = &keyView{c.Key.ID.VaultURI, c.Key.ID.Name, c.Key.ID.Version, c.Key.RSASize}
	}
	for _, w := range linked {
		if w.Link.Since.IsZero() {
			continue // being linked
		}
		v.Properties.Associated = append(v.Properties.Associated, associatedView{string(w.CustomerID), w.ID.Name(), w.ID.String(), date(w.Link.Since)})
	}
	if k, ok := s.Control.KeyStatus(c); ok {
		v.Properties.Logkeep.KeyState = &keyStateView{k.State, optional(k.Since), k.Reason, optional(k.LastUnwrap), optional(k.NextProbe), k.Version, optional(k.Expires), warning(k, time.Now()), viewSpool(k.Spool)}
	}
	if pid, since, ok := s.Control.Worker(c); ok {
		v.Properties.Logkeep.Worker = &workerView{pid, stamp(since), s.Sandbox, s.Control.Readers(c)}
	}
	return v
}

// nearExpiry is how long before a key expires its cluster warns of it: when a
// vault would, if no policy says otherwise (behaviour 25.5).
const nearExpiry = 30 * 24 * time.Hour

// warning tells of a key that will expire or has: rows are taken and answered
// all the same, for unwrapping goes on (behaviour 12.4).
func warning(k control.KeyStatus, now time.Time) string {
	switch end := k.Expires; {
	case end.IsZero() || now.Add(nearExpiry).Before(end):
		return ""
	case now.Before(end):
		return "The key's version in use expires at " + stamp(end) + ". Extend its expiry, or make a new version, before then."
	default:
		return "The key's version in use expired at " + stamp(end) + ". Data can be read and taken, but the key protects nothing new, and the cluster's key can't be updated: extend its expiry, or make a new version."
	}
}

func optional(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return stamp(t)
}

func (s *server) getCluster(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	c, err := s.Control.Cluster(r.Context(), id)
	if err != nil {
		return err
	}
	v, err := s.viewCluster(r, c)
	if err != nil {
		return err
	}
	etagged(w, c.ETag)
	return writeJSON(w, http.StatusOK, v)
}

func (s *server) listClusters(w http.ResponseWriter, r *http.Request) error {
	scope, err := s.listScope(r)
	if err != nil {
		return err
	}
	all, err := s.Control.Clusters(r.Context(), scope)
	if err != nil {
		return err
	}
	workspaces, err := s.Control.Workspaces(r.Context(), resource.Root())
	if err != nil {
		return err
	}
	linked := map[string][]control.Workspace{}
	for _, v := range workspaces {
		if v.Link != nil {
			linked[v.Link.Cluster.Key()] = append(linked[v.Link.Cluster.Key()], v)
		}
	}
	var views []clusterView
	for _, c := range all {
		views = append(views, s.renderCluster(c, linked[c.ID.Key()], clusterDate(r)))
	}
	return writePage(s, w, r, pager{}, views, func(v clusterView) string { return v.ID })
}

// listScope is the subscription or the group of a list, which must be there.
func (s *server) listScope(r *http.Request) (resource.ID, error) {
	if r.PathValue("group") == "" {
		return resource.SubscriptionID(r.PathValue("subscription")), nil
	}
	_, err := s.group(r)
	return groupOf(r), err
}

// manyTiers is the first api-version whose clients know commitment tiers below
// 500 GB a day and above 5,000.
const manyTiers = "2022-10-01"

func (s *server) putCluster(w http.ResponseWriter, r *http.Request) error {
	return s.writeCluster(w, r, s.Control.PutCluster)
}

func (s *server) patchCluster(w http.ResponseWriter, r *http.Request) error {
	return s.writeCluster(w, r, s.Control.PatchCluster)
}

func (s *server) writeCluster(w http.ResponseWriter, r *http.Request, write func(context.Context, resource.ID, string, control.ClusterChange) (control.Cluster, control.Operation, error)) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	var body clusterBody
	if err := decode(r, &body); err != nil {
		return err
	}
	ch, err := body.change()
	if err != nil {
		return err
	}
	if versionOf(r.URL.Query()) < manyTiers {
		ch.Tiers = control.EarlyTiers()
	}
	if err := s.allowAssigning(r, ch.Identity); err != nil {
		return err
	}
	c, o, err := write(r.Context(), id, callerOf(r).ObjectID, ch)
	if err != nil {
		return err
	}
	v, err := s.viewCluster(r, c)
	if err != nil {
		return err
	}
	return begun(w, r, o, v)
}

func (s *server) deleteCluster(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	o, found, err := s.Control.DeleteCluster(r.Context(), id, callerOf(r).ObjectID)
	if err != nil {
		return err
	}
	return s.deleted(w, r, o, found)
}

// deleted answers a deletion: 204 if there was nothing, 200 if it was done at
// once, 202 if it is still going on.
func (s *server) deleted(w http.ResponseWriter, r *http.Request, o control.Operation, found bool) error {
	if !found {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	over, err := s.settled(r, o)
	if err != nil {
		return err
	}
	if over {
		w.WriteHeader(http.StatusOK)
		return nil
	}
	operationHeaders(w, r, o)
	w.WriteHeader(http.StatusAccepted)
	return nil
}
