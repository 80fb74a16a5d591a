package worker

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"logkeep/internal/kql"
	"logkeep/internal/schema"
)

// kusto is what the versions of the Kusto protocol have in common.
type kusto struct {
	now      time.Time
	activity string
	render   *kql.Render
}

func newKusto(now time.Time) kusto { return kusto{now: now, activity: uuid.NewString()} }

// column describes a column of one of the protocol's own tables.
type kustoColumn struct {
	Name string `json:"ColumnName"`
	Data string `json:"DataType,omitempty"` // version 1
	Type string `json:"ColumnType"`
}

// dataTypes are the words of version 1 for types.
var dataTypes = map[schema.Type]string{
	schema.Bool: "SByte", schema.Int: "Int32", schema.Long: "Int64", schema.Real: "Double", schema.Decimal: "SqlDecimal",
	schema.String: "String", schema.DateTime: "DateTime", schema.TimeSpan: "TimeSpan", schema.GUID: "Guid", schema.Dynamic: "Object",
}

// columnsOf describes columns, with DataType for version 1.
func columnsOf(list []schema.Column, version int) []kustoColumn {
	out := make([]kustoColumn, len(list))
	for i, c := range list {
		out[i] = kustoColumn{Name: c.Name, Type: c.Type.String()}
		if version == 1 {
			out[i].Data = dataTypes[c.Type]
		}
	}
	return out
}

func col(name string, t schema.Type) schema.Column { return schema.Column{Name: name, Type: t} }

// put writes a value as JSON.
func (b *rendering) put(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("internal error: %w", err)
	}
	b.Write(text)
	return nil
}

// kusto1 is {"Tables":[…]}: the results, what is to be known about drawing
// them, how it went, and a table of contents.
type kusto1 struct{ kusto }

func newKusto1(now time.Time) *kusto1 { return &kusto1{newKusto(now)} }

func (f *kusto1) start(b *rendering, r *kql.Render) error {
	f.render = r
	b.WriteString(`{"Tables":[`)
	return nil
}

func (f *kusto1) begin(b *rendering, _ string) error {
	if b.tables > 1 {
		b.WriteByte(',')
	}
	fmt.Fprintf(b, `{"TableName":"Table_%d","Columns":`, b.tables-1)
	err := b.put(columnsOf(b.columns, 1))
	b.WriteString(`,"Rows":[`)
	return err
}

func (f *kusto1) finish(b *rendering) error {
	b.WriteString("]}")
	return nil
}

