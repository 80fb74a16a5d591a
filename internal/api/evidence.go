package api

import (
	"context"
	"net/http"

	"logkeep/internal/control"
	"logkeep/internal/resource"
)

// evidenceRoutes are extensions of clusters: what their keys are needed for.
func (s *server) evidenceRoutes() []route {
	const (
		one  = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.OperationalInsights/clusters/{name}"
		read = "Microsoft.OperationalInsights/clusters/read"
	)
	return []route{
		{method: "GET", pattern: one + "/keyCensus", action: read, handle: ofCluster(s, s.Evidence.Census)},
		{method: "GET", pattern: one + "/keyEvents", action: read, handle: ofCluster(s, s.Evidence.KeyEvents)},
		{method: "GET", pattern: one + "/coverage", action: read, handle: ofCluster(s, s.Evidence.Coverage)},
	}
}

// ofCluster answers with what f tells of the cluster that the path is below.
func ofCluster[T any](s *server, f func(context.Context, control.Cluster) (T, error)) handler {
	return ofHolder(s.Control.Cluster, f)
}

// ofHolder answers with what f tells of the resource that the path is below, which
// find reads.
func ofHolder[R, T any](find func(context.Context, resource.ID) (R, error), f func(context.Context, R) (T, error)) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		id, err := holderOf(r)
		if err != nil {
			return err
		}
		of, err := find(r.Context(), id)
		if err != nil {
			return err
		}
		v, err := f(r.Context(), of)
		if err != nil {
			return err
		}
		return writeJSON(w, http.StatusOK, v)
	}
}
