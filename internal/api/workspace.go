package api

import (
	"maps"
	"net/http"
	"strings"

	"logkeep/internal/control"
	"logkeep/internal/dailycap"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
)

func (s *server) workspaceRoutes() []route {
	const (
		ns   = "/providers/Microsoft.OperationalInsights"
		sub  = "/subscriptions/{subscription}"
		rg   = sub + "/resourceGroups/{group}"
		all  = rg + ns + "/workspaces"
		one  = all + "/{name}"
		link = one + "/linkedServices"
		read = "Microsoft.OperationalInsights/workspaces/read"
		put  = "Microsoft.OperationalInsights/workspaces/write"
	)
	return []route{
		{method: "GET", pattern: sub + ns + "/workspaces", action: read, handle: s.listWorkspaces},
		{method: "GET", pattern: all, action: read, handle: s.listWorkspaces},
		{method: "GET", pattern: sub + ns + "/deletedWorkspaces", action: read, handle: s.listDeletedWorkspaces},
		{method: "GET", pattern: rg + ns + "/deletedWorkspaces", action: read, handle: s.listDeletedWorkspaces},
		{method: "GET", pattern: one, action: read, handle: s.getWorkspace},
		{method: "PUT", pattern: one, action: put, handle: s.putWorkspace},
		{method: "PATCH", pattern: one, action: put, handle: s.patchWorkspace},
		{method: "DELETE", pattern: one, action: "Microsoft.OperationalInsights/workspaces/delete", handle: s.deleteWorkspace},
		{method: "GET", pattern: link, action: "Microsoft.OperationalInsights/workspaces/linkedServices/read", handle: s.listLinks},
		{method: "GET", pattern: link + "/{link}", action: "Microsoft.OperationalInsights/workspaces/linkedServices/read", handle: s.getLink},
		{method: "PUT", pattern: link + "/{link}", action: "Microsoft.OperationalInsights/workspaces/linkedServices/write", handle: s.putLink},
		{method: "DELETE", pattern: link + "/{link}", action: "Microsoft.OperationalInsights/workspaces/linkedServices/delete", handle: s.deleteLink},
	}
}

type workspaceBody struct {
	Location   *string            `json:"location"`
	Tags       *map[string]string `json:"tags"`
	Identity   *identityBody      `json:"identity"`
	Properties struct {
		Sku *struct {
			Name *string `json:"name"`
		} `json:"sku"`
		Retention *int32 `json:"retentionInDays"`
		Capping   *struct {
			Quota *float64 `json:"dailyQuotaGb"`
		} `json:"workspaceCapping"`
		NetworkIngestion *string        `json:"publicNetworkAccessForIngestion"`
		NetworkQuery     *string        `json:"publicNetworkAccessForQuery"`
		ForceCMK         *bool          `json:"forceCmkForQuery"`
		DefaultRule      *string        `json:"defaultDataCollectionRuleResourceId"`
		Features         map[string]any `json:"features"`
	} `json:"properties"`
}

func (b workspaceBody) change() control.WorkspaceChange {
	p := b.Properties
	ch := control.WorkspaceChange{Location: b.Location, Retention: p.Retention, NetworkIngestion: p.NetworkIngestion, NetworkQuery: p.NetworkQuery,
		ForceCMK: p.ForceCMK, DefaultRule: p.DefaultRule, Features: p.Features}
	if b.Tags != nil {
		ch.Tags = *b.Tags
	}
	ch.Identity = b.Identity.change()
	if p.Sku != nil {
		ch.Sku = p.Sku.Name
	}
	if p.Capping != nil {
		ch.DailyQuota = p.Capping.Quota
	}
	return ch
}

type workspaceView struct {
	ID         string              `json:"id"`
	Name       string              `json:"name"`
	Type       resource.Type       `json:"type"`
	Location   string              `json:"location"`
	Tags       map[string]string   `json:"tags,omitempty"`
	Identity   *identityView       `json:"identity,omitempty"`
	ETag       string              `json:"etag"`
	Properties workspaceProperties `json:"properties"`
}

type workspaceProperties struct {
	CustomerID        string           `json:"customerId"`
	ProvisioningState resource.State   `json:"provisioningState"`
	Sku               workspaceSku     `json:"sku"`
	Retention         int              `json:"retentionInDays"`
	Features          map[string]any   `json:"features"`
	Capping           workspaceCapping `json:"workspaceCapping"`
	NetworkIngestion  string           `json:"publicNetworkAccessForIngestion"`
	NetworkQuery      string           `json:"publicNetworkAccessForQuery"`
	ForceCMK          bool             `json:"forceCmkForQuery,omitempty"`
	DefaultRule       string           `json:"defaultDataCollectionRuleResourceId,omitempty"`
	Created           string           `json:"createdDate"`
	Modified          string           `json:"modifiedDate"`
}

