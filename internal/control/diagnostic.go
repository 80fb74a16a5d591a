package control

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync"
	"time"

	"logkeep/internal/catalog"
	"logkeep/internal/fault"
	"logkeep/internal/resource"
	"logkeep/internal/schema"
)

// A Diagnostic is a diagnostic setting of a vault: its audit records become
// rows of a workspace (docs/design/0034).
type Diagnostic struct {
	ID resource.ID `json:"-"` // {vault}/providers/Microsoft.Insights/diagnosticSettings/{name}

	Workspace resource.ID     `json:"workspace"`
	Dedicated bool            `json:"dedicated,omitempty"` // rows of AZKVAuditLogs, else of AzureDiagnostics
	Logs      []DiagnosticLog `json:"logs"`
	Since     time.Time       `json:"since"` // when it was made: older records stay where they are
}

// A DiagnosticLog is a category of records, or a group of categories.
type DiagnosticLog struct {
	Category string `json:"category,omitempty"`
	Group    string `json:"group,omitempty"`
	Enabled  bool   `json:"enabled"`
}

// The categories of a vault's records, and the groups of them.
const (
	AuditEvent    = "AuditEvent"
	PolicyDetails = "AzurePolicyEvaluationDetails" // of policies, which there are none of here
	AuditGroup    = "audit"
	AllLogsGroup  = "allLogs"
)

// Vault is whose records they are.
func (d Diagnostic) Vault() resource.ID { return d.ID.Parent() }

// Audits tells whether audit records are taken.
func (d Diagnostic) Audits() bool {
	for _, l := range d.Logs {
		if l.Enabled && (l.Category == AuditEvent || l.Group != "") {
			return true
		}
	}
	return false
}

func diagnosticOf(res catalog.Resource) (Diagnostic, error) {
	var d Diagnostic
	if err := decode(res, &d); err != nil {
		return Diagnostic{}, err
	}
	id, err := idOf(res)
	d.ID = id
	return d, err
}

// Diagnostic returns a diagnostic setting.
func (s *Service) Diagnostic(ctx context.Context, id resource.ID) (Diagnostic, error) {
	return diagnostic(ctx, s.cat.Records, id)
}

func diagnostic(ctx context.Context, r catalog.Records, id resource.ID) (Diagnostic, error) {
	res, err := r.Get(ctx, id.String())
	if errors.Is(err, catalog.ErrNotFound) {
		return Diagnostic{}, fault.New(fault.ResourceNotFound, "The resource '%s' has no diagnostic setting '%s'.", id.Parent(), id.Name())
	}
	if err != nil {
		return Diagnostic{}, err
	}
	return diagnosticOf(res)
}

// Diagnostics returns the diagnostic settings within a scope, in the order of
// their ids; the root's are all.
func (s *Service) Diagnostics(ctx context.Context, scope resource.ID) ([]Diagnostic, error) {
	return list(ctx, s.cat.Records, scope, resource.Diagnostic, diagnosticOf)
}

// maxDiagnostics is the most settings that a resource has, as documented.
const maxDiagnostics = 5

