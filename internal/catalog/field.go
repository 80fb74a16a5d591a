package catalog

import (
	"context"
	"fmt"
)

// A Field is a member of bodies that resources are found by. Each has an index.
type Field string

// The fields, as paths in a body.
const (
	Label       Field = "$.label"        // of collection endpoints and rules: the first label of a host
	ImmutableID Field = "$.immutableId"  // of collection endpoints and rules
	CustomerID  Field = "$.customerId"   // of workspaces
	ClusterID   Field = "$.clusterId"    // of clusters
	LinkedTo    Field = "$.link.cluster" // of workspaces: the resource id of their cluster
)

// Find returns the living resources whose field has the value, compared without
// regard to case, in the order of their ids.
func (r Records) Find(ctx context.Context, f Field, value string) ([]Resource, error) {
	if r.tx != nil {
		return r.search(ctx, f, value)
	}
	what := string(f) + "\x00" + value
	all, ok, now := r.cat.recent.search(what)
	if ok {
		return all, ctx.Err()
	}
	all, err := r.search(ctx, f, value)
	if err == nil {
		r.cat.recent.keepFound(what, all, now)
	}
	return all, err
}

func (r Records) search(ctx context.Context, f Field, value string) ([]Resource, error) {
	// Written as the index is; a Field is one of ours, never what a caller says.
	in := "json_extract(body, '" + string(f) + "')"
	all, err := query(ctx, r.read(), scanResource, selectResource+"WHERE "+in+" IS NOT NULL AND lower("+in+") = lower(?) AND deleted IS NULL ORDER BY key", value)
	if err != nil {
		return nil, fmt.Errorf("find resources by %s: %w", f, err)
	}
	return all, nil
}
