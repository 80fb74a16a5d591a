package api

import (
	"fmt"
	"net/http"
	"strings"

	"logkeep/internal/fault"
)

// armDialect is how ARM, and whatever has no dialect of its own, tells faults.
var armDialect = dialect{
	body: armBody,
	unknown: func(path []string) error {
		for i, p := range path {
			if strings.EqualFold(p, "providers") && i+2 < len(path) {
				if _, known := namespace(path[i+1]); !known {
					return noNamespace(path[i+1])
				}
				return fault.New(fault.InvalidResourceType, "The resource type '%s' could not be found in the namespace '%s' for this request. See GET /subscriptions/{id}/providers for what is served.", path[i+2], path[i+1])
			}
		}
		return fault.New(fault.NotFound, "Nothing is served at this path. Resource ids are of the form /subscriptions/{id}/resourceGroups/{name}/providers/{namespace}/{type}/{name}.")
	},
	challenge: func(r *http.Request) string {
		return `Bearer authorization_uri="` + base(r) + `/adfs", error="invalid_token", error_description="Get a token for this service."`
	},
}

// ingestDialect: a key that is denied makes shippers keep their data and try
// again (decisions 4), so here it is 503 and not 403.
var ingestDialect = dialect{
	status: map[fault.Code]int{fault.CustomerManagedKeyRevoked: http.StatusServiceUnavailable},
	retry:  map[fault.Code]int{fault.CustomerManagedKeyRevoked: 5, fault.CustomerManagedKeyDamaged: 5},
	body:   armBody,
	unknown: func([]string) error {
		return fault.New(fault.NotFound, "Nothing is served at this path. Send rows to POST /dataCollectionRules/{immutableId}/streams/{stream}?api-version=2023-01-01.")
	},
	challenge: armDialect.challenge,
}

// queryDialect: bad tokens are 403 as the query API documents, and the body
// has a correlation id.
var queryDialect = dialect{
	unversioned: true,
	status: map[fault.Code]int{
		fault.InvalidAuthenticationToken:         http.StatusForbidden,
		fault.ExpiredAuthenticationToken:         http.StatusForbidden,
		fault.InvalidAuthenticationTokenAudience: http.StatusForbidden,
		fault.InvalidAuthenticationTokenTenant:   http.StatusForbidden,
	},
	body: func(f *fault.Error, correlation string) any {
		return map[string]any{"error": queryError(f, correlation)}
	},
	unknown: func([]string) error {
		return fault.New(fault.PathNotFound, "The requested path does not exist. Queries go to POST /v1/workspaces/{customerId}/query.")
	},
	challenge: armDialect.challenge,
}

// kustoDialect tells faults as a Kusto service does: what is wrong stands in
// "@message", and a request that can't be answered later either is permanent.
var kustoDialect = dialect{
	unversioned: true,
	status:      map[fault.Code]int{fault.PathNotFound: http.StatusBadRequest},
	body: func(f *fault.Error, correlation string) any {
		status, retry := f.Status(), f.RetryAfter()
		code, kind := "General_BadRequest", "Kusto.Data.Exceptions.KustoBadRequestException"
		switch {
		case f.Code == fault.PathNotFound:
			code, kind = "BadRequest_EntityNotFound", "Kusto.Data.Exceptions.EntityNotFoundException"
		case f.Code == fault.QueryLimitsExceeded:
			code, kind = "LimitsExceeded", "Kusto.Data.Exceptions.KustoServicePartialQueryFailureLimitsExceededException"
		case f.Code == fault.QueryTimeout:
			code, kind = "Timeout", "Kusto.Data.Exceptions.KustoServiceTimeoutException"
		case status == http.StatusUnauthorized || status == http.StatusForbidden:
			code, kind = "Forbidden", "Kusto.Data.Exceptions.KustoRequestDeniedException"
		case status == http.StatusTooManyRequests:
			code, kind = "TooManyRequests", "Kusto.Data.Exceptions.KustoRequestThrottledException"
		case status >= http.StatusInternalServerError:
			code, kind = string(f.Code), "Kusto.Data.Exceptions.KustoServiceException"
		}
		short, message := f.Message, f.Message
		if inner := f.Inner; inner != nil {
			for inner.Inner != nil {
				inner = inner.Inner
			}
			message = string(inner.Code) + ": " + inner.Message
			if p := inner.Place; p != nil {
				short = "Request is invalid and cannot be executed."
				message = "Semantic error: " + message
				kind = "Kusto.Data.Exceptions.SemanticException"
				if strings.HasPrefix(string(inner.Code), "SYN") {
					message = "Syntax error: " + strings.TrimPrefix(message, "Semantic error: ")
					kind = "Kusto.Data.Exceptions.SyntaxException"
				}
				message += fmt.Sprintf(" [line:position=%d:%d]", p.Line, p.Pos)
			}
		}
		return map[string]any{"error": map[string]any{
			"code": code, "message": short, "@type": kind, "@message": message, "@permanent": status < 500 && retry == 0,
			"@context":   map[string]any{"activityId": correlation, "clientRequestId": correlation},
			"innererror": f.Inner, "details": f.Details,
		}}
	},
	unknown: func([]string) error {
		return fault.New(fault.NotFound, "Nothing is served at this path. Queries go to POST /v2/rest/query, commands to POST /v1/rest/mgmt.")
	},
	challenge: func(r *http.Request) string {
		return `Bearer authorization_uri="` + base(r) + `/adfs"`
	},
}

// A queryFault is an error object of the query API.
type queryFault struct {
	Message       string         `json:"message"`
	Code          fault.Code     `json:"code"`
	CorrelationID string         `json:"correlationId"`
	Details       []*fault.Error `json:"details,omitempty"`
	Inner         *fault.Error   `json:"innererror,omitempty"`
}

func queryError(f *fault.Error, correlation string) queryFault {
	return queryFault{f.Message, f.Code, correlation, f.Details, f.Inner}
}
