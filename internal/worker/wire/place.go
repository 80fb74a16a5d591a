package wire

import "logkeep/internal/schema"

// A Place is a workspace that a query may name, as in workspace("a").Table.
type Place struct {
	Names     []string           `json:"names"` // without regard to case
	Workspace schema.WorkspaceID `json:"workspace"`
	Tables    []schema.Table     `json:"tables"` // nil: those of the query
}

// A SavedFunction is what the worker reads of a saved search (control.SearchText).
type SavedFunction struct {
	Query      string `json:"query"`
	Alias      string `json:"functionAlias"`
	Parameters string `json:"functionParameters"`
}
