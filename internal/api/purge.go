package api

import (
	"net/http"
	"net/url"
	"strings"

	"logkeep/internal/control"
	"logkeep/internal/purge"
)

func (s *server) purgeRoutes() []route {
	const one = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.OperationalInsights/workspaces/{workspace}"
	return []route{
		{method: "POST", pattern: one + "/purge", action: "Microsoft.OperationalInsights/workspaces/purge/action", handle: s.postPurge},
		{method: "GET", pattern: one + "/operations/{purge}", action: "Microsoft.OperationalInsights/workspaces/operations/read", handle: s.getPurge},
	}
}

type purgeBody struct {
	Table   string         `json:"table"`
	Filters []purge.Filter `json:"filters"`
}

// purgeName is how the operation of a purge is called on the wire.
const purgeName = "purge-"

func (s *server) postPurge(w http.ResponseWriter, r *http.Request) error {
	id, err := holderOf(r)
	if err != nil {
		return err
	}
	var body purgeBody
	if err := decode(r, &body); err != nil {
		return err
	}
	o, err := s.Control.BeginPurge(r.Context(), id, callerOf(r).ObjectID, body.Table, body.Filters)
	if err != nil {
		return err
	}
	w.Header().Set("x-ms-status-location", base(r)+id.String()+"/operations/"+purgeName+o.ID+"?api-version="+url.QueryEscape(versionOf(r.URL.Query())))
	return writeJSON(w, http.StatusAccepted, map[string]string{"operationId": purgeName + o.ID})
}

func (s *server) getPurge(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r)
	if err != nil {
		return err
	}
	o, err := s.Control.PurgeStatus(r.Context(), id.Parent(), strings.TrimPrefix(r.PathValue("purge"), purgeName))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]string{"status": purgeState(o)})
}

// purgeState is a purge's state in the words of the wire. One that fails has
// nothing left to work on: its table or workspace was deleted.
func purgeState(o control.Operation) string {
	if o.Over() {
		return "completed"
	}
	return "pending"
}
