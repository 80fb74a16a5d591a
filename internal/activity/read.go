package activity

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"logkeep/internal/control"
	"logkeep/internal/fault"
	"logkeep/internal/schema"
	"logkeep/internal/worker/wire"
)

// A Question asks for events of a subscription, or of the tenant's root where
// Subscription is "".
type Question struct {
	Tenant       schema.TenantID
	Subscription string
	From, To     time.Time // both included
	Before       time.Time // only earlier events, for the next page; zero: all
	Most         int

	// What is "" is not asked for. Values are compared without regard to case.
	Group, Resource, Provider, Type, Correlation, Caller, Status string
}

// A Record is an event as it was kept.
type Record struct {
	ID          string
	Time        time.Time
	Level       string
	Operation   string
	OperationID string
	Correlation string
	Status      Status
	SubStatus   string // Created
	SubText     string // Created (HTTP Status Code: 201)
	Caller      string
	Group       string
	Resource    string
	Provider    string
	Request     map[string]string
	Claims      map[string]string
	Properties  map[string]string
}

// Events answers a question, newest event first. Everything that was told
// before is in the answer.
func (j *Journal) Events(ctx context.Context, q Question) ([]Record, error) {
	w := Workspace(q.Tenant, q.Subscription)
	if err := j.Ready(ctx, w); err != nil {
		return nil, err
	}
	rows, err := j.ask(ctx, w, q.text(), q.From, q.last(), q.Most)
	if err != nil {
		return nil, unavailable(err)
	}
	all := make([]Record, len(rows))
	for i, r := range rows {
		if all[i], err = r.record(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func unavailable(err error) error {
	return fault.New(fault.ServiceUnavailable, "The activity log can't be read now. Try again; if it stays, the operator finds the cause in the server's log.").WithRetryAfter(5).Because(err)
}

// last is the time of the latest event that is asked for.
func (q Question) last() time.Time {
	if q.Before.IsZero() || q.Before.After(q.To) {
		return q.To
	}
	return q.Before.Add(-100 * time.Nanosecond)
}

// text is the question in the query language.
func (q Question) text() string {
	var b strings.Builder
	b.WriteString(Table)
	for _, c := range [...]struct{ column, value string }{
		{"ResourceGroup", q.Group}, {"_ResourceId", strings.ToLower(q.Resource)}, {"ResourceProvider", q.Provider}, {"CorrelationId", q.Correlation},
		{"Caller", q.Caller}, {"ActivityStatus", q.Status},
	} {
		if c.value != "" {
			b.WriteString("\n| where " + c.column + " =~ " + quote(c.value))
		}
	}
	if q.Type != "" {
		b.WriteString("\n| where OperationName startswith " + quote(q.Type+"/"))
	}
	fmt.Fprintf(&b, "\n| sort by TimeGenerated desc | take %d\n| project %s", q.Most, strings.Join(wanted, ", "))
	return b.String()
}

// wanted are the columns that a record is made of.
var wanted = []string{
	"TimeGenerated", "Level", "OperationName", "OperationId", "ActivityStatus", "ActivitySubstatus", "ActivitySubstatusValue", "Caller", "CorrelationId",
	"EventDataId", "Claims", "HTTPRequest", "Properties", "ResourceGroup", "ResourceId", "ResourceProvider",
}

// quote writes a literal of the query language: nothing in it ends it.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c < ' ' || c == 0x7f || c == 0xfffd:
			b.WriteByte(' ')
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// ask runs a query over the rows of a place, from one time to another.
func (j *Journal) ask(ctx context.Context, w control.Workspace, text string, from, to time.Time, most int) ([]row, error) {
	answer, err := j.holder.Query(ctx, []control.Workspace{w}, wire.Query{
		Text: text, Now: schema.TicksOf(time.Now()), From: schema.TicksOf(from), To: schema.TicksOf(to), Tables: []schema.Table{Schema()},
		MaxRows: most, MaxBytes: 64 << 20,
	})
	if err != nil {
		return nil, err
	}
	defer answer.Close()
	return parse(answer)
}

// parse reads the answer of a query whose columns are the table's.
func parse(answer io.Reader) ([]row, error) {
	var body struct {
		Tables []struct {
			Columns []struct{ Name string }
			Rows    [][]json.RawMessage
		}
	}
	if err := json.NewDecoder(answer).Decode(&body); err != nil {
		return nil, fmt.Errorf("read an answer: %w", err)
	}
	if len(body.Tables) == 0 {
		return nil, fmt.Errorf("read an answer: it has no table")
	}
	t := body.Tables[0]
	rows := make([]row, len(t.Rows))
	for i, cells := range t.Rows {
		object := map[string]json.RawMessage{}
		for k, cell := range cells {
			if k < len(t.Columns) && string(cell) != "null" {
				object[t.Columns[k].Name] = cell
			}
		}
		whole, err := json.Marshal(object)
		if err == nil {
			err = json.Unmarshal(whole, &rows[i])
		}
		if err != nil {
			return nil, fmt.Errorf("read an answer: %w", err)
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return b.TimeGenerated.Compare(a.TimeGenerated) })
	return rows, nil
}

func (r row) record() (Record, error) {
	rec := Record{ID: r.EventDataID, Time: r.TimeGenerated, Level: r.Level, Operation: r.OperationName, OperationID: r.OperationID, Correlation: r.CorrelationID,
		Status: Status(r.ActivityStatus), SubStatus: r.ActivitySubstatusValue, SubText: r.ActivitySubstatus, Caller: r.Caller,
		Group: r.ResourceGroup, Resource: r.ResourceID, Provider: r.ResourceProvider}
	for _, part := range [...]struct {
		text string
		to   *map[string]string
	}{{r.HTTPRequest, &rec.Request}, {r.Claims, &rec.Claims}, {r.Properties, &rec.Properties}} {
		if err := json.Unmarshal([]byte(part.text), part.to); err != nil {
			return Record{}, fmt.Errorf("event %s of the activity log: %w", r.EventDataID, err)
		}
	}
	return rec, nil
}
