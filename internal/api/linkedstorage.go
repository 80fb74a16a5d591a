package api

import (
	"net/http"
	"slices"
	"strings"

	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
)

// Linked storage: storage accounts of one's own that keep saved queries and
// alerts. There are no storage accounts here, and nothing that needs one: saved
// searches are sealed under the workspace's own key (docs/design/0033). So
// nothing is ever linked, and who asks is answered as where the account is not
// fit; what else is wrong is told first, in Azure's words.

func (s *server) linkedStorageRoutes() []route {
	const (
		all  = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.OperationalInsights/workspaces/{workspace}/linkedStorageAccounts"
		one  = all + "/{source}"
		read = "Microsoft.OperationalInsights/workspaces/linkedStorageAccounts/read"
		put  = "Microsoft.OperationalInsights/workspaces/write" // behaviour 18.14
	)
	return []route{
		{method: "GET", pattern: all, action: read, handle: s.listLinkedStorage},
		{method: "GET", pattern: one, action: read, handle: s.getLinkedStorage},
		{method: "PUT", pattern: one, action: put, handle: s.putLinkedStorage},
		{method: "DELETE", pattern: one, action: put, handle: s.deleteLinkedStorage},
	}
}

// sources are what accounts can be linked for, as clients write them.
var sources = []string{"CustomLogs", "AzureWatson", "Query", "Ingestion", "Alerts"}

// linkedStorage is the workspace and the source in the path.
func (s *server) linkedStorage(r *http.Request) (v control.Workspace, source string, err error) {
	id, err := idOf(r)
	if err != nil {
		return v, "", err
	}
	if v, err = s.Control.Workspace(r.Context(), id.Parent()); err != nil {
		return v, "", err
	}
	i := slices.IndexFunc(sources, func(known string) bool { return strings.EqualFold(known, r.PathValue("source")) })
	if i < 0 {
		return v, "", fault.New(fault.InvalidParameter, "dataSourceType '%.60s' is unknown; use %s.", r.PathValue("source"), strings.Join(sources, ", ")).WithTarget("dataSourceType")
	}
	return v, sources[i], nil
}

func (s *server) listLinkedStorage(w http.ResponseWriter, r *http.Request) error {
	id, err := holderOf(r)
	if err != nil {
		return err
	}
	if _, err := s.Control.Workspace(r.Context(), id); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, page([]struct{}{}))
}

func (s *server) getLinkedStorage(w http.ResponseWriter, r *http.Request) error {
	v, source, err := s.linkedStorage(r)
	if err != nil {
		return err
	}
	return fault.New(fault.ResourceNotFound, "The workspace '%s' has no storage account linked for %s.", v.ID.Name(), source)
}

// deleteLinkedStorage answers 200 even where nothing was: clients refuse 204.
func (s *server) deleteLinkedStorage(w http.ResponseWriter, r *http.Request) error {
	if _, _, err := s.linkedStorage(r); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

func (s *server) putLinkedStorage(w http.ResponseWriter, r *http.Request) error {
	v, source, err := s.linkedStorage(r)
	if err != nil {
		return err
	}
	var body struct {
		Properties struct {
			Accounts []string `json:"storageAccountIds"`
		} `json:"properties"`
	}
	if err := decode(r, &body); err != nil {
		return err
	}
	accounts := body.Properties.Accounts
	if len(accounts) == 0 || len(accounts) > 5 {
		return fault.New(fault.InvalidParameter, "properties.storageAccountIds names 1 to 5 storage accounts, not %d.", len(accounts)).WithTarget("properties.storageAccountIds")
	}
	for _, text := range accounts {
		id, err := resource.Parse(text)
		if err != nil || !id.Type().Equal("Microsoft.Storage/storageAccounts") {
			return fault.New(fault.InvalidResourceID, "'%.200s' is not the id of a storage account: /subscriptions/…/resourceGroups/…/providers/Microsoft.Storage/storageAccounts/{name}.", text).WithTarget("properties.storageAccountIds")
		}
		if err := s.allow(r, "Microsoft.Storage/storageAccounts/write", false, id); err != nil {
			return err
		}
	}
	switch i := v.Identity.Type; {
	case source == "CustomLogs":
		return fault.New(fault.BadRequest, "Storage accounts can't be linked for CustomLogs: that ended on June 30, 2025. Custom logs are kept in the workspace.").WithTarget("dataSourceType")
	case (source == "Query" || source == "Alerts") && i != control.SystemAssigned && i != control.UserAssigned:
		return fault.New(fault.BadRequest, "The workspace '%s' has no managed identity; it needs one with the role Storage Table Data Contributor on the account before a storage account is linked for %s.", v.ID.Name(), source).WithTarget("identity")
	}
	return fault.Passed(http.StatusBadRequest, unfitAccounts, "Failed to upsert linked storage account due to invalid property storageAccountIds due to storage accounts ["+strings.Join(accounts, ", ")+
		"] which might be considered faulted due to mismatch between workspace region "+v.Location+" and some storage accounts regions, or due to the fact some of the listed storage accounts are not assigned as bypass for AzureService")
}

// unfitAccounts is a code as it was seen on Azure's wire (behaviour 18.4): the
// one that is no word.
const unfitAccounts fault.Code = "Bad Request"
