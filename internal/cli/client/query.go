package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	query "github.com/Azure/azure-sdk-for-go/sdk/monitor/query/azlogs"
)

// A Result is the first table of a query's answer, with the others behind it.
// Values are JSON as the server wrote it: a long keeps all its digits, which the
// SDK's own rows lose.
type Result struct {
	Name    string              `json:"name"`
	Columns []ResultColumn      `json:"columns"`
	Rows    [][]json.RawMessage `json:"rows"`
	More    []Result            `json:"-"` // of fork, facet, and texts with several queries
}

// A PartialError says that rows are missing at the end of a result.
type PartialError struct{ Why string }

func (e *PartialError) Error() string { return "the answer is not whole: " + e.Why }

// A ResultColumn has a name and a type of the query language.
type ResultColumn struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// RunQuery runs KQL over a workspace, given by its customer id. A timespan such
// as P1D or start/end narrows it; "" does not. Others are workspaces whose
// tables are read along. With a *PartialError comes what there is.
func (s *Server) RunQuery(ctx context.Context, customerID, kql, timespan string, others ...string) (Result, error) {
	result, _, err := s.runQuery(ctx, customerID, kql, timespan, nil, others...)
	return result, err
}

// Explain runs KQL as RunQuery does, and tells what it took.
func (s *Server) Explain(ctx context.Context, customerID, kql, timespan string) (Result, Statistics, error) {
	return s.runQuery(ctx, customerID, kql, timespan, &query.QueryWorkspaceOptions{Options: &query.QueryOptions{Statistics: to.Ptr(true)}})
}

// Statistics are what a query took: seconds, and what of the storage it read.
type Statistics struct {
	ExecutionTime float64 `json:"executionTime"`
	CompileTime   float64 `json:"compileTime"`
	OpenTime      float64 `json:"openTime"`
	Storage       struct {
		Segments      int   `json:"segments"`
		RowGroups     int   `json:"rowGroups"`
		RowGroupsRead int   `json:"rowGroupsRead"`
		SealedBytes   int64 `json:"sealedBytes"`
		OpenedBytes   int64 `json:"openedBytes"`
		SiftedRows    int64 `json:"siftedRows"`
		KeptRows      int64 `json:"keptRows"`
		WeighedRows   int64 `json:"weighedRows"`
		WeightedRows  int64 `json:"weightedRows"`
		TailRows      int64 `json:"tailRows"`
	} `json:"storage"`
}

func (s *Server) runQuery(ctx context.Context, customerID, kql, timespan string, options *query.QueryWorkspaceOptions, others ...string) (r Result, spent Statistics, err error) {
	client, err := s.Logs()
	if err != nil {
		return r, spent, err
	}
	body := query.QueryBody{Query: &kql, AdditionalWorkspaces: others}
	if timespan != "" {
		body.Timespan = to.Ptr(query.TimeInterval(timespan))
	}
	var response *http.Response
	answer, err := client.QueryWorkspace(policy.WithCaptureResponse(ctx, &response), customerID, body, options)
	if err != nil {
		return r, spent, err
	}
	raw, err := runtime.Payload(response)
	if err != nil {
		return r, spent, err
	}
	var whole struct {
		Tables     []Result   `json:"tables"`
		Error      wholeError `json:"error"`
		Statistics struct {
			Query Statistics `json:"query"`
		} `json:"statistics"`
	}
	if err := json.NewDecoder(bytes.NewReader(raw)).Decode(&whole); err != nil {
		return r, spent, fmt.Errorf("the server's answer to a query: %w", err)
	}
	if len(whole.Tables) > 0 {
		r, r.More = whole.Tables[0], whole.Tables[1:]
	}
	if answer.Error != nil {
		err = &PartialError{innermost(whole.Error)}
	}
	return r, whole.Statistics.Query, err
}

// innermost is the message of an error that says most.
func innermost(e wholeError) string {
	for {
		switch {
		case e.Inner != nil:
			e = *e.Inner
		case len(e.Details) > 0:
			e = e.Details[0]
		default:
			return e.Message
		}
	}
}

// wholeError is the error beside the tables of an answer.
type wholeError struct {
	Message string       `json:"message"`
	Details []wholeError `json:"details"`
	Inner   *wholeError  `json:"innererror"`
}

// Count runs a query that ends in `| count`.
func (s *Server) Count(ctx context.Context, customerID, kql string) (int, error) {
	result, err := s.RunQuery(ctx, customerID, kql, "")
	if err != nil {
		return 0, err
	}
	if len(result.Rows) != 1 || len(result.Rows[0]) != 1 {
		return 0, fmt.Errorf("%q gave %d rows, not one number", kql, len(result.Rows))
	}
	n, err := strconv.Atoi(string(result.Rows[0][0]))
	if err != nil {
		return 0, fmt.Errorf("%q gave %s, not a number", kql, result.Rows[0][0])
	}
	return n, nil
}