func (f *kusto1) end(b *rendering, _ map[string]any) error {
	drawing, err := json.Marshal(properties(f.render))
	if err != nil {
		return fmt.Errorf("internal error: %w", err)
	}
	contents := [][]any{}
	for i, n := range b.names {
		contents = append(contents, []any{i, "QueryResult", n, uuid.NewString(), ""})
	}
	n := len(contents)
	contents = append(contents, []any{n, "QueryProperties", "@ExtendedProperties", uuid.NewString(), ""},
		[]any{n + 1, "QueryStatus", "QueryStatus", "00000000-0000-0000-0000-000000000000", ""})
	status := []any{schema.TicksOf(f.now).String(), 4, "Info", 0, "Query completed successfully", 1, f.activity, f.activity, f.activity, ""}
	if b.cut != "" {
		status[1], status[2], status[3], status[4] = 2, "Error", resultTooLarge, b.cut
	}
	for i, t := range []struct {
		columns []schema.Column
		rows    [][]any
	}{
		{[]schema.Column{col("Value", schema.String)}, [][]any{{string(drawing)}}},
		{[]schema.Column{col("Timestamp", schema.DateTime), col("Severity", schema.Int), col("SeverityName", schema.String), col("StatusCode", schema.Int),
			col("StatusDescription", schema.String), col("Count", schema.Int), col("RequestId", schema.GUID), col("ActivityId", schema.GUID),
			col("SubActivityId", schema.GUID), col("ClientActivityId", schema.String)},
			[][]any{status}},
		{[]schema.Column{col("Ordinal", schema.Long), col("Kind", schema.String), col("Name", schema.String), col("Id", schema.String), col("PrettyName", schema.String)}, contents},
	} {
		fmt.Fprintf(b, `,{"TableName":"Table_%d","Columns":`, n+i)
		if err := b.put(columnsOf(t.columns, 1)); err != nil {
			return err
		}
		b.WriteString(`,"Rows":`)
		if err := b.put(t.rows); err != nil {
			return err
		}
		b.WriteByte('}')
	}
	b.WriteByte(']')
	if b.cut != "" {
		b.WriteString(`,"Exceptions":`)
		if err := b.put([]string{b.cut}); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

// resultTooLarge is E_QUERY_RESULT_SET_TOO_LARGE as a number with a sign.
const resultTooLarge = -2133196797

// cutErrors is the list of errors of an answer that is not whole.
func (f *kusto2) cutErrors(b *rendering) error {
	return b.put([]any{map[string]any{"error": map[string]any{
		"code": "LimitsExceeded", "message": "Request is invalid and cannot be executed.", "@type": "Kusto.Data.Exceptions.KustoServicePartialQueryFailureLimitsExceededException",
		"@message": b.cut, "@context": map[string]any{"timestamp": schema.TicksOf(f.now).String(), "activityId": f.activity}, "@permanent": false,
	}}})
}

// kusto2 is an array of frames. With fragments every frame stands on a line,
// and a result is a header, fragments with rows and an end.
type kusto2 struct {
	kusto
	fragments bool
}

func newKusto2(now time.Time, fragments bool) *kusto2 { return &kusto2{newKusto(now), fragments} }

// line ends a frame before another one.
func (f *kusto2) line(b *rendering) {
	if f.fragments {
		b.WriteString("\r\n")
	}
	b.WriteByte(',')
}

func (f *kusto2) start(b *rendering, r *kql.Render) error {
	b.inline = true
	placement := "InData"
	if f.fragments {
		placement = "EndOfTable"
	}
	fmt.Fprintf(b, `[{"FrameType":"DataSetHeader","IsProgressive":false,"Version":"v2.0","IsFragmented":%t,"ErrorReportingPlacement":%q}`, f.fragments, placement)
	drawing, err := json.Marshal(properties(r))
	if err != nil {
		return fmt.Errorf("internal error: %w", err)
	}
	f.line(b)
	return f.table(b, 0, "QueryProperties", "@ExtendedProperties",
		[]schema.Column{col("TableId", schema.Int), col("Key", schema.String), col("Value", schema.Dynamic)}, [][]any{{1, "Visualization", string(drawing)}})
}

// table writes a table of the protocol's own.
func (f *kusto2) table(b *rendering, id int, kind, name string, columns []schema.Column, rows [][]any) error {
	fmt.Fprintf(b, `{"FrameType":"DataTable","TableId":%d,"TableKind":%q,"TableName":%q,"Columns":`, id, kind, name)
	if err := b.put(columnsOf(columns, 2)); err != nil {
		return err
	}
	b.WriteString(`,"Rows":`)
	if err := b.put(rows); err != nil {
		return err
	}
	b.WriteByte('}')
	return nil
}

func (f *kusto2) begin(b *rendering, table string) error {
	f.line(b)
	frame := "DataTable"
	if f.fragments {
		frame = "TableHeader"
	}
	fmt.Fprintf(b, `{"FrameType":%q,"TableId":%d,"TableKind":"PrimaryResult","TableName":`, frame, b.tables)
	if err := b.put(table); err != nil {
		return err
	}
	b.WriteString(`,"Columns":`)
	if err := b.put(columnsOf(b.columns, 2)); err != nil {
		return err
	}
	if f.fragments {
		b.WriteByte('}')
		f.line(b)
		fmt.Fprintf(b, `{"FrameType":"TableFragment","TableFragmentType":"DataAppend","TableId":%d`, b.tables)
	}
	b.WriteString(`,"Rows":[`)
	return nil
}

func (f *kusto2) finish(b *rendering) error {
	if b.cut != "" && !f.fragments { // errors stand where rows are missing
		if b.rows > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"OneApiErrors":`)
		if err := f.cutErrors(b); err != nil {
			return err
		}
		b.WriteByte('}')
	}
	b.WriteString("]}")
	if !f.fragments {
		return nil
	}
	f.line(b)
	fmt.Fprintf(b, `{"FrameType":"TableCompletion","TableId":%d,"RowCount":%d`, b.tables, b.rows)
	if b.cut != "" {
		b.WriteString(`,"OneApiErrors":`)
		if err := f.cutErrors(b); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

func (f *kusto2) end(b *rendering, _ map[string]any) error {
	f.line(b)
	err := f.table(b, b.tables+1, "QueryCompletionInformation", "QueryCompletionInformation",
		[]schema.Column{col("Timestamp", schema.DateTime), col("ClientRequestId", schema.String), col("ActivityId", schema.GUID), col("SubActivityId", schema.GUID),
			col("ParentActivityId", schema.GUID), col("Level", schema.Int), col("LevelName", schema.String), col("StatusCode", schema.Int),
			col("StatusCodeName", schema.String), col("EventType", schema.Int), col("EventTypeName", schema.String), col("Payload", schema.String)},
		[][]any{{schema.TicksOf(f.now).String(), "", f.activity, f.activity, f.activity, 4, "Info", 0, "S_OK (0)", 4, "QueryInfo", `{"Count":1,"Text":"Query completed successfully"}`}})
	if err != nil {
		return err
	}
	f.line(b)
	fmt.Fprintf(b, `{"FrameType":"DataSetCompletion","HasErrors":%t,"Cancelled":false`, b.cut != "")
	if b.cut != "" {
		b.WriteString(`,"OneApiErrors":`)
		if err := f.cutErrors(b); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	if f.fragments {
		b.WriteString("\r\n]\r\n")
		return nil
	}
	b.WriteByte(']')
	return nil
}
