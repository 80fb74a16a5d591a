package api

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"

	"logkeep/internal/control"
	"logkeep/internal/dailycap"
	"logkeep/internal/resource"
)

// What clients ask about a workspace beside the workspace itself: which columns
// there are, what may be bought, what was used. Of what does not exist here (agents'
// management groups, solutions, workspaces of an older portal) there is none, and
// the lists are empty. The shapes are those of the published descriptions, 2020-08-01.
func (s *server) workspaceAboutRoutes() []route {
	const (
		ns  = "/providers/Microsoft.OperationalInsights"
		sub = "/subscriptions/{subscription}"
		one = sub + "/resourceGroups/{group}" + ns + "/workspaces/{name}"
		act = "Microsoft.OperationalInsights/workspaces"
	)
	return []route{
		{method: "POST", pattern: one + "/schema", action: act + "/schema/read", handle: s.workspaceColumns},
		{method: "GET", pattern: one + "/usages", action: act + "/usages/read", handle: ofHolder(s.Control.Workspace, s.workspaceUsages)},
		{method: "GET", pattern: one + "/managementGroups", action: act + "/managementgroups/read", handle: s.nothingOf(map[string]any{"value": []any{}})},
		{method: "GET", pattern: one + "/availableServiceTiers", action: act + "/availableservicetiers/read", handle: ofHolder(s.Control.Workspace, serviceTiers)},
		{method: "GET", pattern: one + "/intelligencePacks", action: act + "/intelligencepacks/read", handle: s.nothingOf([]any{})},
		{method: "GET", pattern: sub + ns + "/linkTargets", action: "Microsoft.OperationalInsights/linktargets/read", handle: func(w http.ResponseWriter, r *http.Request) error {
			return writeJSON(w, http.StatusOK, []any{})
		}},
	}
}

// nothingOf answers what a workspace, if there is one, has none of.
func (s *server) nothingOf(empty any) handler {
	return ofHolder(s.Control.Workspace, func(context.Context, control.Workspace) (any, error) { return empty, nil })
}

type schemaView struct {
	Metadata struct {
		ResultType string `json:"resultType"`
		RequestID  string `json:"requestId"`
		Total      int    `json:"total"`
	} `json:"metadata"`
	Value []schemaValueView `json:"value"`
}

type schemaValueView struct {
	Name        string   `json:"name"`
	DisplayName string   `json:"displayName"`
	Type        string   `json:"type"`
	Indexed     bool     `json:"indexed"`
	Stored      bool     `json:"stored"`
	Facet       bool     `json:"facet"`
	OwnerType   []string `json:"ownerType"` // tables that have it
}

// workspaceColumns lists the columns of the tables that have rows or were made,
// by name and type.
func (s *server) workspaceColumns(w http.ResponseWriter, r *http.Request) error {
	id, err := holderOf(r)
	if err != nil {
		return err
	}
	tables, err := s.Control.Tables(r.Context(), id)
	if err != nil {
		return err
	}
	found := map[[2]string]*schemaValueView{}
	for _, t := range tables {
		for _, c := range t.Schema().Columns {
			key := [2]string{c.Name, c.Type.String()}
			if found[key] == nil {
				found[key] = &schemaValueView{Name: c.Name, DisplayName: c.Name, Type: c.Type.String(), Indexed: true, Stored: true}
			}
			found[key].OwnerType = append(found[key].OwnerType, string(t.Name()))
		}
	}
	v := schemaView{Value: []schemaValueView{}}
	v.Metadata.ResultType, v.Metadata.RequestID = "schema", w.Header().Get("x-ms-request-id")
	for _, key := range slices.SortedFunc(maps.Keys(found), func(a, b [2]string) int { return strings.Compare(a[0]+"\x00"+a[1], b[0]+"\x00"+b[1]) }) {
		slices.Sort(found[key].OwnerType)
		v.Value = append(v.Value, *found[key])
	}
	v.Metadata.Total = len(v.Value)
	return writeJSON(w, http.StatusOK, v)
}

type usageView struct {
	Name struct {
		Value     string `json:"value"`
		Localized string `json:"localizedValue"`
	} `json:"name"`
	Unit    string  `json:"unit"`
	Current float64 `json:"currentValue"`
	Limit   float64 `json:"limit"` // -1: none
	Reset   string  `json:"nextResetTime"`
	Period  string  `json:"quotaPeriod"`
}

// workspaceUsages tells what was taken in today, and the daily cap.
func (s *server) workspaceUsages(_ context.Context, of control.Workspace) (any, error) {
	u := usageView{Unit: "Bytes", Limit: -1, Reset: stamp(dailycap.Resets()), Period: "P1D"}
	u.Name.Value, u.Name.Localized = "DataAnalyzed", "Data Analyzed"
	if of.DailyQuota >= 0 {
		u.Limit = of.DailyQuota * 1e9
	}
	if s.Caps != nil {
		u.Current = float64(s.Caps.Used(of))
	}
	return map[string]any{"value": []usageView{u}}, nil
}

type tierView struct {
	Tier     string  `json:"serviceTier"`
	Enabled  bool    `json:"enabled"`
	Minimum  int     `json:"minimumRetention"`
	Maximum  int     `json:"maximumRetention"`
	Default  int     `json:"defaultRetention"`
	Capacity *int    `json:"capacityReservationLevel,omitempty"`
	Updated  *string `json:"lastSkuUpdate,omitempty"`
}

// serviceTiers lists the skus that a workspace can have, with their retention in days.
func serviceTiers(_ context.Context, v control.Workspace) (any, error) {
	linked := v.Link != nil && v.Link.State == resource.Succeeded
	return []tierView{
		{Tier: "PerGB2018", Enabled: !linked, Minimum: 4, Maximum: 730, Default: 30},
		{Tier: "LACluster", Enabled: linked, Minimum: 4, Maximum: 730, Default: 30},
	}, nil
}