type workspaceSku struct {
	Name          string `json:"name"`
	LastSkuUpdate string `json:"lastSkuUpdate"`
}

type workspaceCapping struct {
	Quota  float64 `json:"dailyQuotaGb"`
	Resets string  `json:"quotaNextResetTime,omitempty"`
	Status string  `json:"dataIngestionStatus"`
}

func (s *server) viewCapping(v control.Workspace) workspaceCapping {
	c := workspaceCapping{Quota: v.DailyQuota, Status: dailycap.Respected}
	if s.Caps != nil {
		c.Status = s.Caps.State(v)
	}
	if v.DailyQuota >= 0 {
		c.Resets = stamp(dailycap.Resets())
	}
	return c
}

func (s *server) viewWorkspace(v control.Workspace) workspaceView {
	features := maps.Clone(v.Features)
	if features == nil {
		features = map[string]any{}
	}
	if v.Link != nil && !v.Link.Since.IsZero() {
		features["clusterResourceId"] = v.Link.Cluster.String() // its absence means: not linked
	}
	return workspaceView{ID: v.ID.String(), Name: v.ID.Name(), Type: v.ID.Type(), Location: v.Location, Tags: v.Tags, Identity: viewWorkspaceIdentity(v), ETag: `"` + string(v.ETag) + `"`,
		Properties: workspaceProperties{CustomerID: string(v.CustomerID), ProvisioningState: v.State, Sku: workspaceSku{v.Sku, stamp(v.LastSku)},
			Retention: v.Retention, Features: features, Capping: s.viewCapping(v),
			NetworkIngestion: v.NetworkIngestion, NetworkQuery: v.NetworkQuery, ForceCMK: v.ForceCMK, DefaultRule: v.DefaultRule,
			Created: stamp(v.Created), Modified: stamp(v.Modified)}}
}

func (s *server) writeWorkspaces(w http.ResponseWriter, r *http.Request, all []control.Workspace) error {
	views := make([]workspaceView, len(all))
	for i, v := range all {
		views[i] = s.viewWorkspace(v)
	}
	return writePage(s, w, r, whole, views, func(v workspaceView) string { return v.ID })
}

func (s *server) listWorkspaces(w http.ResponseWriter, r *http.Request) error {
	scope, err := s.listScope(r)
	if err != nil {
		return err
	}
	all, err := s.Control.Workspaces(r.Context(), scope)
	if err != nil {
		return err
	}
	return s.writeWorkspaces(w, r, all)
}

func (s *server) listDeletedWorkspaces(w http.ResponseWriter, r *http.Request) error {
	scope := resource.SubscriptionID(r.PathValue("subscription"))
	if r.PathValue("group") != "" {
		scope = groupOf(r) // may be gone, while its workspaces can still be recovered
	}
	all, err := s.Control.DeletedWorkspaces(r.Context(), scope)
	if err != nil {
		return err
	}
	return s.writeWorkspaces(w, r, all)
}

func (s *server) getWorkspace(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	v, err := s.Control.Workspace(r.Context(), id)
	if err != nil {
		return err
	}
	etagged(w, v.ETag)
	return writeJSON(w, http.StatusOK, s.viewWorkspace(v))
}

func (s *server) putWorkspace(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	var body workspaceBody
	if err := decode(r, &body); err != nil {
		return err
	}
	ch := body.change()
	if err := s.allowAssigning(r, ch.Identity); err != nil {
		return err
	}
	v, o, created, err := s.Control.PutWorkspace(r.Context(), id, callerOf(r).ObjectID, ch)
	if err != nil {
		return err
	}
	if !created {
		return writeJSON(w, http.StatusOK, s.viewWorkspace(v))
	}
	over, err := s.settled(r, o)
	if err != nil {
		return err
	}
	if !over {
		return begun(w, r, o, s.viewWorkspace(v))
	}
	if v, err = s.Control.Workspace(r.Context(), id); err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, s.viewWorkspace(v))
}

func (s *server) patchWorkspace(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	var body workspaceBody
	if err := decode(r, &body); err != nil {
		return err
	}
	ch := body.change()
	if err := s.allowAssigning(r, ch.Identity); err != nil {
		return err
	}
	v, err := s.Control.PatchWorkspace(r.Context(), id, ch)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, s.viewWorkspace(v))
}

