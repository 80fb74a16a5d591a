package server

import (
	"context"
	"crypto/x509"
	"errors"
	"io"

	"logkeep/internal/api"
	"logkeep/internal/ingest"
	"logkeep/internal/outside"
	"logkeep/internal/query"
	"logkeep/internal/worker/wire"
)

// ingester and querier put the faces' requests into the services' words.
type ingester struct{ *ingest.Service }

// Ingest implements api.Ingester.
func (i ingester) Ingest(ctx context.Context, q api.IngestRequest) error {
	return i.Service.Ingest(ctx, ingest.Request{Rule: q.Rule, Stream: q.Stream, Encoding: q.Encoding, Length: max(q.Length, 0), Body: q.Body})
}

// Collect implements api.Collector.
func (i ingester) Collect(ctx context.Context, q api.CollectRequest) error {
	return i.Service.Collect(ctx, ingest.Collection{Workspace: q.Workspace, Table: q.Table, TimeField: q.TimeField, Resource: q.Resource, Body: q.Body})
}

// files is what externaldata may read; nil if no host is allowed.
func (c *Config) files() (query.Outside, error) {
	if len(c.External) == 0 {
		return nil, nil
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if len(c.ExternalRoots) > 0 && !roots.AppendCertsFromPEM(c.ExternalRoots) {
		return nil, errors.New("externaldata-roots holds no certificate in PEM form")
	}
	return outside.New(outside.Config{Hosts: c.External, Roots: roots}), nil
}

type querier struct{ *query.Service }

// Query implements api.Querier.
func (s querier) Query(ctx context.Context, q api.QueryRequest) (io.ReadCloser, error) {
	return s.Service.Query(ctx, query.Request{
		Workspaces: q.Workspaces, Text: q.Text, Now: q.Now, From: q.From, To: q.To, Statistics: q.Statistics, Render: q.Render,
		Form: wire.Form(q.Form), Parameters: q.Parameters, MayRead: q.MayRead,
	})
}