var diagnosticName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[^<>*%&:\\?+/\x00-\x1f]{1,260}$`) })

// PutDiagnostic makes or replaces a setting. That its vault is there, and that
// the caller may use the workspace, was checked.
func (s *Service) PutDiagnostic(ctx context.Context, d Diagnostic) (_ Diagnostic, err error) {
	if !diagnosticName().MatchString(d.ID.Name()) {
		return d, fault.New(fault.InvalidResourceName, "The name '%.80s' of a diagnostic setting isn't valid. It has 1 to 260 characters and none of < > * %% & : \\ ? + /.", d.ID.Name()).WithTarget("name")
	}
	if !d.Workspace.Type().Equal(resource.Workspace) {
		return d, fault.New(fault.BadRequest, "properties.workspaceId is required: the resource id of a workspace. This server sends records to no storage account, event hub or partner.").WithTarget("properties.workspaceId")
	}
	for i, l := range d.Logs {
		if d.Logs[i], err = l.known(); err != nil {
			return d, err
		}
	}
	err = s.cat.Tx(ctx, func(tx *catalog.Tx) error {
		if _, err := s.workspace(ctx, tx.Records, d.Workspace); err != nil {
			return err
		}
		others, err := list(ctx, tx.Records, d.Vault(), resource.Diagnostic, diagnosticOf)
		if err != nil {
			return err
		}
		d.Since = time.Now().UTC()
		count := 1
		for _, o := range others {
			switch {
			case o.ID.Equal(d.ID):
				d.ID, d.Since = o.ID, o.Since
			case o.Workspace.Equal(d.Workspace) && o.Audits() && d.Audits():
				return fault.New(fault.Conflict, "Data sink '%s' is already used in diagnostic setting '%s' for category '%s'. Data sinks can't be reused in different settings on the same category for the same resource.", d.Workspace, o.ID.Name(), AuditEvent)
			default:
				count++
			}
		}
		if count > maxDiagnostics {
			return fault.New(fault.Conflict, "A resource can have %d diagnostic settings. Delete one, or change one.", maxDiagnostics)
		}
		res, err := record(d.ID, "", nil, d)
		if err != nil {
			return err
		}
		if res, err = tx.Put(ctx, res, catalog.Always()); err != nil {
			return err
		}
		d, err = diagnosticOf(res)
		return err
	})
	return d, err
}

// known gives category and group as they are documented.
func (l DiagnosticLog) known() (DiagnosticLog, error) {
	if (l.Category == "") == (l.Group == "") {
		return l, fault.New(fault.BadRequest, "Each of properties.logs has a category or a categoryGroup, and not both.").WithTarget("properties.logs")
	}
	for _, c := range [...]string{AuditEvent, PolicyDetails} {
		if strings.EqualFold(l.Category, c) {
			l.Category = c
			return l, nil
		}
	}
	for _, g := range [...]string{AuditGroup, AllLogsGroup} {
		if strings.EqualFold(l.Group, g) {
			l.Group = g
			return l, nil
		}
	}
	if l.Group != "" {
		return l, fault.New(fault.BadRequest, "Category group '%.80s' is not supported. A vault has %s and %s.", l.Group, AuditGroup, AllLogsGroup).WithTarget("properties.logs")
	}
	return l, fault.New(fault.BadRequest, "Category '%.80s' is not supported. A vault has %s and %s.", l.Category, AuditEvent, PolicyDetails).WithTarget("properties.logs")
}

// DeleteDiagnostic deletes a setting; its rows stay. found is false if there
// is none.
func (s *Service) DeleteDiagnostic(ctx context.Context, id resource.ID) (found bool, err error) {
	return s.remove(ctx, id, func(tx *catalog.Tx) error { return tx.ForgetAuditMark(ctx, id.String()) })
}

// KeepTable returns a table that the service itself fills, and makes it with
// the columns of t if there is none of its name.
func (s *Service) KeepTable(ctx context.Context, workspace resource.ID, t schema.Table) (kept Table, err error) {
	id := workspace.Child("tables", string(t.Name))
	err = s.cat.Tx(ctx, func(tx *catalog.Tx) error {
		if _, err := s.workspace(ctx, tx.Records, workspace); err != nil {
			return err
		}
		kept, err = s.table(ctx, tx.Records, id)
		if errors.Is(err, fault.TableNotFound) {
			kept = Table{ID: id, State: resource.Succeeded}
			for _, c := range t.Columns {
				kept.Columns = append(kept.Columns, Column{Name: c.Name, Type: c.Type})
			}
			err = nil
		}
		if err != nil {
			return err
		}
		kept, err = putTable(ctx, tx, kept)
		return err
	})
	return kept, err
}