func (s *server) deleteWorkspace(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	if strings.EqualFold(option(r, "force"), "true") {
		o, found, err := s.Control.DeleteWorkspace(r.Context(), id, callerOf(r).ObjectID)
		if err != nil {
			return err
		}
		return s.deleted(w, r, o, found)
	}
	found, err := s.Control.SoftDeleteWorkspace(r.Context(), id)
	if err != nil {
		return err
	}
	return gone(w, found)
}

// gone answers a deletion that is over.
func gone(w http.ResponseWriter, found bool) error {
	if found {
		w.WriteHeader(http.StatusOK)
	} else {
		w.WriteHeader(http.StatusNoContent)
	}
	return nil
}

type linkView struct {
	ID         string        `json:"id"`
	Name       string        `json:"name"` // {workspace}/cluster
	Type       resource.Type `json:"type"`
	Properties struct {
		Cluster           string         `json:"writeAccessResourceId,omitempty"`
		ProvisioningState resource.State `json:"provisioningState"`
	} `json:"properties"`
}

func viewLink(v control.Workspace) linkView {
	l := linkView{ID: v.ID.Child("linkedServices", "cluster").String(), Name: v.ID.Name() + "/cluster", Type: resource.LinkedService}
	l.Properties.Cluster, l.Properties.ProvisioningState = v.Link.Cluster.String(), v.Link.State
	return l
}

func notLinked(v control.Workspace) error {
	return fault.New(fault.LinkedServiceNotFound, "The workspace '%s' is not linked to a cluster. Link it with PUT {workspace}/linkedServices/cluster.", v.ID.Name())
}

// linked is the workspace in the path. The one service that can be linked is a
// cluster.
func (s *server) linked(r *http.Request) (control.Workspace, error) {
	id, err := idOf(r)
	if err != nil {
		return control.Workspace{}, err
	}
	v, err := s.Control.Workspace(r.Context(), id.Parent())
	if name := r.PathValue("link"); err == nil && !strings.EqualFold(name, "cluster") {
		if r.Method == http.MethodPut {
			return v, fault.New(fault.InvalidParameter, "The linked service '%.60s' is not supported; only 'cluster' can be linked.", name)
		}
		return v, fault.New(fault.LinkedServiceNotFound, "The workspace '%s' has no linked service '%.60s'.", v.ID.Name(), name)
	}
	return v, err
}

func (s *server) listLinks(w http.ResponseWriter, r *http.Request) error {
	id, err := holderOf(r)
	if err != nil {
		return err
	}
	v, err := s.Control.Workspace(r.Context(), id)
	if err != nil {
		return err
	}
	var views []linkView
	if v.Link != nil {
		views = append(views, viewLink(v))
	}
	return writeJSON(w, http.StatusOK, page(views))
}

func (s *server) getLink(w http.ResponseWriter, r *http.Request) error {
	v, err := s.linked(r)
	if err == nil && v.Link == nil {
		err = notLinked(v)
	}
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, viewLink(v))
}

func (s *server) putLink(w http.ResponseWriter, r *http.Request) error {
	v, err := s.linked(r)
	if err != nil {
		return err
	}
	var body struct {
		Properties struct {
			Cluster string `json:"writeAccessResourceId"` // any casing: encoding/json folds names
		} `json:"properties"`
	}
	if err := decode(r, &body); err != nil {
		return err
	}
	if err := s.allow(r, "Microsoft.OperationalInsights/workspaces/write", false, v.ID); err != nil {
		return err
	}
	if id, err := resource.Parse(body.Properties.Cluster); err == nil && id.Type().Equal(resource.Cluster) {
		if err := s.allow(r, "Microsoft.OperationalInsights/clusters/write", false, id); err != nil {
			return err
		}
	}
	v, o, err := s.Control.LinkWorkspace(r.Context(), v.ID, body.Properties.Cluster, callerOf(r).ObjectID)
	if err != nil {
		return err
	}
	if o.ID == "" {
		return writeJSON(w, http.StatusOK, viewLink(v))
	}
	return begun(w, r, o, viewLink(v))
}

func (s *server) deleteLink(w http.ResponseWriter, r *http.Request) error {
	v, err := s.linked(r)
	if err != nil {
		return err
	}
	v, o, found, err := s.Control.UnlinkWorkspace(r.Context(), v.ID, callerOf(r).ObjectID)
	if err != nil {
		return err
	}
	if !found {
		// az prints what comes back, and falls over a 204, which has nothing.
		gone := linkView{ID: v.ID.Child("linkedServices", "cluster").String(), Name: v.ID.Name() + "/cluster", Type: resource.LinkedService}
		gone.Properties.ProvisioningState = resource.Succeeded
		return writeJSON(w, http.StatusOK, gone)
	}
	return begun(w, r, o, viewLink(v))
}
